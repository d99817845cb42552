"""Pictures whose gray levels are numbers: PNG and TIFF with a note of their meaning, other kinds without."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from openmidas.encoding import Encoding
from openmidas.files.atomic import write_bytes
from openmidas.files.codes import Codes, Numbers, from_note, to_note
from openmidas.files.errors import FilePath, file_error
from openmidas.files.picture import open_picture
from openmidas.files.png import encode_png

if TYPE_CHECKING:
    from PIL.Image import Image

_KEYWORD = "openmidas"
_TIFF_DESCRIPTION = 270


def read_gray(path: FilePath) -> Numbers:
    """The gray levels of a picture as they are stored (8, 16 or 32 bit, or float32).

    Raises FileError for a coloured picture, such as a heatmap: its colours are no numbers.
    """
    with open_picture(path) as picture:
        deep_colour = "RGB" in picture.mode and ";16" in str(picture.tile)
        picture.load()
        note = _note(picture)
        plain = picture if picture.mode in ("L", "I", "F") or picture.mode.startswith("I;16") else None
        pixels = np.array(plain or picture.convert("RGB"))
    if deep_colour:
        raise file_error(path, "holds 16-bit colours: save it as 16-bit gray")
    levels = pixels if pixels.ndim == 2 else _gray_levels(path, pixels)
    return Numbers(levels, from_note(path, note))


def write_png(path: FilePath, codes: Codes, encoding: Encoding) -> None:
    """Write `gray_png`; raises FileError."""
    write_bytes(path, gray_png(codes, encoding))


def gray_png(codes: Codes, encoding: Encoding) -> bytes:
    """8 or 16-bit codes as the bytes of a gray PNG, the encoding in a tEXt chunk."""
    return encode_png(codes, {_KEYWORD: to_note(encoding)})


def write_tiff(path: FilePath, codes: Codes, encoding: Encoding) -> None:
    """Write 8, 16-bit or float32 codes as TIFF, the encoding in its ImageDescription; raises FileError."""
    from PIL import Image

    # Other programs write descriptions too; the keyword tells this one from theirs.
    note = json.dumps({_KEYWORD: to_note(encoding)})
    stream = io.BytesIO()
    Image.fromarray(codes).save(stream, "TIFF", tiffinfo={_TIFF_DESCRIPTION: note})
    write_bytes(path, stream.getbuffer())


def _note(picture: Image) -> str | None:
    if picture.format != "TIFF":
        return picture.info.get(_KEYWORD)
    description = picture.getexif().get(_TIFF_DESCRIPTION)
    if not str(description).startswith(f'{{"{_KEYWORD}"'):
        return None
    return str(json.loads(str(description))[_KEYWORD])


def _gray_levels(path: FilePath, pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    red, green, blue = pixels[:, :, 0], pixels[:, :, 1], pixels[:, :, 2]
    if not (np.array_equal(red, green) and np.array_equal(red, blue)):
        raise file_error(path, "is coloured, as heatmaps are: use the gray depth map")
    return red
