"""The folders of photographs with labels, of RGB-D pictures and of rendered scenes that are held in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.files.errors import FileError
from openmidas.training.held import PHOTO_SIDE_PX, read_kinect, read_labelled_photos, read_rendered

LOSSLESS = [cv2.IMWRITE_WEBP_QUALITY, 101]


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels, LOSSLESS if path.suffix == ".webp" else [])


def test_what_a_network_says_of_a_photograph_is_its_truth_near_high(tmp_path: Path) -> None:
    write(tmp_path / "photos/a.jpg", np.full((300, 2 * PHOTO_SIDE_PX, 3), 90, np.uint8))
    write(tmp_path / "photos/unlabelled.jpg", np.zeros((8, 8, 3), np.uint8))
    ramp = np.linspace(0, 65535, 300).astype(np.uint16)[:, None]
    write(tmp_path / "labels/a.png", np.repeat(ramp, 2 * PHOTO_SIDE_PX, axis=1))
    (sample,) = read_labelled_photos(tmp_path / "photos", tmp_path / "labels")
    assert sample.image.shape == (150, PHOTO_SIDE_PX, 3)
    assert (sample.target.shape, sample.ambiguity) == ((150, PHOTO_SIDE_PX), "affine_invariant")
    assert sample.valid.all()
    assert (np.diff(sample.target[:, 0].astype(float)) > 0).all()


def test_rendered_truth_is_taken_as_it_is_and_sky_is_valid(tmp_path: Path) -> None:
    truth = np.array([[0, 0.25, np.nan], [2, 0.5, 1]], np.float32)
    write(tmp_path / "00007.webp", np.full((2, 3, 3), 90, np.uint8))
    np.savez(tmp_path / "00007_inverse_depth.npz", inverse_depth=truth)
    (sample,) = read_rendered(tmp_path)
    np.testing.assert_array_equal(sample.target, truth)
    assert sample.valid.tolist() == [[True, True, False], [True, True, True]]
    assert sample.ambiguity == "metric"


def test_rgbd_pictures_of_the_wanted_numbers_become_inverse_metres(tmp_path: Path) -> None:
    for number in ("0001", "0002"):
        write(tmp_path / f"{number}.webp", np.full((8, 8, 3), 90, np.uint8))
        write(tmp_path / f"{number}_depth.webp", np.full((8, 8, 3), 100, np.uint8))
    (sample,) = read_kinect(tmp_path, lambda number: number == 2)
    assert sample.ambiguity == "metric"
    np.testing.assert_allclose(sample.target, 1 / (100.5 * 9.99547 / 255), rtol=1e-3)


@pytest.mark.parametrize(
    ("damaged", "read"),
    [
        ("00007_inverse_depth.npz", read_rendered),
        ("00007.webp", read_rendered),
        ("0001_depth.webp", lambda folder: read_kinect(folder, lambda number: True)),
    ],
)
def test_what_is_damaged_is_named(damaged: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    for name in ("00007", "0001", "0001_depth"):
        write(tmp_path / f"{name}.webp", np.full((2, 3, 3), 90, np.uint8))
    np.savez(tmp_path / "00007_inverse_depth.npz", inverse_depth=np.ones((2, 3), np.float32))
    (tmp_path / damaged).write_bytes(b"half")
    with pytest.raises(FileError, match=damaged):
        read(tmp_path)


def test_a_label_of_another_shape_than_its_photograph_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "photos/a.jpg", np.zeros((40, 60, 3), np.uint8))
    write(tmp_path / "labels/a.png", np.zeros((60, 40), np.uint16))
    with pytest.raises(FileError, match=r"a\.jpg: has 40×60 pixels, its target has 60×40"):
        read_labelled_photos(tmp_path / "photos", tmp_path / "labels")


def test_a_rendered_scene_of_another_shape_than_its_truth_is_named(tmp_path: Path) -> None:
    write(tmp_path / "00007.webp", np.full((2, 3, 3), 90, np.uint8))
    np.savez(tmp_path / "00007_inverse_depth.npz", inverse_depth=np.ones((4, 3), np.float32))
    with pytest.raises(FileError, match=r"00007\.webp: has 2×3 pixels, its truth 4×3"):
        read_rendered(tmp_path)
