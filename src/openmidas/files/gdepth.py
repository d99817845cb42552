"""GDepth: a photograph that carries its depth map in its XMP metadata, as phones wrote them from 2014 on.

Source: Google's Depthmap Metadata specification, developers.google.com/depthmap-metadata.
"""

from __future__ import annotations

import base64
import contextlib
import io
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Num, UInt8

from openmidas.depth_map import ConventionError, DepthMap, value_range
from openmidas.encoding import Encoding, encoding_named
from openmidas.files.atomic import write_bytes
from openmidas.files.codes import Codes, Numbers
from openmidas.files.errors import FileError, FilePath, file_error, open_file
from openmidas.files.images import read_image
from openmidas.files.picture import MAX_PIXELS, open_picture
from openmidas.files.png import encode_png
from openmidas.files.xmp import (
    Namespace,
    Packets,
    properties,
    read_packets,
    read_segments,
    with_packets,
    with_properties,
)

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_GDEPTH = Namespace("GDepth", "http://ns.google.com/photos/1.0/depthmap/")
_FORMATS = {"RangeInverse": "gdepth-range-inverse", "RangeLinear": "gdepth-range-linear"}
_UNITS_M = {"m": 1.0, "mm": 0.001}
_SKY_TIMES_NEAR = 1000
_LONGEST_IN_MAIN = 65_000  # bytes with the photograph's own metadata, so that a frame around them fits too
_JPEG_QUALITY = 95
_ORIENTATION_TAG = 0x0112
# EXIF orientation: rows reversed, columns reversed, then rows and columns exchanged, gives the upright picture
_TURNS = {
    2: (1, -1, False),
    3: (-1, -1, False),
    4: (-1, 1, False),
    5: (1, 1, True),
    6: (-1, 1, True),
    7: (-1, -1, True),
    8: (1, -1, True),
}


def read_gdepth(path: FilePath) -> Numbers | None:
    """The numbers of the depth map in a GDepth JPEG, upright, at their own size; None for a JPEG without.

    Without Near and Far, which the specification demands, the map is affine invariant. Units are metres
    unless it says millimetres. Raises FileError when the map is damaged or means lengths of rays.
    """
    with open_file(path) as stream:
        segments = read_segments(stream)
    if not any(_GDEPTH.uri.encode() in segment for segment in segments):
        return None
    packets = read_packets(path, segments)
    found = properties(path, packets.main, _GDEPTH) | properties(path, packets.extended, _GDEPTH)
    if not found:
        return None
    levels = _levels(path, _payload(path, found))
    encoding = _stated_encoding(path, found, 8 * levels.itemsize)
    with open_picture(path) as picture:
        orientation = _orientation(picture)
    return Numbers(_upright(levels, orientation), encoding)


def write_gdepth(
    path: FilePath,
    photo: FilePath | UInt8[np.ndarray, "h w 3"],
    depth_map: DepthMap,
    encoding: Encoding | None = None,
) -> None:
    """Write a JPEG that shows the photo and carries its depth map, of the same view and any size.

    A JPEG photo stays as it is, byte for byte, its EXIF and other XMP metadata too; another kind of picture,
    or an array, becomes a JPEG of quality 95 without metadata. The map is metric, upright, without invalid
    pixels, and stored in 8 bits: a step is 1/255 of the range from near to far, in 1/z for the encoding
    `gdepth-range-inverse` (by default `gdepth_encoding`), in z for `gdepth-range-linear`. What lies beyond
    near or far is stored there. Raises FileError, and ConventionError for a map it cannot hold.
    """
    source = _photo_of(photo)
    try:
        encoding = encoding or gdepth_encoding(depth_map)
        _check(depth_map, encoding, source)
        codes = encoding.encode(depth_map)
    except ConventionError as error:
        raise ConventionError(str(file_error(path, str(error)))) from error
    picture = encode_png(_as_stored(codes, source.orientation))
    stream = io.BytesIO(source.jpeg)
    segments, name = read_segments(stream), path if isinstance(photo, np.ndarray) else photo
    packets = _with_depth(name, read_packets(name, segments), _described(encoding, source), picture)
    write_bytes(path, *with_packets(name, segments, packets), stream.read())


