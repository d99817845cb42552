"""The recipe of the embedded network: what goes into a minibatch, how strongly it counts, how long it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openmidas.training.augment import Sample
from openmidas.training.data import Source
from openmidas.training.loop import Schedule

# about 49 thousand pixels each: landscape, portrait, square, wide
SIZES = ((192, 256), (256, 192), (224, 224), (160, 320), (192, 288), (256, 224))
# about 70 thousand: nearer to what pictures have when they are predicted
LARGE_SIZES = ((224, 320), (320, 224), (256, 288), (192, 384), (256, 256), (288, 256))
# What ImageNet taught the first layers serves as it is; a step without them takes a quarter less time.
FIRST_LAYERS = ("encoder.stem", "encoder.blocks.0.", "encoder.blocks.1.", "encoder.blocks.2.")


@dataclass(frozen=True)
class Share:
    """A source's part; the fields are those of `Source`.

    Only labels are trimmed: trimmed everywhere, the nearest fifth of every picture is free to run away, and a
    least-squares fit follows it. Kinect depth gets a small alpha: its edges are blobs.
    """

    per_batch: int
    kept: float
    gradient_weight: float
    paste_chance: float


@dataclass(frozen=True)
class Recipe:
    """Everything a run depends on but the data."""

    schedule: Schedule
    photos: Share
    kinect: Share
    synthetic: Share


RECIPES = {
    "first": Recipe(
        Schedule(4500, SIZES, 1e-4, 1.5e-3, frozen=FIRST_LAYERS),
        photos=Share(5, 0.9, 1.0, 0.35),
        kinect=Share(6, 1.0, 0.5, 0.15),
        synthetic=Share(5, 1.0, 1.0, 0.15),
    ),
    # begins where the first ended, on labels that it helped to make; more weight on edges
    "second": Recipe(
        Schedule(8000, LARGE_SIZES, 1e-4, 1e-3, frozen=FIRST_LAYERS),
        photos=Share(5, 0.9, 1.5, 0.35),
        kinect=Share(6, 1.0, 0.5, 0.15),
        synthetic=Share(5, 1.0, 2.0, 0.15),
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
