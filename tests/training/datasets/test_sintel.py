"""MPI Sintel: frames of the final pass, depth and camera files made byte for byte."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openmidas.depth_map import DepthMap
from openmidas.files import FileError
from openmidas.training.datasets.sintel import read_camera, read_sintel

TAG = struct.pack("<f", 202021.25)


def write_frame(training: Path, name: str, metres: list[list[float]]) -> None:
    for part in ("final", "depth"):
        (training / part / name).parent.mkdir(parents=True, exist_ok=True)
    height, width = np.shape(metres)
    Image.new("RGB", (width, height), (1, 2, 3)).save(training / "final" / f"{name}.png")
    floats = struct.pack(f"<{height * width}f", *np.ravel(metres))
    (training / "depth" / f"{name}.dpt").write_bytes(TAG + struct.pack("<ii", width, height) + floats)


@pytest.mark.parametrize("training", ["training", ".", "MPI-Sintel-complete/training"])
def test_frames_come_by_scene_and_number_with_metres(tmp_path: Path, training: str) -> None:
    write_frame(tmp_path / training, "market_2/frame_0001", [[1, 2, 3], [0.5, 1e6, 71]])
    write_frame(tmp_path / training, "alley_1/frame_0002", [[4]])
    write_frame(tmp_path / training, "alley_1/frame_0001", [[5]])
    entries = read_sintel(tmp_path)
    names = ["alley_1/frame_0001", "alley_1/frame_0002", "market_2/frame_0001"]
    assert [entry.name for entry in entries] == names
    assert [entry.group for entry in entries] == ["alley_1", "alley_1", "market_2"]
    target = entries[2].read_target()
    assert isinstance(target, DepthMap)
    # what is too far is for the protocol to say
    assert target.values.tolist() == [[1, 2, 3], [0.5, 1e6, 71]]
    assert entries[2].read_image().shape == (2, 3, 3)
    assert entries[2].read_view is None


def test_a_camera_is_moved_from_pixels_that_count_from_their_centres(tmp_path: Path) -> None:
    write_frame(tmp_path / "training", "alley_1/frame_0001", [[5]])
    intrinsics, pose = [1120, 0, 511.5, 0, 1120, 217.5, 0, 0, 1], [1, 0, 0, 7, 0, 1, 0, 8, 0, 0, 1, 9]
    path = tmp_path / "training/camdata_left/alley_1/frame_0001.cam"
    path.parent.mkdir(parents=True)
    path.write_bytes(TAG + struct.pack("<21d", *intrinsics, *pose))
    (entry,) = read_sintel(tmp_path)
    assert entry.read_view is not None
    view = entry.read_view()
    assert view.intrinsics.tolist() == [[1120, 0, 512], [0, 1120, 218], [0, 0, 1]]
    assert view.world_to_camera.tolist() == [[1, 0, 0, 7], [0, 1, 0, 8], [0, 0, 1, 9], [0, 0, 0, 1]]
    path.write_bytes(TAG + bytes(8))
    with pytest.raises(FileError, match=r"frame_0001\.cam: is not a Sintel \.cam file"):
        read_camera(path)


def test_a_frame_whose_partner_is_missing_is_listed_and_fails_when_read(tmp_path: Path) -> None:
    for number in (1, 2):
        write_frame(tmp_path / "training", f"alley_1/frame_000{number}", [[5]])
    (tmp_path / "training/depth/alley_1/frame_0001.dpt").unlink()
    (tmp_path / "training/final/alley_1/frame_0002.png").unlink()
    without_depth, without_image = read_sintel(tmp_path)
    with pytest.raises(FileError, match=r"depth/alley_1/frame_0001\.dpt: no such file"):
        without_depth.read_target()
    with pytest.raises(FileError, match=r"final/alley_1/frame_0002\.png: no such file"):
        without_image.read_image()


def test_a_folder_without_frames_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"training/final: is not there: unpack MPI-Sintel-complete"):
        read_sintel(tmp_path)