def gdepth_encoding(depth_map: DepthMap, name: str = "gdepth-range-inverse") -> Encoding:
    """The GDepth encoding from a map's nearest to its farthest depth.

    For a map with sky, far is at least 1000 times near, which in 1/z is a quarter of a step from infinity.
    Raises ConventionError for a map without metres or without a finite depth.
    """
    depth = depth_map.to_depth()
    near, far = value_range(depth)
    if name == "gdepth-range-inverse" and np.isposinf(depth.values).any():
        far = max(far, _SKY_TIMES_NEAR * near)
    # a constant map needs some range that starts at its depth
    return encoding_named(name, near, far if far > near else 2 * near)


class _Photo(NamedTuple):
    """shape: (height, width) as stored, before it is turned by the EXIF orientation."""

    jpeg: bytes
    shape: tuple[int, int]
    orientation: int


def _photo_of(photo: FilePath | UInt8[np.ndarray, "h w 3"]) -> _Photo:
    if isinstance(photo, np.ndarray):
        return _Photo(_encoded(photo), (photo.shape[0], photo.shape[1]), 1)
    with open_picture(photo) as picture:
        is_jpeg = picture.format in ("JPEG", "MPO")
        width, height = picture.size
        orientation = _orientation(picture)
    if not is_jpeg:
        return _photo_of(read_image(photo))
    with open_file(photo) as stream:
        return _Photo(stream.read(), (height, width), orientation)


