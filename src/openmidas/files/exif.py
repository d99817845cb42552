"""What a camera wrote beside the picture: the focal length."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openmidas.files.picture import PictureSource, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

_EXIF_PART = 0x8769
_FOCAL_LENGTH_MM = 0x920A
_FOCAL_LENGTH_35MM = 0xA405
_PLANE_X_RESOLUTION = 0xA20E
_PLANE_UNIT = 0xA210
_WIDTH_PX = 0xA002
_HEIGHT_PX = 0xA003
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_DIAGONAL_35MM = math.hypot(36, 24)


def read_focal_length_px(source: PictureSource) -> float | None:
    """The focal length in pixels of the full-size upright picture, or None when its EXIF data give none.

    First choice is FocalLengthIn35mmFilm, by the diagonal (CIPA DCG-001: the film's is 43.27 mm), then
    FocalLength with FocalPlaneXResolution. A picture that was cropped later keeps the number of the whole.
    Raises FileError.
    """
    with open_picture(source) as picture:
        tags = _camera_tags(picture)
        size = picture.size
    return _from_35mm(tags, size) or _from_focal_plane(tags, size)


def _camera_tags(picture: Image) -> Mapping[int, Any]:
    with contextlib.suppress(Exception):  # broken EXIF data is as good as none
        return dict(picture.getexif().get_ifd(_EXIF_PART))
    return {}


def _from_35mm(tags: Mapping[int, Any], size: tuple[int, int]) -> float | None:
    return _positive(_number(tags, _FOCAL_LENGTH_35MM) * math.hypot(*size) / _DIAGONAL_35MM)


def _from_focal_plane(tags: Mapping[int, Any], size: tuple[int, int]) -> float | None:
    unit_mm = _UNIT_MM.get(tags.get(_PLANE_UNIT, 2), math.nan)
    focal_px = _number(tags, _FOCAL_LENGTH_MM) * _number(tags, _PLANE_X_RESOLUTION) / unit_mm
    # The resolution is that of the picture as taken; this file may have been made smaller since.
    taken = max(_number(tags, _WIDTH_PX), _number(tags, _HEIGHT_PX))
    return _positive(focal_px * max(size) / taken if taken > 0 else focal_px)


def _number(tags: Mapping[int, Any], tag: int) -> float:
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
        return float(tags.get(tag, math.nan))
    return math.nan


def _positive(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None
