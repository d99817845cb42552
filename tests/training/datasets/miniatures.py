"""Small copies of data sets, written byte for byte as their authors describe them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
import OpenEXR

from openmidas.depth_map import DepthMap
from openmidas.training.datasets.entry import Entry

INF, NAN = float("inf"), float("nan")


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_picture(path: Path, shape: tuple[int, int] = (2, 3)) -> None:
    """A picture of one colour: 80, 90, 100."""
    pixels = np.full((*shape, 3), (100, 90, 80), np.uint8)
    put(path, cv2.imencode(path.suffix.lower(), pixels)[1].tobytes())


def write_gray(path: Path, codes: Sequence[Sequence[int]], dtype: type = np.uint8) -> None:
    put(path, cv2.imencode(".png", np.array(codes, dtype))[1].tobytes())


def write_gray16(path: Path, codes: Sequence[Sequence[int]]) -> None:
    write_gray(path, codes, np.uint16)


def write_pfm(path: Path, rows: Sequence[Sequence[float]]) -> None:
    height, width = np.shape(rows)
    floats = struct.pack(f"<{height * width}f", *np.ravel(rows[::-1]))
    put(path, f"Pf\n{width} {height}\n-1\n".encode() + floats)


def write_npy(path: Path, rows: Sequence[Sequence[float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.array(rows, np.float32))


def write_hdf5(key: str) -> Callable[[Path, Sequence[Sequence[float]]], None]:
    def write(path: Path, rows: Sequence[Sequence[float]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file[key] = np.array(rows, np.float32)

    return write


def write_exr(path: Path, rows: Sequence[Sequence[float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"G": np.array(rows, np.float32)}).write(str(path))


def depth_of(entry: Entry) -> DepthMap:
    target = entry.read_target()
    assert isinstance(target, DepthMap)
    return target


@dataclass(frozen=True)
class Miniature:
    """A set of two pictures, in the order that a reader gives them; the stored numbers and what they mean."""

    layout: str
    images: tuple[str, str]
    targets: tuple[str, str]
    names: tuple[str, str]
    write: Callable[[Path, Sequence[Sequence[float]]], None]
    stored: Sequence[Sequence[float]]
    values: Sequence[Sequence[float]]
    meaning: str

    def write_to(self, root: Path) -> None:
        for image, target in zip(reversed(self.images), reversed(self.targets), strict=True):
            write_picture(root / image, np.shape(self.stored))
            self.write(root / target, self.stored)


# 60° across 2 pixels: the focal length is √3, pixels lie 1/2 from the middle, the corner's ray is √(1 + 1/12 + 1/12).
_CORNER = np.sqrt(7 / 6)

MINIATURES = (
    Miniature(
        "redweb",
        ("ReDWeb_V1/Imgs/a.jpg", "ReDWeb_V1/Imgs/b.jpg"),
        ("ReDWeb_V1/RDs/a.png", "ReDWeb_V1/RDs/b.png"),
        ("a", "b"),
        write_gray,
        [[0, 51, 102], [204, 254, 255]],
        [[1, 0.8, 0.6], [0.2, 1 / 255, 0]],
        "affine_invariant inverse_depth",
    ),
    Miniature(
        "wsvd",
        ("train/vid_0/left/00001.png", "train/vid_1/left/00000.jpg"),
        ("train/vid_0/disparity/00001.pfm", "train/vid_1/disparity/00000.pfm"),
        ("vid_0/00001", "vid_1/00000"),
        write_pfm,
        [[-3.5, 0, 7], [NAN, INF, 2]],
        [[-3.5, 0, 7], [NAN, NAN, 2]],
        "affine_invariant inverse_depth",
    ),
    Miniature(
        "irs",
        ("IRSDataset/Home/Flat_Dark/l_10.png", "IRSDataset/Store/Shop/l_2.png"),
        ("IRSDataset/Home/Flat_Dark/d_10.exr", "IRSDataset/Store/Shop/d_2.exr"),
        ("Home/Flat_Dark/10", "Store/Shop/2"),
        write_exr,
        [[48, 24.5, 0], [INF, NAN, 1]],
        [[48, 24.5, 0], [NAN, NAN, 1]],
        "scale_invariant inverse_depth",
    ),
    Miniature(
        "diml_indoor",
        ("train/LR/01. Warehouse/color/in_00_1_c.png", "train/LR/02. Cafe/color/in_00_2_c.png"),
        (
            "train/LR/01. Warehouse/depth_filled/in_00_1_depth_filled.png",
            "train/LR/02. Cafe/depth_filled/in_00_2_depth_filled.png",
        ),
        ("train/LR/01. Warehouse/in_00_1", "train/LR/02. Cafe/in_00_2"),
        write_gray16,
        [[0, 500, 1250], [65535, 1, 3000]],
        [[NAN, 0.5, 1.25], [65.535, 0.001, 3]],
        "metric depth",
    ),
    Miniature(
        "megadepth",
        ("MegaDepth_v1/phoenix/S6/zl548/MegaDepth_v1/0000/dense0/imgs/a_o.jpg", "0001/dense1/imgs/b_o.JPG"),
        ("MegaDepth_v1/phoenix/S6/zl548/MegaDepth_v1/0000/dense0/depths/a_o.h5", "0001/dense1/depths/b_o.h5"),
        ("0000/dense0/a_o", "0001/dense1/b_o"),
        write_hdf5("depth"),
        [[0, 1.5, 20], [0, 0.25, 3]],
        [[NAN, 1.5, 20], [NAN, 0.25, 3]],
        "scale_invariant depth",
    ),
    Miniature(
        "blendedmvs",
        ("5a0271/blended_images/00000000.jpg", "5a0271/blended_images/00000010.jpg"),
        ("5a0271/rendered_depth_maps/00000000.pfm", "5a0271/rendered_depth_maps/00000010.pfm"),
        ("5a0271/00000000", "5a0271/00000010"),
        write_pfm,
        [[0, 1.5, 20], [0, 0.25, 3]],
        [[NAN, 1.5, 20], [NAN, 0.25, 3]],
        "scale_invariant depth",
    ),
    Miniature(
        "tartanair",
        (
            "amusement/amusement/Easy/P001/image_left/000000_left.png",
            "ocean/Hard/P000/image_left/000007_left.png",
        ),
        (
            "amusement/amusement/Easy/P001/depth_left/000000_left_depth.npy",
            "ocean/Hard/P000/depth_left/000007_left_depth.npy",
        ),
        ("amusement/Easy/P001/000000", "ocean/Hard/P000/000007"),
        write_npy,
        [[1.5, 10000, 0], [INF, NAN, 2]],
        [[1.5, 10000, NAN], [INF, NAN, 2]],
        "metric depth",
    ),
    Miniature(
        "hypersim",
        (
            "ai_001_001/images/scene_cam_00_final_preview/frame.0000.tonemap.jpg",
            "ai_001_002/images/scene_cam_01_final_preview/frame.0012.tonemap.jpg",
        ),
        (
            "ai_001_001/images/scene_cam_00_geometry_hdf5/frame.0000.depth_meters.hdf5",
            "ai_001_002/images/scene_cam_01_geometry_hdf5/frame.0012.depth_meters.hdf5",
        ),
        ("ai_001_001/cam_00/frame.0000", "ai_001_002/cam_01/frame.0012"),
        write_hdf5("dataset"),
        [[7, NAN], [14, INF]],
        [[7 / _CORNER, NAN], [14 / _CORNER, NAN]],
        "metric depth",
    ),
    Miniature(
        "vkitti2",
        (
            "vkitti_2.0.3_rgb/Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg",
            "vkitti_2.0.3_rgb/Scene20/fog/frames/rgb/Camera_1/rgb_00446.jpg",
        ),
        (
            "vkitti_2.0.3_depth/Scene01/clone/frames/depth/Camera_0/depth_00000.png",
            "vkitti_2.0.3_depth/Scene20/fog/frames/depth/Camera_1/depth_00446.png",
        ),
        ("Scene01/clone/Camera_0/00000", "Scene20/fog/Camera_1/00446"),
        write_gray16,
        [[100, 65535, 65534], [0, 1, 2550]],
        [[1, INF, 655.34], [NAN, 0.01, 25.5]],
        "metric depth",
    ),
)
