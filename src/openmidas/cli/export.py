"""`openmidas export`: a network as one ONNX file that says itself how to be used."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import click
from torch import nn

from openmidas.cli.inputs import find_pictures
from openmidas.cli.meaning import check_name, size_in
from openmidas.cli.progress import byte_bar
from openmidas.files.errors import file_error
from openmidas.models.presets import PRESETS, Preset, check_side, described
from openmidas.models.weights import CHECKPOINTS, fetch
from openmidas.networks.export import LARGEST_ERRORS, MULTIPLE_PX, OPSET, Numbers, export_onnx
from openmidas.networks.loading import load
from openmidas.networks.quantise import quantise
from openmidas.training.starting import earlier_network, trained_network

_CHECKED_ASPECT = 0.75
_ROUNDING_DECIDES = (
    "So much it is because these weights magnify rounding:\ndouble precision changes PyTorch's own as much."
)


@dataclass(frozen=True)
class Wanted:
    """The options of the command line, by their names."""

    fp16: bool
    static: str | None
    int8: Path | None
    weights: Path | None
    overwrite: bool


def export(name: str, target: Path, wanted: Wanted) -> str:
    """Write the file; the sentences that say what it is and how near to PyTorch.

    Raises click.UsageError for what cannot be wanted, FileError for what cannot be had or written.
    """
    check_name("NAME", name, tuple(PRESETS))
    preset = _preset(PRESETS[name], wanted)
    if target.suffix.lower() != ".onnx":
        raise click.UsageError(f"OUT is a name that ends in .onnx, not {target}")
    if target.exists() and not wanted.overwrite:
        raise file_error(target, "exists: add --overwrite to replace it, or name another file")
    photos = [] if wanted.int8 is None else _photos(wanted.int8)
    network = _network(preset) if wanted.weights is None else trained_network(name, wanted.weights)
    metadata = described(preset) | _origin(name, wanted.weights)
    if not photos:
        numbers: Numbers = "float16" if wanted.fp16 else "float32"
        error = _export(network, target, metadata, preset, numbers)
        words = f"{_made(target, preset)}\nIts depth differs from PyTorch's by {error:.1e} (relative)."
        return words if error <= LARGEST_ERRORS[numbers] else f"{words} {_ROUNDING_DECIDES}"
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder) / "float32.onnx"
        _export(network, exact, metadata, preset, "float32")
        del network
        loss = quantise(exact, target, photos)
    return (
        f"{_made(target, preset)}\nIn 8 bits its depth differs from float32's by {loss.mean:.1%} of its range, "
        f"{loss.worst:.1%} at worst (mean of a picture),\nmeasured on {loss.pictures} of the {len(photos)} "
        f"pictures in {wanted.int8}."
    )


def _preset(preset: Preset, wanted: Wanted) -> Preset:
    if wanted.fp16 and wanted.int8 is not None:
        raise click.UsageError("--fp16 and --int8 exclude each other")
    if wanted.static is None:
        return preset
    height, width = size_in("--static", wanted.static)
    if height % MULTIPLE_PX or width % MULTIPLE_PX or min(height, width) < MULTIPLE_PX:
        raise click.UsageError(f"--static is in multiples of {MULTIPLE_PX}, not {height}x{width}")
    if preset.resize == "square":
        for side_px in (height, width):
            _check_side(preset, side_px)
    return replace(preset, fixed=(height, width))


def _check_side(preset: Preset, side_px: int) -> None:
    try:
        check_side(preset, side_px)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _photos(folder: Path) -> list[Path]:
    found = find_pictures([os.fspath(folder)], recursive=False, own_endings=())
    if found.problems:
        raise found.problems[0]
    return [picture.path for picture in found.pictures]


def _network(preset: Preset) -> nn.Module:
    if preset.path is not None:
        return earlier_network(preset.path)
    with byte_bar(preset.name) as show:
        return load(preset.name, fetch(CHECKPOINTS[preset.name], progress=show))


def _origin(name: str, weights: Path | None) -> dict[str, str]:
    if weights is not None:
        return {"source": weights.name}
    if name not in CHECKPOINTS:
        return {"licence": "MIT", "source": "openmidas"}
    checkpoint = CHECKPOINTS[name]
    return {"licence": checkpoint.licence, "source": checkpoint.address or checkpoint.file_name}


def _export(
    network: nn.Module, path: Path, metadata: dict[str, str], preset: Preset, numbers: Numbers
) -> float:
    side_px = preset.side_px
    oblong = round(_CHECKED_ASPECT * side_px / MULTIPLE_PX) * MULTIPLE_PX, side_px
    if preset.fixed is not None:
        shapes = [preset.fixed]
    else:
        shapes = [(side_px, side_px)] if preset.resize == "square" else [oblong, (side_px, side_px)]
    return export_onnx(network, path, metadata, shapes, preset.takes_any_size, numbers)


def _made(target: Path, preset: Preset) -> str:
    height, width = preset.fixed or (preset.side_px, preset.side_px)
    size = (
        f"pictures in steps of {MULTIPLE_PX} pixels" if preset.takes_any_size else f"{width}×{height} pixels"
    )
    return f"Wrote {target}: {target.stat().st_size / 1e6:.1f} MB, opset {OPSET}, takes {size}."
