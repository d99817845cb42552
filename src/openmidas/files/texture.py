"""The picture on a mesh: as the bytes of a picture file, and as colours of the vertices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from openmidas.files.errors import FilePath
from openmidas.files.jpeg import encode_jpeg
from openmidas.files.png import encode_png
from openmidas.mesh import Mesh

_LARGEST_PNG_BYTES = 4_000_000


class Texture(NamedTuple):
    """The bytes of a picture file, and their kind."""

    data: bytes
    suffix: str
    mime_type: str


def encode_texture(path: FilePath, texture: UInt8[np.ndarray, "h w 3"]) -> Texture:
    """As PNG up to 4 MB, else as JPEG of quality 95; FileError for a side beyond 65500 pixels.

    Small pictures and drawings stay exact. A photograph of many megapixels came as a JPEG: lossless, it would
    be several times the size of all the rest, for differences that nobody sees.
    """
    png = encode_png(texture)
    if len(png) <= _LARGEST_PNG_BYTES:
        return Texture(png, ".png", "image/png")
    return Texture(encode_jpeg(path, texture), ".jpg", "image/jpeg")


def vertex_colours(mesh: Mesh) -> UInt8[np.ndarray, "n 3"] | None:
    """The sRGB colour of every vertex: that of the texture's pixel it lies in, or its own; None without either."""
    if mesh.uv is None or mesh.texture is None:
        return mesh.colours
    height, width = mesh.texture.shape[:2]
    pixels = np.floor(mesh.uv * np.array([width, height]))
    columns, rows = np.clip(pixels, 0, (width - 1, height - 1)).astype(np.intp).T
    return mesh.texture[rows, columns]
