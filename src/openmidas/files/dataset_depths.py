"""Ground truth of public data sets that takes more than one file's own numbers to read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from openmidas.depth_map import DepthMap
from openmidas.files.errors import FilePath, file_error, open_file
from openmidas.files.npy import read_npy
from openmidas.files.pfm import floats, read_pfm

ETH3D_SHAPE = (4032, 6048)


def read_eth3d(path: FilePath, shape: tuple[int, int] = ETH3D_SHAPE) -> DepthMap:
    """Metric depth from an ETH3D headerless float32 file of that (height, width); 0 and inf are not valid.

    Raises FileError. Source: eth3d.net, format of the ground truth depth maps.
    """
    with open_file(path) as stream:
        return _measured(floats(path, stream.read(), shape, "<"))


def read_middlebury(path: FilePath, calibration: FilePath | None = None) -> DepthMap:
    """Metric depth from a Middlebury 2014 disparity PFM: Z = baseline * f / (d + doffs); inf is not valid.

    calibration: its calib.txt, by default the one beside it (millimetres and pixels). Raises FileError.
    """
    disparity = read_pfm(path).codes.astype(np.float64)
    focal_px, offset_px, baseline_mm = _calibration(calibration or Path(path).with_name("calib.txt"))
    with np.errstate(divide="ignore"):
        return _measured(baseline_mm / 1000 * focal_px / (disparity + offset_px))


def read_diode(path: FilePath, valid: FilePath | None = None) -> DepthMap:
    """Metric depth from a DIODE NAME.npy, valid where NAME_mask.npy (or the file `valid`) is not 0.

    Raises FileError.
    """
    depths = read_npy(path).codes
    marks_path = valid or Path(path).with_name(f"{Path(path).stem}_mask.npy")
    marks = read_npy(marks_path).codes
    if marks.shape != depths.shape:
        raise file_error(marks_path, f"is of another size than {Path(path).name}: use its own")
    return _measured(np.where(marks != 0, depths, np.nan))


def _measured(depths: np.ndarray) -> DepthMap:
    valid = np.isfinite(depths) & (depths > 0)
    return DepthMap.from_values(depths, "depth", "metric", valid)


def _calibration(path: FilePath) -> tuple[float, float, float]:
    """Focal length and offset of the principal points in pixels, baseline in millimetres."""
    with open_file(path) as stream:
        text = stream.read(1 << 16).decode("latin-1")
    found = [
        re.search(rf"^{key}\s*=\s*\[?\s*([\d.eE+-]+)", text, re.MULTILINE)
        for key in ("cam0", "doffs", "baseline")
    ]
    try:
        focal_px, offset_px, baseline_mm = (float(match[1]) for match in found)  # type: ignore[index]
    except (TypeError, ValueError) as error:
        raise file_error(path, "lacks cam0, doffs or baseline: use the scene's calib.txt") from error
    return focal_px, offset_px, baseline_mm
