"""JPEG pictures, close to lossless."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from openmidas.files.errors import FilePath, file_error

_QUALITY = 95
_LONGEST_SIDE_PX = 65_500


def encode_jpeg(path: FilePath, rgb: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """The bytes of a JPEG of quality 95 without colour subsampling; FileError for a side beyond 65500 pixels."""
    import cv2

    if max(rgb.shape[:2]) > _LONGEST_SIDE_PX:
        raise file_error(
            path,
            f"a JPEG is at most {_LONGEST_SIDE_PX} pixels wide and high: make it smaller or write a PNG",
        )
    quality = [
        cv2.IMWRITE_JPEG_QUALITY,
        _QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    _, encoded = cv2.imencode(".jpg", rgb[:, :, ::-1], quality)
    return encoded.tobytes()
