"""The folders that the embedded network is trained on: small enough to be held in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from openmidas.depth_map import DepthMap
from openmidas.files.errors import file_error, open_file, system_error
from openmidas.files.images import read_image
from openmidas.training.annotations import Sample, check_together
from openmidas.training.datasets.entry import Entry
from openmidas.training.labels import by_stem, labels_of, read_label

PHOTO_SIDE_PX = 448  # photographs are held in memory at this long side: the largest crop needs no more
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_TRUTH = "_inverse_depth.npz"
KINECT_METRES = 9.99547 / 255  # of a step of the 8-bit gray: a code stands for the middle of its step


def read_labelled_photos(photos: Path, labels: Path) -> list[Sample]:
    """Photographs for which `labels` has one by `labels_of`, read by `read_label` (affine-invariant).

    Raises FileError when no photograph has a label, or one has a label of another shape.
    """
    named = named_photos(photos)
    samples = []
    for name, label_path in labels_of(named, labels).items():
        path = named[name]
        image = _at_most(read_image(path, (PHOTO_SIDE_PX, PHOTO_SIDE_PX)), PHOTO_SIDE_PX)
        label = read_label(label_path)
        check_together(path, image.shape[:2], label.shape)
        target = cv2.resize(label, image.shape[1::-1]).astype(np.float16)
        samples.append(Sample(image, target, np.ones(target.shape, bool)))
    return samples


def list_photos(folder: Path) -> list[Path]:
    """The photographs of a folder, by name; raises FileError where there is none or no such folder."""
    check_folder(folder)
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    if not found:
        raise file_error(folder, "no photographs in this folder: name another one")
    return found


def named_photos(folder: Path) -> dict[str, Path]:
    """The photographs of a folder by their stem; FileError where there is none, or two would have the same label."""
    return by_stem(list_photos(folder), "would have the same label as {}: rename one")


def check_folder(folder: Path) -> None:
    """The FileError of a folder that cannot be listed."""
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise system_error(folder, error) from error


def _at_most(image: UInt8[np.ndarray, "h w 3"], side_px: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    scale = side_px / max(image.shape[:2])
    return image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def read_kinect(folder: Path, wanted: Callable[[int], bool]) -> list[Sample]:
    """RGB-D pictures `NNNN.webp`, `NNNN_depth.webp` (metric; 1/m after reading) of the wanted numbers.

    The depth is 8-bit gray: (v + 0.5) * 9.99547 / 255 metres, of every pixel, so that holes must have been filled.
    """
    check_folder(folder)
    samples = []
    for path, depth_path in _kinect_pairs(folder):
        if not wanted(int(path.stem)):
            continue
        image = read_image(path)
        metres = cv2.resize(_kinect_metres(depth_path), image.shape[1::-1])
        samples.append(Sample(image, (1 / metres).astype(np.float16), np.ones(metres.shape, bool), "metric"))
    return samples


def list_kinect(folder: Path) -> list[Entry]:
    """The pictures that `read_kinect` reads, unopened; FileError where there is none."""
    check_folder(folder)
    entries = [
        Entry(path.stem, path, partial(_kinect_depth, depth_path), target=depth_path)
        for path, depth_path in _kinect_pairs(folder)
    ]
    return _some(folder, entries, "NNNN.webp")


def _kinect_pairs(folder: Path) -> list[tuple[Path, Path]]:
    paths = sorted(folder.glob("[0-9]" * 4 + ".webp"))
    return [(path, path.with_name(f"{path.stem}_depth.webp")) for path in paths]


def _kinect_metres(path: Path) -> Float32[np.ndarray, "h w"]:
    return (read_image(path)[..., 0] + np.float32(0.5)) * np.float32(KINECT_METRES)


def _kinect_depth(path: Path) -> DepthMap:
    return DepthMap.from_values(_kinect_metres(path), "depth", "metric")


def read_rendered(folder: Path) -> list[Sample]:
    """Rendered scenes `NNNNN.webp`, `NNNNN_inverse_depth.npz` (exact, 1/m, sky 0)."""
    check_folder(folder)
    samples = []
    for picture, path in _rendered_pairs(folder):
        target = _rendered_truth(path)
        image = read_image(picture)
        if image.shape[:2] != target.shape:
            sizes = f"{image.shape[0]}×{image.shape[1]} pixels, its truth {'×'.join(map(str, target.shape))}"
            raise file_error(picture, f"has {sizes}: render it again")
        samples.append(Sample(image, target, np.isfinite(target), "metric"))
    return samples


def list_rendered(folder: Path) -> list[Entry]:
    """The scenes that `read_rendered` reads, unopened; FileError where there is none."""
    check_folder(folder)
    entries = [
        Entry(picture.stem, picture, partial(_rendered_depth, path), target=path)
        for picture, path in _rendered_pairs(folder)
    ]
    return _some(folder, entries, f"NNNNN{_TRUTH}")


def _rendered_pairs(folder: Path) -> list[tuple[Path, Path]]:
    paths = sorted(folder.glob(f"*{_TRUTH}"))
    return [(path.with_name(path.name.replace(_TRUTH, ".webp")), path) for path in paths]


def _rendered_truth(path: Path) -> Float[np.ndarray, "h w"]:
    with open_file(path) as stream:
        try:
            return np.load(stream, allow_pickle=False)["inverse_depth"]
        except Exception as error:  # a damaged archive makes NumPy and zipfile raise anything
            raise file_error(path, "holds no inverse_depth or is damaged: render it again") from error


def _rendered_depth(path: Path) -> DepthMap:
    return DepthMap.from_values(_rendered_truth(path), "inverse_depth", "metric")


def _some(folder: Path, entries: list[Entry], name: str) -> list[Entry]:
    if not entries:
        raise file_error(folder, f"holds no {name}: check the folder")
    return entries