def _encoded(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()


def _orientation(picture: ImageFile) -> int:
    with contextlib.suppress(Exception):  # broken EXIF data is as good as none
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    return 1


def _upright(stored: Codes, orientation: int) -> Num[np.ndarray, "rows columns"]:
    rows, columns, exchanged = _TURNS.get(orientation, (1, 1, False))
    turned = stored[::rows, ::columns]
    return turned.T if exchanged else turned


def _as_stored(upright: Codes, orientation: int) -> Num[np.ndarray, "rows columns"]:
    rows, columns, exchanged = _TURNS.get(orientation, (1, 1, False))
    turned = upright.T if exchanged else upright
    return turned[::rows, ::columns]


def _check(depth_map: DepthMap, encoding: Encoding, photo: _Photo) -> None:
    if encoding.name not in _FORMATS.values() or encoding.bits != 8 or not math.isfinite(encoding.far or 0):
        raise ConventionError(
            f"a JPEG carries {' or '.join(_FORMATS.values())} in 8 bits with a finite far, not {encoding}"
        )
    if not depth_map.valid.all():
        raise ConventionError(
            f"{1 - depth_map.valid.mean():.1%} of the map's pixels are not valid, which a JPEG cannot say: "
            "fill them first"
        )
    height, width = reversed(photo.shape) if _turned_sideways(photo) else photo.shape
    rows, columns = depth_map.shape
    # a map of fewer pixels has the photo's proportions to within one of them
    if abs(columns * height - rows * width) > max(height, width):
        raise ConventionError(
            f"the map has {columns}×{rows} pixels and the photo {width}×{height}: not the same view"
        )


def _turned_sideways(photo: _Photo) -> bool:
    return _TURNS.get(photo.orientation, (1, 1, False))[2]


def _described(encoding: Encoding, photo: _Photo) -> dict[str, str]:
    """The properties that say what the numbers mean and belong into the main packet."""
    height, width = photo.shape
    assert encoding.near is not None
    assert encoding.far is not None
    return {
        "Format": next(word for word, name in _FORMATS.items() if name == encoding.name),
        "Near": _decimal(encoding.near),
        "Far": _decimal(encoding.far),
        "Units": "m",
        "MeasureType": "OpticalAxis",
        "ImageWidth": str(width),
        "ImageHeight": str(height),
        "Mime": "image/png",
    }


def _decimal(number: float) -> str:
    """All digits and no exponent: XMP knows none."""
    return np.format_float_positional(number, trim="0")


def _with_depth(path: FilePath, packets: Packets, described: dict[str, str], picture: bytes) -> Packets:
    """The packets with the depth map in the main one, or its data in the extended one where that is needed."""
    data = {"Data": base64.b64encode(picture).decode()}
    others = with_properties(path, packets.extended, _GDEPTH, {}) if packets.extended else b""
    main = with_properties(path, packets.main, _GDEPTH, described)
    if not others and len(data["Data"]) + len(main) <= _LONGEST_IN_MAIN:
        return Packets(with_properties(path, main, _GDEPTH, described | data), b"")
    return Packets(main, with_properties(path, others, _GDEPTH, data))


def _payload(path: FilePath, found: dict[str, str]) -> bytes:
    if "Data" not in found:
        raise file_error(
            path,
            "says that it carries a depth map, but the map is gone, as after some editors: use the original photo",
        )
    text = "".join(found["Data"].split())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise file_error(path, f"its depth map is damaged ({error}): use the original photo") from error


def _levels(path: FilePath, payload: bytes) -> Codes:
    """The gray levels of a PNG (8 or 16 bits) or JPEG; by its first bytes, for the stated kind may be wrong."""
    from PIL import JpegImagePlugin, PngImagePlugin

    kind = PngImagePlugin.PngImageFile if payload.startswith(b"\x89PNG") else JpegImagePlugin.JpegImageFile
    try:
        with kind(io.BytesIO(payload)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise file_error(path, f"its depth map claims {picture.width}×{picture.height} pixels")
            levels = np.asarray(picture if picture.mode.startswith("I;16") else picture.convert("L"))
            return levels.astype(levels.dtype.newbyteorder("="))
    except FileError:
        raise
    except Exception as error:  # hostile bytes make Pillow's plugins raise anything
        raise file_error(path, f"its depth map is damaged ({error}): use the original photo") from error


def _stated_encoding(path: FilePath, found: dict[str, str], bits: int) -> Encoding:
    """What the properties say of the numbers; the specification's own defaults where they are silent."""
    kind = found.get("Format", "RangeInverse").strip()
    units = found.get("Units", "m").strip()
    measured = found.get("MeasureType", "OpticalAxis").strip()
    if kind not in _FORMATS or units not in _UNITS_M:
        raise file_error(path, f"its depth map is {kind} in {units}, which the GDepth specification lacks")
    if measured != "OpticalAxis":
        raise file_error(path, f"its depth map is of the kind {measured}: only depth along the axis is read")
    near, far = (_number(path, found, key) for key in ("Near", "Far"))
    if near is None or far is None:
        return _without_planes(_FORMATS[kind], bits)
    try:
        return encoding_named(_FORMATS[kind], near * _UNITS_M[units], far * _UNITS_M[units], bits)
    except ConventionError as error:
        raise file_error(path, f"its GDepth metadata is wrong ({error}): use the original photo") from error


def _number(path: FilePath, found: dict[str, str], key: str) -> float | None:
    try:
        return float(found[key]) if key in found else None
    except ValueError as error:
        raise file_error(path, f"its GDepth:{key} is no number, but {found[key]!r:.40}") from error


def _without_planes(name: str, bits: int) -> Encoding:
    """Code 0 is nearest in both formats, and the numbers are affine in what they stand for."""
    if name == "gdepth-range-inverse":
        return Encoding(name, "inverse_depth", "affine_invariant", None, bits, zero=1.0, one=0.0)
    return Encoding(name, "depth", "affine_invariant", None, bits, zero=0.0, one=1.0)
