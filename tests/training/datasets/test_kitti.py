"""KITTI: the split follows from the Eigen list and from what the benchmark's archive holds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.files import FileError
from openmidas.training.datasets.kitti import (
    read_kitti,
    read_kitti_eigen,
    read_kitti_eigen_train,
    read_kitti_train,
)

VAL, TRAIN = "2011_09_26_drive_0002_sync", "2011_09_28_drive_0001_sync"
CODES = np.array([[0, 256, 640], [20480, 65535, 1]], np.uint16)
METRES = [[np.nan, 1, 2.5], [80, 65535 / 256, 1 / 256]]


def picture(drive: str, number: int, suffix: str = ".png") -> str:
    return f"{drive[:10]}/{drive}/image_02/data/{number:010d}{suffix}"


def put(path: Path, pixels: np.ndarray = CODES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def put_depths(root: Path, split: str, drive: str, numbers: range) -> None:
    for number in numbers:
        put(root / split / drive / "proj_depth/groundtruth/image_02" / f"{number:010d}.png")


def write_list(root: Path, *lines: str, name: str = "eigen_test_files.txt") -> None:
    (root / name).write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("above", [".", "data_depth_annotated"])
def test_the_split_is_what_list_and_validation_set_share(tmp_path: Path, above: str) -> None:
    put_depths(tmp_path / above, "val", VAL, range(5, 12))
    put_depths(tmp_path / above, "train", TRAIN, range(5, 12))
    asked = [(VAL, 8), (VAL, 6), (VAL, 0), (TRAIN, 6), ("2011_10_03_drive_0047_sync", 6)]
    write_list(tmp_path, *(f"{picture(drive, number)} unused.jpg" for drive, number in asked))
    names = [f"{VAL}/0000000008", f"{VAL}/0000000006"]
    assert [entry.name for entry in read_kitti(tmp_path)] == names
    assert [entry.name for entry in read_kitti_eigen(tmp_path)] == [*names, f"{TRAIN}/0000000006"]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"{picture(VAL, 6, '.jpg')} {picture(VAL, 6, '.jpg')}", "eigen_test_files.txt"),
        (f"{picture(VAL, 6)} {VAL}/proj_depth/0000000006.png 721.5377", "eigen_test_files_with_gt.txt"),
        (f"{picture(VAL, 6)} None 721.5377", "eigen_test_files_with_gt.txt"),
        (f"2011_09_26/{VAL} 0000000006 l", "test_files.txt"),
        (f"2011_09_26/{VAL} 6 l", "test_files.txt"),
    ],
)
def test_the_list_may_be_in_any_form_that_goes_round(tmp_path: Path, line: str, name: str) -> None:
    put_depths(tmp_path, "val", VAL, range(5, 8))
    write_list(tmp_path, line, name=name)
    assert [entry.name for entry in read_kitti(tmp_path)] == [f"{VAL}/0000000006"]


def test_codes_are_256ths_of_a_metre_and_0_is_no_depth(tmp_path: Path) -> None:
    put_depths(tmp_path, "val", VAL, range(6, 7))
    write_list(tmp_path, picture(VAL, 6))
    target = read_kitti(tmp_path)[0].read_target()
    assert isinstance(target, DepthMap)
    np.testing.assert_array_equal(target.values, np.array(METRES, np.float32))


@pytest.mark.parametrize("place", [picture(VAL, 6), f"raw/{picture(VAL, 6, '.jpg')}"])
def test_pictures_lie_beside_or_in_raw_as_png_or_jpeg(tmp_path: Path, place: str) -> None:
    put_depths(tmp_path, "val", VAL, range(6, 7))
    write_list(tmp_path, picture(VAL, 6))
    put(tmp_path / place, np.full((4, 5, 3), 80, np.uint8))
    assert read_kitti(tmp_path)[0].read_image().shape == (4, 5, 3)


def test_what_is_missing_between_a_drives_depths_is_listed_and_fails_when_read(tmp_path: Path) -> None:
    put_depths(tmp_path, "val", VAL, range(5, 12, 2))
    write_list(tmp_path, picture(VAL, 8))
    (entry,) = read_kitti(tmp_path)
    with pytest.raises(FileError, match=r"image_02/0000000008\.png: no such file"):
        entry.read_target()
    with pytest.raises(FileError, match=r"2011_09_26/.*/data/0000000008\.png: no such file"):
        entry.read_image()


def test_what_is_missing_as_a_whole_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"eigen_test_files\.txt: is not there: put the list"):
        read_kitti(tmp_path)
    write_list(tmp_path, picture(VAL, 6))
    with pytest.raises(FileError, match=r"val: is not there: unpack data_depth_annotated"):
        read_kitti(tmp_path)
    put_depths(tmp_path, "val", TRAIN, range(5, 12))
    with pytest.raises(FileError, match=r"depth of none of the 1 pictures in eigen_test_files\.txt"):
        read_kitti(tmp_path)
    write_list(tmp_path, picture(VAL, 6), "rgb_00045.jpg")
    with pytest.raises(FileError, match=r"its line 'rgb_00045\.jpg' names no KITTI picture"):
        read_kitti(tmp_path)


def test_the_training_part_is_every_depth_of_both_colour_cameras(tmp_path: Path) -> None:
    put_depths(tmp_path / "data_depth_annotated", "train", TRAIN, range(5, 7))
    right = tmp_path / "data_depth_annotated/train" / TRAIN / "proj_depth/groundtruth/image_03"
    put(right / "0000000005.png")
    put_depths(tmp_path, "val", VAL, range(5, 7))
    put(tmp_path / "raw" / picture(TRAIN, 5, ".jpg").replace("image_02", "image_03"), np.zeros((4, 5, 3)))
    put(tmp_path / picture(TRAIN, 6), np.zeros((4, 5, 3)))
    entries = read_kitti_train(tmp_path)
    names = ["image_02/0000000005", "image_02/0000000006", "image_03/0000000005"]
    assert [entry.name for entry in entries] == [f"{TRAIN}/{name}" for name in names]
    assert entries[1].read_image().shape == entries[2].read_image().shape == (4, 5, 3)
    assert entries[2].target == right / "0000000005.png"
    target = entries[2].read_target()
    assert isinstance(target, DepthMap)
    np.testing.assert_array_equal(target.values, np.array(METRES, np.float32))
    with pytest.raises(FileError, match=r"image_02/data/0000000005\.png: no such file"):
        entries[0].read_image()


@pytest.mark.parametrize("right", [f"2011_09_26/{VAL} 6 r", picture(VAL, 6).replace("image_02", "image_03")])
def test_the_eigen_training_list_may_name_either_camera(right: str, tmp_path: Path) -> None:
    put_depths(tmp_path, "val", VAL, range(5, 9))
    depths = tmp_path / "val" / VAL / "proj_depth/groundtruth"
    (depths / "image_02").rename(depths / "image_03")
    put_depths(tmp_path, "train", TRAIN, range(5, 9))
    write_list(tmp_path, f"2011_09_28/{TRAIN} 7 l", right, f"2011_09_28/{TRAIN} 0 l", name="train_files.txt")
    entries = read_kitti_eigen_train(tmp_path)
    names = [f"{TRAIN}/image_02/0000000007", f"{VAL}/image_03/0000000006"]
    assert [entry.name for entry in entries] == names
    assert "image_03/data/0000000006.png" in entries[1].image.as_posix()
