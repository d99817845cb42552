"""Depth maps in and out: the suffix names the format, the encoding says what its numbers mean."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import Encoding, encoding_for, encoding_named, encoding_names, lossless_encoding
from openmidas.files.codes import Codes, Numbers
from openmidas.files.dpt import read_dpt
from openmidas.files.errors import FilePath, file_error
from openmidas.files.exr import read_exr, write_exr
from openmidas.files.gdepth import read_gdepth
from openmidas.files.gray import read_gray, write_png, write_tiff
from openmidas.files.heic_depth import read_heic_depth
from openmidas.files.npy import read_npy, read_npz, write_npy, write_npz
from openmidas.files.pfm import read_pfm, write_pfm


class _Format(NamedTuple):
    read: Callable[[Any], Numbers]
    write: Callable[[Any, Codes, Encoding], None] | None = None
    holds: tuple[str, ...] = ("float32",)


def _read_jpeg(path: FilePath) -> Numbers:
    """The depth map that a portrait-mode photo carries, else the gray levels of the picture itself."""
    return read_gdepth(path) or read_gray(path)


def _read_heic(path: FilePath) -> Numbers:
    numbers = read_heic_depth(path)
    if numbers is None:
        raise file_error(path, "carries no depth map: take it in portrait mode, or predict one")
    return numbers


_PNG = _Format(read_gray, write_png, ("uint8", "uint16"))
_TIFF = _Format(read_gray, write_tiff, ("float32", "uint8", "uint16"))
_FORMATS = {
    ".png": _PNG,
    ".pfm": _Format(read_pfm, write_pfm),
    ".npz": _Format(read_npz, write_npz),
    ".npy": _Format(read_npy, write_npy, ("float32", "uint8", "uint16", "uint32")),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".exr": _Format(read_exr, write_exr),
    ".dpt": _Format(read_dpt),
    ".jpg": _Format(_read_jpeg),
    ".jpeg": _Format(_read_jpeg),
    ".heic": _Format(_read_heic),
    ".heif": _Format(_read_heic),
    ".webp": _Format(read_gray),
    ".bmp": _Format(read_gray),
    ".pgm": _Format(read_gray),
}
_WRITTEN = {suffix: kind for suffix, kind in _FORMATS.items() if kind.write is not None}


def read_depth(path: FilePath, encoding: Encoding | None = None) -> DepthMap:
    """The depth map in a PNG, PFM, NPZ, NPY, TIFF, EXR, Sintel .dpt or 8-bit picture file, or beside a photo.

    encoding: what the numbers mean, for files that do not say so themselves. PNG, NPZ, TIFF and EXR files
    that this package wrote do, .dpt files always mean metres, and portrait-mode photos say it too: JPEG
    with GDepth metadata, HEIC with a depth image.
    Raises FileError, also when the meaning is missing or contradicts the file's own, and ConventionError
    when the numbers are not of that encoding.
    """
    codes, carried = _format(path).read(path)
    meaning = _meaning(path, codes, carried, encoding)
    with _naming(path):
        return meaning.decode(codes)


def write_depth(path: FilePath, depth_map: DepthMap, encoding: Encoding | None = None) -> None:
    """Write a depth map as PNG, PFM, NPZ, NPY, TIFF or EXR, by the suffix, whole or not at all.

    encoding: how numbers stand for depth. By default float formats store the values as they are, and PNG
    the inverse depth from its lowest to its highest value in 16 bits (`midas`). PNG, NPZ, TIFF and EXR
    files carry the encoding; whoever reads PFM and NPY must know it.
    Raises FileError, and ConventionError for a map the encoding cannot hold.
    """
    kind = _format(path, _WRITTEN)
    with _naming(path):
        encoding = encoding or _default_encoding(kind, depth_map)
        codes = encoding.encode(depth_map)
    if codes.dtype.name not in kind.holds:
        held = " or ".join(kind.holds)
        raise file_error(path, f"this kind holds {held}, not the {codes.dtype} of {encoding.name}")
    assert kind.write is not None
    kind.write(path, codes, encoding)


def read_encoding(path: FilePath) -> Encoding | None:
    """The encoding that a depth file carries, None when it carries none; raises FileError."""
    return read_numbers(path).encoding


def read_numbers(path: FilePath) -> Numbers:
    """The numbers of a depth file as stored, and the encoding it carries, if any; raises FileError."""
    return _format(path).read(path)


def _format(path: FilePath, formats: Mapping[str, _Format] = _FORMATS) -> _Format:
    suffix = Path(path).suffix.lower()
    if suffix in formats:
        return formats[suffix]
    if suffix in _FORMATS:
        problem = f"files with the suffix {suffix} are only read"
    else:
        problem = (
            f"{f'the suffix {suffix}' if suffix else 'a name without suffix'} names no kind of depth file"
        )
    raise file_error(path, f"{problem}: use one of {', '.join(formats)}")


def _default_encoding(kind: _Format, depth_map: DepthMap) -> Encoding:
    return (
        lossless_encoding(depth_map.quantity, depth_map.ambiguity)
        if "float32" in kind.holds
        else encoding_for("midas", depth_map)
    )


def _meaning(path: FilePath, codes: Codes, carried: Encoding | None, given: Encoding | None) -> Encoding:
    if carried is None and given is None:
        names = ", ".join(_names_for(codes))
        raise file_error(
            path, f"does not say what its {codes.dtype} numbers mean: name the encoding, such as {names}"
        )
    if carried is None or given is None:
        return carried or given  # type: ignore[return-value]
    # The file's own is the more exact one: it knows the range that a name such as midas leaves open.
    if (carried.name, carried.near, carried.far) != (given.name, given.near, given.far):
        raise file_error(path, f"says itself that it holds {carried}; read it without naming {given.name}")
    return carried


def _names_for(codes: Codes) -> Iterator[str]:
    """The encodings, of those that need no planes, that such numbers can be of."""
    for name in encoding_names():
        with contextlib.suppress(ConventionError):
            bits = encoding_named(name).bits
            if (bits is None) == (codes.dtype.kind == "f") and (bits or 0) <= 8 * codes.itemsize:
                yield name


@contextlib.contextmanager
def _naming(path: FilePath) -> Iterator[None]:
    try:
        yield
    except ConventionError as error:
        raise ConventionError(str(file_error(path, str(error)))) from error
