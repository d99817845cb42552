"""The recipe of the embedded network: what goes into a minibatch, how strongly it counts, how long it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from openmidas.training.augment import Sample
from openmidas.training.data import Source
from openmidas.training.loop import Schedule

# about 49 thousand pixels each: landscape, portrait, square, wide
SIZES = ((192, 256), (256, 192), (224, 224), (160, 320), (192, 288), (256, 224))
# What ImageNet taught the first layers serves as it is; a step without them takes a quarter less time.
FIRST_LAYERS = ("encoder.stem", "encoder.blocks.0.", "encoder.blocks.1.", "encoder.blocks.2.")


@dataclass(frozen=True)
class Share:
    """A source's part; the fields are those of `Source`.

    Soft labels get a small alpha: they know where things are, not where they end. Only labels are trimmed: trimmed
    everywhere, the nearest fifth of every picture is free to run away, and a least-squares fit follows it.
    """

    per_batch: int
    kept: float
    gradient_weight: float
    paste_chance: float


@dataclass(frozen=True)
class Recipe:
    """Everything a run depends on but the data."""

    photos: Share = Share(4, 0.9, 0.5, 0.35)
    kinect: Share = Share(7, 1.0, 0.3, 0.15)
    synthetic: Share = Share(5, 1.0, 1.0, 0.15)
    schedule: Schedule = field(default_factory=lambda: Schedule(2400, SIZES, 1e-4, 1.5e-3))


RECIPES = {
    "first": Recipe(),
    "second": Recipe(schedule=Schedule(1800, SIZES, 1e-4, 1.5e-3, average_decay=0.995, frozen=FIRST_LAYERS)),
}


def sources(
    recipe: Recipe, photos: Sequence[Sample], kinect: Sequence[Sample], synthetic: Sequence[Sample]
) -> list[Source]:
    """The recipe's shares of the pictures there are; an empty source is left out."""
    parts = (
        ("photos", photos, recipe.photos),
        ("kinect", kinect, recipe.kinect),
        ("synthetic", synthetic, recipe.synthetic),
    )
    return [
        Source(name, samples, share.per_batch, share.kept, share.gradient_weight, share.paste_chance)
        for name, samples, share in parts
        if samples
    ]
