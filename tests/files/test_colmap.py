"""COLMAP's text model, read by a parser made from its description of the format."""

import re
from pathlib import Path

import numpy as np
import pytest
from surfaces import CAMERA, PICTURE, cloud, slope

from openmidas.camera import Camera
from openmidas.files.colmap import write_colmap
from openmidas.files.errors import FileError
from openmidas.mesh import PointCloud


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]


def projected(folder: Path) -> np.ndarray:
    """Pixels of all points by the pinhole, quaternion and translation in the files."""
    ((_, model, _, _, *parameters),) = lines(folder / "cameras.txt")
    fx, fy, cx, cy = map(float, parameters)
    assert model == "PINHOLE"
    w, x, y, z, *step = map(float, lines(folder / "images.txt")[0][1:8])
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    points = np.array([line[1:4] for line in lines(folder / "points3D.txt")], float)
    inside = points @ rotation.T + step
    return inside[:, :2] / inside[:, 2:] * (fx, fy) + (cx, cy)


def standing_elsewhere() -> Camera:
    turn = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
    return CAMERA.moved((0.3, -0.2, 0.5), turn)


@pytest.mark.parametrize("camera", [CAMERA, standing_elsewhere()], ids=["at the origin", "elsewhere"])
def test_points_fall_on_the_pixels_they_came_from(tmp_path, camera):
    write_colmap(tmp_path / "sparse" / "0", PointCloud(slope(camera)), camera, "photo.jpg")
    # COLMAP too has the centre of the first pixel at (0.5, 0.5)
    np.testing.assert_allclose(projected(tmp_path / "sparse" / "0"), camera.pixel_centres(), atol=1e-4)


def test_what_was_written_line_by_line(tmp_path):
    points = PointCloud(
        np.array([[0, 0, 2], [9, 0, 2]], np.float32), np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    )
    write_colmap(tmp_path, points, Camera.from_focal((4, 6), 10), "photo.jpg")
    assert lines(tmp_path / "cameras.txt") == [["1", "PINHOLE", "6", "4", "10.0", "10.0", "3.0", "2.0"]]
    first, seen = lines(tmp_path / "images.txt")
    assert list(map(float, first[:9])) == [1, 1, 0, 0, 0, 0, 0, 0, 1]
    assert first[9] == "photo.jpg"
    assert seen == ["3.000", "2.000", "1"]
    # the second falls outside the picture: nothing observes it
    assert lines(tmp_path / "points3D.txt") == [
        ["1", "0.000000", "0.000000", "2.000000", "1", "2", "3", "0", "1", "0"],
        ["2", "9.000000", "0.000000", "2.000000", "4", "5", "6", "0"],
    ]


def test_tracks_and_observations_name_each_other(tmp_path):
    camera = CAMERA.crop(1, 2, 3, 4)
    write_colmap(tmp_path, cloud(), camera, "photo.jpg")
    observations = np.array(lines(tmp_path / "images.txt")[1], float).reshape(-1, 3)
    points = lines(tmp_path / "points3D.txt")
    tracks = {int(line[0]): int(line[9]) for line in points if len(line) > 8}
    assert len(points) == PICTURE[..., 0].size
    assert len(tracks) == len(observations) == 3 * 4
    assert all(observations[number, 2] == identity for identity, number in tracks.items())
    np.testing.assert_allclose(observations[:, :2], camera.pixel_centres()[:12], atol=6e-4)


def test_colours_are_kept_and_gray_without(tmp_path):
    write_colmap(tmp_path, cloud(), CAMERA, "photo.jpg")
    found = np.array([line[4:7] for line in lines(tmp_path / "points3D.txt")], int)
    assert np.array_equal(found, PICTURE.reshape(-1, 3))
    write_colmap(tmp_path, PointCloud(slope()), CAMERA, "photo.jpg")
    assert {tuple(line[4:7]) for line in lines(tmp_path / "points3D.txt")} == {("128", "128", "128")}


def test_a_model_that_sees_no_point_has_an_empty_line(tmp_path):
    write_colmap(tmp_path, PointCloud(-slope()), CAMERA, "photo.jpg")
    assert (tmp_path / "images.txt").read_text().endswith("photo.jpg\n\n")


@pytest.mark.parametrize("name", ["my photo.jpg", "", "a\nb.jpg", " a.jpg"])
def test_names_that_colmap_would_cut_are_refused(tmp_path, name):
    with pytest.raises(FileError, match="cuts picture names at spaces: rename"):
        write_colmap(tmp_path / "model", cloud(), CAMERA, name)
    assert not list(tmp_path.iterdir())


def test_what_a_pinhole_cannot_hold_is_refused(tmp_path):
    skewed = Camera(np.array([[9, 1, 3], [0, 9, 2], [0, 0, 1]]), (4, 6), np.eye(4))
    with pytest.raises(FileError, match="no skew"):
        write_colmap(tmp_path / "model", cloud(), skewed, "a.jpg")


def test_no_points_or_a_file_in_the_way_are_refused(tmp_path):
    with pytest.raises(FileError, match="no point to write"):
        write_colmap(tmp_path / "model", PointCloud(np.empty((0, 3), np.float32)), CAMERA, "a.jpg")
    (tmp_path / "model").write_bytes(b"in the way")
    with pytest.raises(FileError, match=re.escape(f"{tmp_path / 'model'}: is a file")):
        write_colmap(tmp_path / "model", cloud(), CAMERA, "a.jpg")


def test_all_three_files_or_none(tmp_path):
    (tmp_path / "points3D.txt").mkdir()
    with pytest.raises(FileError, match=r"points3D\.txt: is a folder"):
        write_colmap(tmp_path, cloud(), CAMERA, "a.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["points3D.txt"]
