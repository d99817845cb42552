"""Pictures out: the suffix names the format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from openmidas.files.atomic import write_bytes
from openmidas.files.errors import FilePath, file_error
from openmidas.files.jpeg import encode_jpeg

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_WEBP_QUALITY = 95


def write_image(path: FilePath, pixels: UInt8[np.ndarray, "h w channels"]) -> None:
    """Write RGB or RGBA (h, w, 3 or 4) as .png, .jpg or .webp, whole or not at all; FileError.

    A JPEG has no transparency: RGBA is refused.
    """
    check_image(path, pixels.shape[2] == 4)
    write_bytes(path, _encoded(path, pixels))


def check_image(path: FilePath, is_transparent: bool = False) -> None:
    """The FileError of a name that no such picture can be written under, for whoever has much to compute before."""
    suffix = Path(path).suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        shown = f"the suffix {suffix}" if suffix else "a name without suffix"
        raise file_error(path, f"{shown} names no kind of picture: use one of {', '.join(IMAGE_SUFFIXES)}")
    if is_transparent and suffix in (".jpg", ".jpeg"):
        raise file_error(path, "a JPEG holds no transparency: use .png or .webp")


def _encoded(path: FilePath, pixels: UInt8[np.ndarray, "h w channels"]) -> bytes:
    import cv2

    suffix = Path(path).suffix.lower()
    if suffix in (".jpg", ".jpeg"):
        return encode_jpeg(path, pixels)
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    options = [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY] if suffix == ".webp" else []
    try:
        _, encoded = cv2.imencode(suffix, cv2.cvtColor(pixels, order), options)
    except cv2.error as error:
        height, width = pixels.shape[:2]
        raise file_error(path, f"{suffix} cannot hold {width}×{height} pixels: use .png") from error
    return encoded.tobytes()
