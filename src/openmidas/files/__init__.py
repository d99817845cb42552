"""Bytes to values and back: photographs, depth maps, heatmaps, meshes, clips."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openmidas.files.colmap import write_colmap
    from openmidas.files.dataset_depths import read_diode, read_eth3d, read_middlebury
    from openmidas.files.depths import read_depth, read_encoding, read_numbers, write_depth
    from openmidas.files.errors import FileError
    from openmidas.files.exif import read_focal_length_px
    from openmidas.files.gdepth import write_gdepth
    from openmidas.files.heatmap import to_heatmap, write_heatmap
    from openmidas.files.image_writing import write_image
    from openmidas.files.images import read_image, read_image_size, to_rgb
    from openmidas.files.meshes import write_mesh, write_points
    from openmidas.files.video import write_clip

_HOMES = {
    "FileError": "openmidas.files.errors",
    "read_depth": "openmidas.files.depths",
    "read_diode": "openmidas.files.dataset_depths",
    "read_encoding": "openmidas.files.depths",
    "read_eth3d": "openmidas.files.dataset_depths",
    "read_focal_length_px": "openmidas.files.exif",
    "read_image": "openmidas.files.images",
    "read_image_size": "openmidas.files.images",
    "read_middlebury": "openmidas.files.dataset_depths",
    "read_numbers": "openmidas.files.depths",
    "to_heatmap": "openmidas.files.heatmap",
    "to_rgb": "openmidas.files.images",
    "write_clip": "openmidas.files.video",
    "write_colmap": "openmidas.files.colmap",
    "write_depth": "openmidas.files.depths",
    "write_gdepth": "openmidas.files.gdepth",
    "write_heatmap": "openmidas.files.heatmap",
    "write_image": "openmidas.files.image_writing",
    "write_mesh": "openmidas.files.meshes",
    "write_points": "openmidas.files.meshes",
}

__all__ = [
    "FileError",
    "read_depth",
    "read_diode",
    "read_encoding",
    "read_eth3d",
    "read_focal_length_px",
    "read_image",
    "read_image_size",
    "read_middlebury",
    "read_numbers",
    "to_heatmap",
    "to_rgb",
    "write_clip",
    "write_colmap",
    "write_depth",
    "write_gdepth",
    "write_heatmap",
    "write_image",
    "write_mesh",
    "write_points",
]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used: whoever writes a PNG need not load what writes films."""
    if name not in _HOMES:
        raise AttributeError(f"module 'openmidas.files' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
