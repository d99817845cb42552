"""TUM RGB-D: the packed pictures with people, and sequences as recorded."""

from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.files import FileError
from openmidas.training.datasets.tum import read_tum

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10


def write_packed(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file["gt/img_1"] = pixels
        file["gt/gt_depth"] = np.array([[0, 1.5, 2, 3], [1e-9, 4, 5, 6]], np.float32)


@pytest.mark.parametrize("folder", [".", "tum_hdf5"])
def test_packed_pictures_come_by_name_with_their_depth(tmp_path: Path, folder: str) -> None:
    for number in (12, 11):
        write_packed(tmp_path / folder / f"ZL1_{number}.jpg.h5", (PIXELS / 255).astype(np.float32))
    entries = read_tum(tmp_path)
    assert [entry.name for entry in entries] == ["ZL1_11", "ZL1_12"]
    np.testing.assert_array_equal(entries[0].read_image(), PIXELS)
    target = entries[0].read_target()
    assert isinstance(target, DepthMap)
    expected = [[np.nan, 1.5, 2, 3], [np.nan, 4, 5, 6]]
    np.testing.assert_array_equal(target.values, np.array(expected, np.float32))


def test_packed_pictures_of_eight_bits_stay_and_other_ranges_are_refused(tmp_path: Path) -> None:
    write_packed(tmp_path / "a.jpg.h5", PIXELS)
    write_packed(tmp_path / "b.jpg.h5", PIXELS.astype(np.float32))
    write_packed(tmp_path / "c.jpg.h5", PIXELS[..., 0])
    eight_bits, odd, gray = read_tum(tmp_path)
    np.testing.assert_array_equal(eight_bits.read_image(), PIXELS)
    with pytest.raises(FileError, match=r"b\.jpg\.h5: gt/img_1 goes from 0 to 230, not from 0 to 1"):
        odd.read_image()
    with pytest.raises(FileError, match=r"c\.jpg\.h5: holds no n × n × 3 numbers as gt/img_1"):
        gray.read_image()


def write_sequence(folder: Path, images: list[str], depths: list[str]) -> None:
    for part, times in (("rgb", images), ("depth", depths)):
        (folder / part).mkdir(parents=True)
        lines = [f"# {part} maps", "# timestamp filename", *(f"{time} {part}/{time}.png" for time in times)]
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
        for time in times:
            codes = np.array([[0, 5000, round(float(time) * 1000)]], np.uint16)
            cv2.imwrite(str(folder / part / f"{time}.png"), codes)


def depth_times(root: Path) -> dict[str, float]:
    """Name of each picture, and the time that its depth file was written at."""
    targets = {entry.name: entry.read_target() for entry in read_tum(root)}
    return {name: round(float(target.values[0, 2]) * 5, 3) for name, target in targets.items()}  # type: ignore[union-attr]


def test_pictures_of_a_sequence_have_the_depth_nearest_in_time(tmp_path: Path) -> None:
    write_sequence(
        tmp_path / "walking", ["1.000", "1.033", "1.066", "1.300"], ["1.031", "1.012", "1.099", "1.079"]
    )
    # 1.012 is as near as 1.031 to none but 1.000; 1.300 has no depth within 0.02 s
    assert depth_times(tmp_path) == {"walking/1.000": 1.012, "walking/1.033": 1.031, "walking/1.066": 1.079}


def test_one_depth_goes_to_one_picture_the_nearer_in_time(tmp_path: Path) -> None:
    write_sequence(tmp_path / "sitting", ["1.000", "1.010"], ["1.009"])
    assert depth_times(tmp_path) == {"sitting/1.010": 1.009}


def test_codes_of_a_sequence_are_5000ths_of_a_metre(tmp_path: Path) -> None:
    write_sequence(tmp_path, ["1.000"], ["1.000"])
    (entry,) = read_tum(tmp_path)
    np.testing.assert_array_equal(
        entry.read_target().values,
        np.array([[np.nan, 1, 0.2]], np.float32),  # type: ignore[union-attr]
    )
    (tmp_path / "depth/1.000.png").unlink()
    with pytest.raises(FileError, match=r"depth/1\.000\.png: no such file"):
        read_tum(tmp_path)[0].read_target()


def test_what_is_missing_or_spoilt_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"tum_hdf5: is not there: unpack tum_hdf5\.tgz, or sequences"):
        read_tum(tmp_path)
    write_sequence(tmp_path / "walking", ["1.000"], ["1.000"])
    (tmp_path / "walking/depth.txt").write_text("no time at all\n")
    with pytest.raises(FileError, match=r"walking/depth\.txt: has lines other than a time and a file"):
        read_tum(tmp_path)
    (tmp_path / "walking/depth.txt").unlink()
    with pytest.raises(FileError, match=r"walking/depth\.txt: no such file"):
        read_tum(tmp_path)
