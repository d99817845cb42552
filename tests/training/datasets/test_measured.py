"""The simple folder: an index, pictures, arrays of inverse depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openmidas.depth_map import DepthMap
from openmidas.files import FileError
from openmidas.training.datasets.measured import read_measured

VALUES = np.array([[0, 0.5], [1, 0.25]], np.float16)


def write(root: Path, index: str = "name,set,target\none,rooms,metric\ntwo,still,disparity\n") -> None:
    (root / "index.csv").write_text(index)
    for name in ("one", "two"):
        Image.new("RGB", (2, 2), (10, 20, 30)).save(root / f"{name}.webp", lossless=True)
        np.savez(root / f"{name}_target.npz", inverse_depth=VALUES)


def test_pictures_are_grouped_by_set_and_disparity_has_no_unit(tmp_path: Path) -> None:
    write(tmp_path)
    one, two = read_measured(tmp_path)
    assert [(one.name, one.group), (two.name, two.group)] == [("rooms/one", "rooms"), ("still/two", "still")]
    assert one.read_image()[0, 0].tolist() == [10, 20, 30]
    for entry, ambiguity in ((one, "metric"), (two, "scale_invariant")):
        target = entry.read_target()
        assert isinstance(target, DepthMap)
        assert (target.quantity, target.ambiguity) == ("inverse_depth", ambiguity)
        np.testing.assert_array_equal(target.values, np.where(VALUES > 0, VALUES, np.nan))


@pytest.mark.parametrize(
    "values", [VALUES[0], VALUES[:0], VALUES[..., None], [[np.inf, 1]], [["far", "near"]]]
)
def test_an_array_that_is_no_inverse_depth_of_a_picture_is_named(tmp_path: Path, values: object) -> None:
    write(tmp_path)
    np.savez(tmp_path / "one_target.npz", inverse_depth=values)
    with pytest.raises(FileError, match=r"one_target\.npz: holds no inverse_depth"):
        read_measured(tmp_path)[0].read_target()


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ('name,set,target\n"one,rooms,metric\ntwo,still,disparity\n', r"is no table .* quotation mark"),
        (f"name,set,target\n{'one' * 50_000},rooms,metric\n", r"is no table \(field larger"),
        ("name,set,target\none\0,rooms,metric\n", "is no text"),
    ],
)
def test_an_index_that_is_no_table_is_named(tmp_path: Path, index: str, words: str) -> None:
    write(tmp_path, index)
    with pytest.raises(FileError, match=rf"index\.csv: {words}"):
        read_measured(tmp_path)


@pytest.mark.parametrize("index", ["name,set\none,rooms\n", "name,set,target\none,rooms,feet\n"])
def test_an_index_without_meaning_is_refused(tmp_path: Path, index: str) -> None:
    write(tmp_path, index)
    with pytest.raises(FileError, match=r"index\.csv: lacks a column or has another word"):
        read_measured(tmp_path)


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"index\.csv: is not there: list the pictures"):
        read_measured(tmp_path)
    write(tmp_path)
    (tmp_path / "one_target.npz").unlink()
    (tmp_path / "two_target.npz").write_bytes(b"PK but no archive")
    one, two = read_measured(tmp_path)
    with pytest.raises(FileError, match=r"one_target\.npz: no such file"):
        one.read_target()
    with pytest.raises(FileError, match=r"two_target\.npz: holds no inverse_depth"):
        two.read_target()
