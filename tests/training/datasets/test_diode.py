"""DIODE: arrays of metres with their masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openmidas.depth_map import DepthMap
from openmidas.files import FileError
from openmidas.training.datasets.diode import read_diode, read_diode_indoor, read_diode_train


def write(val: Path, name: str) -> None:
    path = val / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (2, 2), (9, 8, 7)).save(f"{path}.png")
    np.save(f"{path}_depth.npy", np.array([[1.5, 2.5], [3.5, 0]], np.float32)[:, :, None])
    np.save(f"{path}_depth_mask.npy", np.array([[1.0, 0], [1, 1]]))


@pytest.mark.parametrize("above", ["val", "."])
def test_indoor_pictures_come_by_place_and_are_valid_where_the_mask_says(tmp_path: Path, above: str) -> None:
    places = [f"indoors/scene_{s}/scan_1/0_{n}" for s in (20, 19) for n in ("b", "a")]
    for place in (*places, "outdoor/scene_22/scan_1/0_c"):
        write(tmp_path / above, place)
    entries = read_diode_indoor(tmp_path)
    assert [entry.name for entry in entries] == sorted(places)
    target = entries[0].read_target()
    assert isinstance(target, DepthMap)
    np.testing.assert_array_equal(target.values, np.array([[1.5, np.nan], [3.5, np.nan]], np.float32))
    assert entries[0].read_image()[0, 0].tolist() == [9, 8, 7]
    assert [entry.name for entry in read_diode(tmp_path)][-1] == "outdoor/scene_22/scan_1/0_c"


def test_a_picture_whose_partner_is_missing_is_listed_and_fails_when_read(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / "val", f"indoors/s/t/{name}")
    folder = tmp_path / "val/indoors/s/t"
    for name in ("a_depth.npy", "b_depth_mask.npy", "c.png"):
        (folder / name).unlink()
    without_depth, without_mask, without_image = read_diode_indoor(tmp_path)
    with pytest.raises(FileError, match=r"a_depth\.npy: no such file"):
        without_depth.read_target()
    with pytest.raises(FileError, match=r"b_depth_mask\.npy: no such file"):
        without_mask.read_target()
    with pytest.raises(FileError, match=r"c\.png: no such file"):
        without_image.read_image()


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"val/indoors: is not there: unpack val\.tar\.gz"):
        read_diode_indoor(tmp_path)


def test_the_training_set_is_another_folder_beside(tmp_path: Path) -> None:
    write(tmp_path / "val", "indoors/s/t/a")
    for name in ("outdoor/s/t/c", "indoors/s/t/b"):
        write(tmp_path / "train", name)
    assert [entry.name for entry in read_diode_train(tmp_path)] == ["indoors/s/t/b", "outdoor/s/t/c"]
    assert [entry.name for entry in read_diode(tmp_path)] == ["indoors/s/t/a"]
