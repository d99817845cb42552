"""`openmidas info`: what a file holds, in words and numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openmidas.cli.meaning import DATA_SETS, Meaning, check_name, read_as, spoken
from openmidas.depth_map import DepthMap
from openmidas.encoding import encoding_names
from openmidas.files import read_focal_length_px, read_image, read_numbers
from openmidas.files.codes import Codes, Numbers
from openmidas.files.errors import FileError
from openmidas.files.gdepth import read_gdepth
from openmidas.files.heic_depth import read_heic_depth

_NEVER_PICTURES = (".pfm", ".npz", ".npy", ".exr", ".dpt")
_PORTRAITS = {".jpg": read_gdepth, ".jpeg": read_gdepth, ".heic": read_heic_depth, ".heif": read_heic_depth}
_UNITS = {"depth": "m", "inverse_depth": "1/m"}


def describe(path: Path, meaning: Meaning) -> str:
    """Two to four lines about a depth map, a picture or both in one; FileError for a file that is neither."""
    check_name("--from", meaning.encoding, (*encoding_names(), *DATA_SETS))
    if meaning.encoding is not None:
        return _about_map(path, read_as(path, meaning), f"read as {meaning.encoding}")
    portrait = _portrait_or_none(path)
    if portrait is not None:
        return f"{_about_picture(path)}\n{portrait}"
    numbers = _numbers_or_none(path)
    if numbers is None:
        return _about_picture(path)
    if numbers.encoding is None:
        return _about_numbers(path, numbers.codes)
    return _about_map(path, numbers.encoding.decode(numbers.codes), str(numbers.encoding))


def _portrait_or_none(path: Path) -> str | None:
    """About the depth map that a photo carries."""
    read = _PORTRAITS.get(path.suffix.lower())
    numbers = read(path) if read is not None else None
    if numbers is None or numbers.encoding is None:
        return None
    return _about_map(path, numbers.encoding.decode(numbers.codes), str(numbers.encoding))


def _numbers_or_none(path: Path) -> Numbers | None:
    """None for what may be a picture in colours."""
    try:
        return read_numbers(path)
    except FileError:
        if path.suffix.lower() in _NEVER_PICTURES:
            raise
        return None


def _about_map(path: Path, depth_map: DepthMap, encoding: str) -> str:
    meaning = f"{spoken(depth_map.ambiguity)} {spoken(depth_map.quantity)}"
    return f"{path}: depth map, {_size(depth_map.shape)}, {meaning}\n{encoding}\n{_spread(depth_map)}"


def _spread(depth_map: DepthMap) -> str:
    finite = depth_map.values[np.isfinite(depth_map.values)]
    share = f"{depth_map.valid.mean():.1%} of the pixels valid"
    if finite.size == 0:
        return share
    unit = f" {_UNITS[depth_map.quantity]}" if depth_map.ambiguity == "metric" else ""
    sky = depth_map.valid.sum() - finite.size
    far = f", {sky / depth_map.valid.size:.1%} at infinity" if sky else ""
    low, middle, high = finite.min(), np.median(finite), finite.max()
    return f"{share}{far}; from {low:.4g} to {high:.4g}{unit}, median {middle:.4g}{unit}"


def _about_numbers(path: Path, codes: Codes) -> str:
    finite = codes[np.isfinite(codes)]
    spread = f"from {finite.min():.6g} to {finite.max():.6g}" if finite.size else "none of them finite"
    if finite.size < codes.size:
        spread += f", {1 - finite.size / codes.size:.1%} NaN or infinite"
    return (
        f"{path}: {_size(codes.shape)} of {codes.dtype} numbers, {spread}\n"
        "The file does not say what they mean: name it by --from ENCODING, if it is a depth map."
    )


def _about_picture(path: Path) -> str:
    height, width = read_image(path).shape[:2]
    focal_px = read_focal_length_px(path)
    focal = "unknown" if focal_px is None else f"{focal_px:.0f} pixels (from its EXIF data)"
    return f"{path}: picture in colours, {_size((height, width))}, focal length {focal}"


def _size(shape: tuple[int, ...]) -> str:
    height, width = shape
    return f"{width}×{height} pixels"
