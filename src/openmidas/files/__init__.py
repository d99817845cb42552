"""Bytes to values and back: photographs, depth maps, heatmaps."""

from openmidas.files.dataset_depths import read_diode, read_eth3d, read_middlebury
from openmidas.files.depths import read_depth, read_encoding, read_numbers, write_depth
from openmidas.files.errors import FileError
from openmidas.files.exif import read_focal_length_px
from openmidas.files.heatmap import to_heatmap, write_heatmap
from openmidas.files.images import read_image, read_image_size, to_rgb

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
    "write_depth",
    "write_heatmap",
]
