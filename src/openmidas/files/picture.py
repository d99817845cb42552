"""Opening pictures with Pillow: by their first bytes, bounded, and with one kind of error."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from openmidas.files.errors import FileError, FilePath, file_error, missing_extra, open_file

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 200_000_000
"""Pictures of more pixels are refused by their header: 200 MP is the largest phone camera, 0.6 GB as RGB."""


PictureSource = FilePath | bytes
"""A path, or the bytes that such a file holds: those of an upload, which has no path that anybody should trust."""

_Stream = io.BufferedReader | io.BytesIO
_UNNAMED = "the picture"


class _Kind(NamedTuple):
    first_bytes: bytes
    plugin: str
    format: str


# Only the plugins named here ever see a file: Pillow also has ones that start other programs.
_KINDS = (
    _Kind(rb"\xff\xd8\xff", "PIL.JpegImagePlugin", "JPEG"),
    _Kind(rb"\x89PNG\r\n\x1a\n", "PIL.PngImagePlugin", "PNG"),
    _Kind(rb"RIFF....WEBP", "PIL.WebPImagePlugin", "WEBP"),
    _Kind(rb"II[*+]\0|MM\0[*+]", "PIL.TiffImagePlugin", "TIFF"),
    _Kind(rb"BM", "PIL.BmpImagePlugin", "BMP"),
    _Kind(rb"GIF8[79]a", "PIL.GifImagePlugin", "GIF"),
    _Kind(rb"P[1-6]\s", "PIL.PpmImagePlugin", "PPM"),
    _Kind(rb"....ftypavi[fs]", "PIL.AvifImagePlugin", "AVIF"),
    _Kind(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", "pillow_heif.as_plugin", "HEIF"),
)


@contextlib.contextmanager
def open_picture(source: PictureSource, most_pixels: float = MAX_PIXELS) -> Iterator[ImageFile]:
    """The picture as Pillow opens it, header read and size checked, pixels not yet decoded.

    Whatever Pillow raises inside the block leaves as FileError, so put nothing else into the block.
    """
    path = _UNNAMED if isinstance(source, bytes) else source
    with open_file(path) if not isinstance(source, bytes) else _in_memory(source) as stream:
        try:
            with _opened(path, stream) as picture:
                _check_size(path, picture.size, most_pixels)
                yield picture
        except FileError:
            raise
        except MemoryError as error:
            raise file_error(path, "does not fit in memory: make it smaller first") from error
        except Exception as error:  # hostile bytes make Pillow's plugins raise anything
            raise file_error(path, f"cannot be decoded ({error}): it is damaged, copy it again") from error


def _in_memory(data: bytes) -> io.BytesIO:
    if not data:
        raise file_error(_UNNAMED, "is empty (0 bytes): send it again")
    return io.BytesIO(data)


def _opened(path: FilePath, stream: _Stream) -> ImageFile:
    from PIL import Image

    kind = _kind_of(path, stream)
    # Image.open would warn from 90 MP and refuse from 179 MP, by a number that belongs to the whole process.
    if kind.format == "HEIF":
        return _heif_picture(path, stream)
    importlib.import_module(kind.plugin)
    if kind.format not in Image.OPEN:
        raise file_error(path, f"this Pillow was built without {kind.format}: save it as JPEG or PNG")
    open_kind, _ = Image.OPEN[kind.format]
    return open_kind(stream, os.fspath(path))


def _kind_of(path: FilePath, stream: _Stream) -> _Kind:
    start = stream.read(16)
    stream.seek(0)
    for kind in _KINDS:
        if re.match(kind.first_bytes, start, re.DOTALL):
            return kind
    known = ", ".join(kind.format for kind in _KINDS)
    raise file_error(path, f"is not a picture of a known kind: save it as one of {known}")


def _heif_picture(path: FilePath, stream: _Stream) -> ImageFile:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise missing_extra(path, "HEIC", "files") from error
    return HeifImageFile(stream, os.fspath(path))


def _check_size(path: FilePath, size: tuple[int, int], most_pixels: float) -> None:
    width, height = size
    if width * height > most_pixels:
        limit = most_pixels // 1_000_000
        raise file_error(
            path, f"has {width}×{height} pixels, more than {limit} million: make it smaller first"
        )
