"""`openmidas convert`: from one kind of depth file and one meaning to another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from openmidas.cli.meaning import DATA_SETS, Meaning, check_name, has_planes, read_as, spoken
from openmidas.depth_map import ConventionError, DepthMap, with_near_far
from openmidas.encoding import Encoding, encoding_for, encoding_named, encoding_names, lossless_encoding
from openmidas.files import read_encoding, write_depth, write_heatmap
from openmidas.files.errors import file_error
from openmidas.files.gdepth import gdepth_encoding, write_gdepth

_HEATMAP = "heatmap"
_PORTRAIT = "gdepth-range-inverse"
_PORTRAIT_SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Wanted:
    """encoding: a name, heatmap, or None for the file's own way. scale, shift: what gives metres.

    photo: the picture that a JPEG shows and carries the depth map beside.
    """

    encoding: str | None = None
    scale: float | None = None
    shift: float | None = None
    overwrite: bool = False
    photo: Path | None = None


def convert_file(source: Path, target: Path, meaning: Meaning, wanted: Wanted) -> str:
    """Convert and give the lines that say what was written.

    Raises FileError, ConventionError, and click.UsageError for options that do not go together.
    """
    if wanted.photo is not None and wanted.encoding is None:
        wanted = replace(wanted, encoding=_PORTRAIT)
    _check_options(meaning, wanted)
    _check_photo(target, wanted)
    if target.exists() and not wanted.overwrite:
        raise file_error(target, "exists: add --overwrite to replace it, or name another file")
    depth_map = read_as(source, meaning)
    with _naming(source):
        metric = _with_metres(depth_map, meaning, wanted)
        encoding = _target_encoding(target, metric, meaning, wanted)
    if wanted.encoding == _HEATMAP:
        write_heatmap(target, metric)
    elif wanted.photo is not None:
        write_gdepth(target, wanted.photo, metric, encoding)
    else:
        write_depth(target, metric, encoding)
    stated = "" if metric is depth_map else _stated(depth_map, meaning, wanted)
    return f"{target}: {_written(target, metric, encoding, wanted)}{stated}"


def _check_options(meaning: Meaning, wanted: Wanted) -> None:
    check_name("--from", meaning.encoding, (*encoding_names(), *DATA_SETS))
    check_name("--to", wanted.encoding, (*encoding_names(), _HEATMAP))
    if (meaning.near is None) != (meaning.far is None):
        raise click.UsageError("--near and --far go together")
    if wanted.shift is not None and wanted.scale is None:
        raise click.UsageError("--shift needs --scale")
    planes = has_planes(meaning.encoding) or has_planes(wanted.encoding)
    if meaning.bits is not None and not planes:
        raise click.UsageError("--bits is for encodings between two planes, such as opengl")
    if meaning.near is not None and wanted.scale is not None and not planes:
        raise click.UsageError("--near and --far, or --scale and --shift: not both")


def _check_photo(target: Path, wanted: Wanted) -> None:
    carries = wanted.encoding != _HEATMAP and target.suffix.lower() in _PORTRAIT_SUFFIXES
    if carries and wanted.photo is None:
        raise click.UsageError("a JPEG carries a depth map beside a photo: name that by --photo")
    if wanted.photo is not None and not carries:
        raise click.UsageError("--photo is for a depth map in a JPEG: name OUT.jpg")


def _with_metres(depth_map: DepthMap, meaning: Meaning, wanted: Wanted) -> DepthMap:
    """The map made metric by what the command line states, itself when it states nothing about metres."""
    if wanted.scale is not None:
        return depth_map.with_scale_shift(wanted.scale, wanted.shift or 0.0)
    if meaning.near is None or meaning.far is None:
        return depth_map
    if depth_map.ambiguity == "affine_invariant":
        return with_near_far(depth_map, meaning.near, meaning.far)
    if has_planes(meaning.encoding) or has_planes(wanted.encoding):
        return depth_map
    raise click.UsageError(
        f"--near and --far have no use here: the map is {spoken(depth_map.ambiguity)} already"
    )


def _target_encoding(target: Path, depth_map: DepthMap, meaning: Meaning, wanted: Wanted) -> Encoding | None:
    """The encoding to write, None for the file's own way; ConventionError when it lacks metres."""
    name = wanted.encoding
    if name is None or name == _HEATMAP:
        return None
    if not has_planes(name):
        encoding = encoding_for(name, depth_map)
    elif wanted.photo is not None and meaning.near is None and depth_map.ambiguity == "metric":
        encoding = gdepth_encoding(depth_map, name)
    else:
        bits = _target_bits(target, meaning, name)
        encoding = encoding_for(name, depth_map, meaning.near, meaning.far, bits)
    if depth_map.ambiguity == "affine_invariant" != encoding.ambiguity:
        raise ConventionError(
            f"holds {spoken(depth_map.ambiguity)} {spoken(depth_map.quantity)}, which says nothing of "
            "metres: state them by --near and --far (of the nearest and the farthest pixel) "
            "or by --scale and --shift"
        )
    return encoding


def _target_bits(target: Path, meaning: Meaning, name: str) -> int | None:
    """What was asked for; else the name's own, but 16 in a PNG, which holds no floats."""
    if meaning.bits is not None:
        return meaning.bits
    own = encoding_named(name, near=1, far=2).bits
    return 16 if own is None and target.suffix.lower() == ".png" else own


def _stated(depth_map: DepthMap, meaning: Meaning, wanted: Wanted) -> str:
    if wanted.scale is None:
        said = f"the nearest pixel is at {meaning.near:g} m, the farthest at {meaning.far:g} m"
    else:
        said = f"metric {spoken(depth_map.quantity)} is {wanted.scale:g} × value + {wanted.shift or 0:g}"
    return f"\nTaken from the command line, not measured: {said}."


def _written(target: Path, depth_map: DepthMap, encoding: Encoding | None, wanted: Wanted) -> str:
    if wanted.encoding == _HEATMAP:
        return "heatmap, near is bright"
    carried = read_encoding(target)
    if carried is not None:
        return str(carried)
    used = encoding or lossless_encoding(depth_map.quantity, depth_map.ambiguity)
    return f"{used}\nThis kind of file cannot say so itself: name it when you read it (--from {used.name})."


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ConventionError as error:
        raise ConventionError(str(file_error(path, str(error)))) from error
