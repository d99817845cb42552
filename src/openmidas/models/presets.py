"""Every network by name: where its weights are, how it wants its picture, what its numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from openmidas.depth_map import Ambiguity, Quantity

Resize = Literal["short_side", "lower_bound", "upper_bound", "minimal", "square"]
Interpolation = Literal["area", "bicubic"]


@dataclass(frozen=True)
class Preset:
    """A network's preprocessing, and what its answer means.

    path: the ONNX file in the package; None: the published checkpoint of that name, in PyTorch.
    side_px, resize: the picture's size at the network, see `preprocess.network_shape`.
    interpolation: `area` on bytes where the picture shrinks; or `bicubic` on floats, as the authors' scripts have it.
    mean, std: of RGB in 0 ... 1.
    quantity: of the depth map; the network itself always gives inverse depth.
    """

    name: str
    path: Path | None
    side_px: int
    resize: Resize
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    quantity: Quantity = "inverse_depth"
    ambiguity: Ambiguity = "affine_invariant"


EMBEDDED = Path(str(files("openmidas.models"))) / "tiny.onnx"
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# Of the published ones, what their authors' own scripts do.
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset("tiny", EMBEDDED, 256, "short_side", "area", *_HALF),
            Preset("midas_v21_384", None, 384, "upper_bound", "bicubic", *_IMAGENET),
            Preset("midas_v21_small_256", None, 256, "upper_bound", "bicubic", *_IMAGENET),
            Preset("dpt_large_384", None, 384, "minimal", "bicubic", *_HALF),
            Preset("dpt_hybrid_384", None, 384, "minimal", "bicubic", *_HALF),
            Preset("dpt_beit_large_512", None, 512, "minimal", "bicubic", *_HALF),
            Preset("dpt_beit_large_384", None, 384, "minimal", "bicubic", *_HALF),
            Preset("dpt_beit_base_384", None, 384, "minimal", "bicubic", *_HALF),
            Preset("dpt_swin2_large_384", None, 384, "square", "bicubic", *_HALF),
            Preset("dpt_swin2_base_384", None, 384, "square", "bicubic", *_HALF),
            Preset("dpt_swin2_tiny_256", None, 256, "square", "bicubic", *_HALF),
            Preset("dpt_swin_large_384", None, 384, "square", "bicubic", *_HALF),
            Preset("dpt_next_vit_large_384", None, 384, "minimal", "bicubic", *_HALF),
            Preset("dpt_levit_224", None, 224, "square", "bicubic", *_HALF),
            Preset("dpt_hybrid_kitti", None, 352, "minimal", "bicubic", *_HALF, "depth", "metric"),
            Preset("dpt_hybrid_nyu", None, 480, "minimal", "bicubic", *_HALF, "depth", "metric"),
        )
    }
)


def preset_named(name: str) -> Preset:
    """The preset of that name; ValueError names those there are."""
    if name not in PRESETS:
        raise ValueError(f"no model is called {name!r}: there are {', '.join(PRESETS)}")
    return PRESETS[name]


def check_side(preset: Preset, side_px: int | None) -> None:
    """ValueError where another size is asked for than the only one that the network takes."""
    if preset.resize == "square" and side_px not in (None, preset.side_px):
        size = f"{preset.side_px}×{preset.side_px}"
        raise ValueError(f"{preset.name} takes {size} pixels only, not {side_px}: leave the size out")
