"""Every network by name, or by what its file says: how it wants its picture, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from openmidas.depth_map import Ambiguity, Quantity
from openmidas.files.errors import FilePath, file_error

Resize = Literal["short_side", "lower_bound", "upper_bound", "minimal", "square"]
Interpolation = Literal["area", "bicubic"]


@dataclass(frozen=True)
class Preset:
    """A network's preprocessing, and what its answer means.

    path: its ONNX file; None: the published checkpoint of that name, in PyTorch.
    side_px, resize: the picture's size at the network, see `preprocess.network_shape`.
    interpolation: `area` on bytes where the picture shrinks; or `bicubic` on floats, as the authors' scripts have it.
    mean, std: of RGB in 0 ... 1.
    quantity: of the depth map. output: of the network's numbers, which are inverted where it is another.
    fixed: the one (height, width) that the network takes; None: the rule says which.
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
    output: Quantity = "inverse_depth"
    fixed: tuple[int, int] | None = None

    @property
    def takes_any_size(self) -> bool:
        """Whether the network takes other sizes than one."""
        return self.fixed is None and self.resize != "square"


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
            Preset("midas_resnet50", None, 384, "upper_bound", "bicubic", *_IMAGENET),
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
    if preset.fixed is not None and side_px is not None:
        height, width = preset.fixed
        raise ValueError(f"{preset.name} takes {width}×{height} pixels only: leave the size out")
    if preset.resize == "square" and side_px not in (None, preset.side_px):
        size = f"{preset.side_px}×{preset.side_px}"
        raise ValueError(f"{preset.name} takes {size} pixels only, not {side_px}: leave the size out")


def described(preset: Preset) -> dict[str, str]:
    """What an ONNX file says of itself, so that nothing else is needed to predict with it."""
    return {
        "name": preset.name,
        "side_px": str(preset.side_px),
        "resize": preset.resize,
        "interpolation": preset.interpolation,
        "mean": " ".join(map(str, preset.mean)),
        "std": " ".join(map(str, preset.std)),
        "quantity": preset.quantity,
        "ambiguity": preset.ambiguity,
        "output": preset.output,
    }


def preset_described(path: FilePath, entries: Mapping[str, str], fixed: tuple[int, int] | None) -> Preset:
    """The preset of an ONNX file by the entries of `described`; FileError for one that is missing or unknown.

    `side_px` and `resize` may be missing where the size is fixed, `name` always.
    """
    if fixed is not None:
        entries = {"side_px": str(max(fixed)), "resize": "square", **entries}
    try:
        return Preset(
            entries.get("name", Path(path).stem),
            Path(path),
            int(entries["side_px"]),
            _one_of(entries, "resize", get_args(Resize)),  # type: ignore[arg-type]
            _one_of(entries, "interpolation", get_args(Interpolation)),  # type: ignore[arg-type]
            _three(entries["mean"]),
            _three(entries["std"]),
            _one_of(entries, "quantity", get_args(Quantity)),  # type: ignore[arg-type]
            _one_of(entries, "ambiguity", get_args(Ambiguity)),  # type: ignore[arg-type]
            _one_of(entries, "output", get_args(Quantity)),  # type: ignore[arg-type]
            fixed,
        )
    except KeyError as error:
        needed = ", ".join(described(PRESETS["tiny"]))
        problem = f"has no entry {error} in its metadata: it needs {needed}, as openmidas export writes them"
        raise file_error(path, problem) from error
    except ValueError as error:
        raise file_error(path, f"has metadata that make no sense: {error}") from error


def _one_of(entries: Mapping[str, str], key: str, known: tuple[str, ...]) -> str:
    if entries[key] not in known:
        raise ValueError(f"{key} is one of {', '.join(known)}, not {entries[key]!r}")
    return entries[key]


def _three(text: str) -> tuple[float, float, float]:
    red, green, blue = map(float, text.split())
    return red, green, blue
