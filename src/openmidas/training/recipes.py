"""The recipe of the embedded network: what goes into a minibatch, how strongly it counts, how long it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from openmidas.training.augment import Sample
from openmidas.training.data import Source
from openmidas.training.loop import Schedule

# about 49 thousand pixels each: landscape, portrait, square, wide
SMALL_SIZES = ((192, 256), (256, 192), (224, 224), (160, 320), (192, 288), (256, 224))
# about 80 thousand
LARGE_SIZES = ((256, 320), (320, 256), (288, 288), (192, 416), (256, 352), (320, 224))


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
    schedule: Schedule = field(default_factory=lambda: Schedule(4000, SMALL_SIZES, 1e-4, 5e-4))


RECIPES = {
    "first": Recipe(),
    "second": Recipe(
        photos=Share(4, 0.9, 0.5, 0.35),
        schedule=Schedule(5000, LARGE_SIZES, 0.7e-4, 2.5e-4, seed=1),
    ),
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
