"""NYU Depth v2, the raw recordings: Kinect frames with their times, before anybody aligned them.

Sources: Silberman et al., Indoor Segmentation and Support Inference from RGBD Images, ECCV 2012; the calibration and
the steps are those of its toolbox (camera_params, project_depth_map).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Int

from openmidas.depth_map import DepthMap
from openmidas.files.errors import file_error
from openmidas.files.gray import read_gray
from openmidas.files.images import Rgb, read_image
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.folders import require
from openmidas.training.datasets.timestamps import associated

LARGEST_DIFFERENCE_S = 0.05  # both cameras ran at 20 to 30 pictures a second, each for itself
FARTHEST_M = 10.0
LEAST_CODE = 600  # 0.71 m: nothing nearer counts in the toolbox, to be rid of what undistorting mixes
SHAPE = (480, 640)

# Pixels count from their centres: at 1 in the toolbox, at 0 here, as OpenCV wants it.
PICTURE_CAMERA = np.array([[518.85790117, 0, 324.58244941], [0, 519.46961112, 252.73736166], [0, 0, 1]])
DEPTH_CAMERA = np.array([[582.62448168, 0, 312.04475871], [0, 582.69103271, 237.44389627], [0, 0, 1]])
PICTURE_LENS = np.array([0.20796615, -0.58613825, 0.00072231363, 0.0010479627, 0.49856987])
DEPTH_LENS = np.array([-0.099897237, 0.39065325, 0.0019290593, -0.0019422022, -0.51031725])
# The toolbox writes the way from the depth camera to the picture's with both signs turned, and its matrix transposed.
_ROTATION = np.array(
    [
        [0.99997798940829263, -0.0050359919480810989, -0.0043196624923060242],
        [0.0050518419386157446, 0.99998051861143999, 0.0036662365748484798],
        [0.0043011152014118693, -0.0036879781309514218, 0.99998394948385538],
    ]
)
_TRANSLATION_M = -np.array([0.025031875059141302, -0.00029342312935846411, 0.00066238747008330102])
_STAMPED = re.compile(r"([rd])-(\d+\.\d+)-\d+\.(?:ppm|pgm)")


def read_nyu_raw(root: Path) -> list[Entry]:
    """Every picture of the scenes below root that has a depth at most 0.05 s away, by scene and time.

    root is a scene or holds scenes, at any depth, each with r-TIME-NUMBER.ppm and d-TIME-NUMBER.pgm. Pictures come
    without their lens's distortion, depths in metres as the picture's camera sees them. Raises FileError.
    """
    entries = [
        entry
        for path, _, files in os.walk(root, followlinks=True)
        for entry in _read_scene(root, Path(path), files)
    ]
    require(root, entries, "SCENE", "unpack a raw archive, such as bedrooms_part1.zip")
    return sorted(entries, key=lambda entry: entry.name)


def _read_scene(root: Path, folder: Path, files: Sequence[str]) -> list[Entry]:
    scene = folder.name if folder == root else folder.relative_to(root).as_posix()
    pairs = associated(_stamped(files, "r"), _stamped(files, "d"), LARGEST_DIFFERENCE_S)
    return [
        Entry(
            f"{scene}/{Path(image).stem}",
            folder / image,
            partial(_read_depth, folder / depth),
            unpack_image=partial(_read_picture, folder / image),
            target=folder / depth,
        )
        for image, depth in pairs
    ]


def _stamped(files: Sequence[str], kind: str) -> list[tuple[float, str]]:
    matches = ((file, _STAMPED.fullmatch(file)) for file in files)
    return sorted(
        (float(match[2]), file) for file, match in matches if match is not None and match[1] == kind
    )


def _read_picture(path: Path) -> Rgb:
    image = read_image(path)
    _check_shape(path, image.shape[:2])
    return np.asarray(cv2.undistort(image, PICTURE_CAMERA, PICTURE_LENS))


def _read_depth(path: Path) -> DepthMap:
    codes = read_gray(path).codes
    _check_shape(path, codes.shape)
    # written in the other order of bytes than the format has
    metres = kinect_metres(codes.astype(np.uint16).byteswap())
    straight = cv2.remap(metres, *_depth_without_lens(), cv2.INTER_NEAREST, borderValue=np.nan)
    depth = seen_by_picture(straight)
    return DepthMap.from_values(depth, "depth", "metric", np.isfinite(depth))


def kinect_metres(codes: Int[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Metres of a Kinect's own numbers, NaN where it saw nothing, or nothing from 0.71 to 10 m away."""
    with np.errstate(divide="ignore"):
        metres = np.float32(351.3) / (np.float32(1092.5) - codes.astype(np.float32))
    seen = (codes >= LEAST_CODE) & (metres > 0) & (metres <= FARTHEST_M)
    return np.where(seen, metres, np.float32(np.nan))


def seen_by_picture(depth: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Depth as the other camera of the Kinect sees it: of points that meet, the nearest; +inf where none falls."""
    rows, columns = np.nonzero(np.isfinite(depth))
    pixels = np.stack([columns, rows, np.ones_like(rows)])
    points = np.linalg.solve(DEPTH_CAMERA, pixels) * depth[rows, columns]
    moved = _ROTATION @ points + _TRANSLATION_M[:, None]
    x, y, _ = np.rint(PICTURE_CAMERA @ moved / moved[2]).astype(int)
    inside = (x >= 0) & (x < depth.shape[1]) & (y >= 0) & (y < depth.shape[0])
    nearest = np.full(depth.shape, np.inf, np.float32)
    np.minimum.at(nearest, (y[inside], x[inside]), moved[2, inside].astype(np.float32))
    return nearest


@cache
def _depth_without_lens() -> tuple[np.ndarray, np.ndarray]:
    """Where in the depth picture each pixel of one without distortion lies."""
    maps = cv2.initUndistortRectifyMap(
        DEPTH_CAMERA, DEPTH_LENS, np.eye(3), DEPTH_CAMERA, SHAPE[::-1], cv2.CV_32FC1
    )
    return maps[0], maps[1]


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    if shape != SHAPE:
        raise file_error(
            path, f"has {shape[0]}×{shape[1]} pixels, a Kinect's picture 480×640: download it again"
        )
