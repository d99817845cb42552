"""Photographs in: any common kind of picture becomes upright 8-bit RGB."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from openmidas.files.errors import file_error
from openmidas.files.picture import PictureSource, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

Rgb = UInt8[np.ndarray, "h w 3"]

_ORIENTATION_TAG = 0x0112
_TURNED = (5, 6, 7, 8)
_JPEG = ("JPEG", "MPO")


def read_image(source: PictureSource, size: tuple[int, int] | None = None) -> Rgb:
    """The picture as upright RGB (height, width, 3), 0 to 255.

    size: the smallest (height, width) that is needed; a large JPEG then decodes at 1/2, 1/4 or 1/8, faster
    and never smaller than that. EXIF rotation is applied, CMYK converted, 16 bits scaled to 8, floats taken
    as 0 to 1, transparent parts laid over white, of an animation the first frame taken.
    source: a path, or the bytes of such a file.
    Raises FileError (missing, damaged, unknown kind, more than `picture.MAX_PIXELS` pixels).
    """
    with open_picture(source) as picture:
        if size is not None:
            _decode_smaller(picture, size)
        picture.load()
        return to_rgb(picture)


def read_image_size(source: PictureSource) -> tuple[int, int]:
    """The (height, width) that `read_image` gives at full size, from the header alone; raises FileError."""
    with open_picture(source) as picture:
        width, height = picture.size
        return (width, height) if _is_turned(picture) else (height, width)


def to_rgb(picture: Image) -> Rgb:
    """A Pillow picture as `read_image` would give it; FileError for numbers that have no agreed white."""
    picture.load()
    upright = _upright(picture)
    if upright.mode in ("I", "F") or upright.mode.startswith("I;16"):
        gray = _scaled_to_8_bit(np.asarray(upright), getattr(picture, "filename", "the picture"))
        return np.stack([gray, gray, gray], axis=-1)
    return np.array(_opaque(upright).convert("RGB"))


def _decode_smaller(picture: Image, size: tuple[int, int]) -> None:
    if picture.format in _JPEG:
        height, width = reversed(size) if _is_turned(picture) else size
        picture.draft(None, (max(1, width), max(1, height)))


def _is_turned(picture: Image) -> bool:
    # Pillow gives a TIFF's size upright already, before it has turned the pixels.
    return picture.format != "TIFF" and _orientation(picture) in _TURNED


def _orientation(picture: Image) -> int:
    # Broken EXIF data is common and no reason to refuse a good picture.
    with contextlib.suppress(Exception):
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    return 1


def _upright(picture: Image) -> Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    orientation = _orientation(picture)
    return picture.transpose(turns[orientation]) if orientation in turns else picture


def _opaque(picture: Image) -> Image:
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture.convert("RGBA"))


def _scaled_to_8_bit(values: NDArray[Any], name: str) -> UInt8[np.ndarray, "h w"]:
    white = 1.0 if values.dtype.kind == "f" else 65535
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):
        problem = f"holds values from {low:g} to {high:g}, not 0 to {white:g}: save it with 8 or 16 bits"
        raise file_error(name, problem)
    rounded: NDArray[Any] = np.rint(values * np.float32(255 / white))
    return rounded.astype(np.uint8)
