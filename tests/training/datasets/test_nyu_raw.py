"""NYU's raw recordings: times that belong together, the Kinect's own numbers, and its two cameras."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from miniatures import depth_of, put

from openmidas.files import FileError
from openmidas.training.datasets.nyu_raw import (
    DEPTH_CAMERA,
    DEPTH_LENS,
    PICTURE_CAMERA,
    PICTURE_LENS,
    kinect_metres,
    read_nyu_raw,
    seen_by_picture,
)

WALL = 917  # of a Kinect's numbers: 351.3 / (1092.5 - 917) m = 2.0017 m
WALL_M = 351.3 / 175.5


def write_frame(scene: Path, picture_time: str, depth_time: str, code: int = WALL) -> None:
    put(scene / f"r-{picture_time}-1.ppm", b"P6 640 480 255\n" + bytes([70, 80, 90]) * (480 * 640))
    # the format wants the high byte first, the recordings have it last
    put(scene / f"d-{depth_time}-2.pgm", b"P5 640 480 65535\n" + struct.pack("<H", code) * (480 * 640))


def test_pictures_have_the_depth_nearest_in_time_by_scene_and_time(tmp_path: Path) -> None:
    write_frame(tmp_path / "part/office_0002", "10.030000", "10.000000")
    write_frame(tmp_path / "part/office_0002", "10.000000", "10.035000")
    write_frame(tmp_path / "part/office_0001", "20.000000", "20.060000")
    put(tmp_path / "part/office_0001/INDEX.txt", b"a-20.000000-0.dump\n")
    entries = read_nyu_raw(tmp_path)
    # the frame of office_0001 has no depth within 0.05 s
    assert [(entry.name, entry.target.name) for entry in entries if entry.target is not None] == [
        ("part/office_0002/r-10.000000-1", "d-10.000000-2.pgm"),
        ("part/office_0002/r-10.030000-1", "d-10.035000-2.pgm"),
    ]
    assert read_nyu_raw(tmp_path / "part/office_0002")[0].name == "office_0002/r-10.000000-1"
    assert entries[0].read_image()[240, 320].tolist() == [70, 80, 90]


def test_a_wall_is_a_wall_in_the_pictures_camera_too(tmp_path: Path) -> None:
    write_frame(tmp_path, "1.000000", "1.000000")
    target = depth_of(read_nyu_raw(tmp_path)[0])
    assert (target.quantity, target.ambiguity, target.shape) == ("depth", "metric", (480, 640))
    # the cameras are turned against each other by under half a degree, 0.03 m at 2 m and the edge of the picture
    np.testing.assert_allclose(target.values[target.valid], WALL_M, atol=0.03)
    assert target.values[240, 320] == pytest.approx(WALL_M, abs=0.005)
    # the depth camera sees less: the picture's margins have no depth
    assert target.valid[60:440, 60:580].mean() > 0.95
    assert not target.valid[:, 0].any()


def test_numbers_become_metres_and_what_is_too_near_or_far_or_nothing_none() -> None:
    # 1092.5 is infinitely far, what is above it nothing; 351.3 / (1092.5 - 1058) is more than 10 m
    metres = kinect_metres(np.array([[917, 1057, 1058], [1093, 2047, 0], [600, 599, 1092]]))
    expected = [
        [WALL_M, 351.3 / 35.5, np.nan],
        [np.nan, np.nan, np.nan],
        [351.3 / 492.5, np.nan, np.nan],
    ]
    np.testing.assert_allclose(metres, expected, rtol=1e-6)


def through_lens(camera: np.ndarray, lens: np.ndarray, pixel: tuple[int, int]) -> tuple[int, int]:
    """Column and row where a lens puts what a pinhole would put at `pixel`: Brown's model, written out."""
    x, y = ((pixel[n] - camera[n, 2]) / camera[n, n] for n in (0, 1))
    k1, k2, p1, p2, k3 = lens
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    x, y = (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
        y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
    )
    return round(x * camera[0, 0] + camera[0, 2]), round(y * camera[1, 1] + camera[1, 2])


def test_a_point_of_the_picture_is_where_a_pinhole_has_it(tmp_path: Path) -> None:
    column, row = through_lens(PICTURE_CAMERA, PICTURE_LENS, (560, 400))
    assert abs(column - 560) > 3
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[row - 2 : row + 3, column - 2 : column + 3] = 255
    write_frame(tmp_path, "1.000000", "1.000000")
    put(tmp_path / "r-1.000000-1.ppm", b"P6 640 480 255\n" + pixels.tobytes())
    found = np.argwhere(read_nyu_raw(tmp_path)[0].read_image()[:, :, 0] > 128).mean(axis=0)
    np.testing.assert_allclose(found, [400, 560], atol=0.75)


def test_a_point_of_the_depth_is_where_a_pinhole_has_it(tmp_path: Path) -> None:
    column, row = through_lens(DEPTH_CAMERA, DEPTH_LENS, (560, 400))
    assert abs(column - 560) > 2
    codes = np.full((480, 640), 2047, "<u2")
    codes[row - 2 : row + 3, column - 2 : column + 3] = WALL
    write_frame(tmp_path, "1.000000", "1.000000")
    put(tmp_path / "d-1.000000-2.pgm", b"P5 640 480 65535\n" + codes.tobytes())
    found = np.argwhere(depth_of(read_nyu_raw(tmp_path)[0]).valid).mean(axis=0)
    straight = np.full((480, 640), np.nan, np.float32)
    straight[400, 560] = WALL_M
    expected = np.argwhere(np.isfinite(seen_by_picture(straight)))[0]
    np.testing.assert_allclose(found, expected, atol=1.1)


def test_of_two_points_on_one_pixel_the_nearer_is_seen() -> None:
    depth = np.full((480, 640), np.nan, np.float32)
    # far points come closer together: focal lengths of 583 and 519 pixels put eight pixels on seven
    depth[240, 300:340] = np.linspace(3, 2, 40)
    seen = seen_by_picture(depth)
    found = seen[np.isfinite(seen)]
    assert found.size < 40
    assert found.min() == pytest.approx(2, abs=0.01)
    rows, columns = np.nonzero(np.isfinite(seen))
    # the baseline of 2.5 cm moves what is near to the left
    shift_px = 519 * 0.025 / 2
    expected = (339 - DEPTH_CAMERA[0, 2]) * 518.9 / 582.6 + PICTURE_CAMERA[0, 2] - shift_px
    assert columns.max() == pytest.approx(expected, abs=5)
    assert abs(rows - (240 - 237.4) * 0.89 - 252.7).max() < 5


def test_what_is_missing_or_of_another_camera_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"SCENE: is not there: unpack a raw archive"):
        read_nyu_raw(tmp_path)
    write_frame(tmp_path, "1.000000", "1.000000")
    (entry,) = read_nyu_raw(tmp_path)
    put(tmp_path / "d-1.000000-2.pgm", b"P5 2 1 65535\n" + bytes(4))
    with pytest.raises(FileError, match=r"d-1\.000000-2\.pgm: has 1×2 pixels, a Kinect's picture 480×640"):
        entry.read_target()
    put(tmp_path / "r-1.000000-1.ppm", b"P6 640 480 255\n")
    with pytest.raises(FileError, match=r"r-1\.000000-1\.ppm: cannot be decoded"):
        entry.read_image()
