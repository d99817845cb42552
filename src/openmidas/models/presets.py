"""Every network by name: where it lies, how it wants its picture, what its numbers mean."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from openmidas.depth_map import Ambiguity, Quantity


@dataclass(frozen=True)
class Preset:
    """A network file and its preprocessing.

    side_px: the picture's short side at the network. mean, std: of RGB in 0 ... 1.
    """

    name: str
    path: Path
    side_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    quantity: Quantity
    ambiguity: Ambiguity


HALF = (0.5, 0.5, 0.5)

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "tiny",
            Path(str(files("openmidas.models"))) / "tiny.onnx",
            256,
            HALF,
            HALF,
            "inverse_depth",
            "affine_invariant",
        ),
    )
}


def preset_named(name: str) -> Preset:
    """The preset of that name; ValueError names those there are."""
    if name not in PRESETS:
        raise ValueError(f"no model is called {name!r}: there are {', '.join(PRESETS)}")
    return PRESETS[name]
