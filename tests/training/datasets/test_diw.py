"""Depth in the Wild: pairs of points as its list writes them, 1-based, row first."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from openmidas.files import FileError
from openmidas.training.datasets.diw import read_diw, read_diw_train
from openmidas.training.datasets.entry import OrdinalPairs


def write(root: Path, *lines: str, place: str = "DIW_test.csv") -> None:
    (root / place).parent.mkdir(exist_ok=True)
    (root / place).write_text("".join(f"{line}\n" for line in lines))


def pairs(root: Path, line: str) -> OrdinalPairs:
    write(root, "./DIW_test/a.thumb", line)
    target = read_diw(root)[0].read_target()
    assert isinstance(target, OrdinalPairs)
    return target


def test_pixels_count_from_0_and_the_farther_point_is_said_first_by_greater(tmp_path: Path) -> None:
    target = pairs(tmp_path, "1,200,150,7,>,200,150")
    assert target.first.tolist() == [[0, 199]]
    assert target.second.tolist() == [[149, 6]]
    assert target.relation.tolist() == [-1]
    assert target.shape == (150, 200)
    assert pairs(tmp_path, "1,200,150,7,<,200,150").relation.tolist() == [1]
    assert pairs(tmp_path, "1,200,150,7,=,200,150").relation.tolist() == [0]


def test_pictures_are_jpegs_whatever_their_ending(tmp_path: Path) -> None:
    (tmp_path / "DIW_test").mkdir()
    Image.new("RGB", (20, 10), (200, 0, 0)).save(tmp_path / "DIW_test" / "a.thumb", "JPEG")
    write(tmp_path, "./DIW_test/a.thumb", "1,2,3,4,>,20,10")
    (entry,) = read_diw(tmp_path)
    assert (entry.name, entry.group) == ("DIW_test/a", "DIW_test")
    assert entry.read_image().shape == (10, 20, 3)


def test_order_is_the_lists_and_a_picture_named_twice_has_two_pairs(tmp_path: Path) -> None:
    lines = ("./DIW_test/b.thumb", "1,1,2,2,>,9,9", "./DIW_test/a.thumb", "1,1,2,2,>,9,9")
    write(tmp_path, *lines, "./DIW_test/b.thumb", "3,3,4,4,<,9,9", place="DIW_Annotations/DIW_test.csv")
    entries = read_diw(tmp_path)
    assert [entry.name for entry in entries] == ["DIW_test/b", "DIW_test/a"]
    assert [entry.image for entry in entries] == [tmp_path / "DIW_test" / f"{name}.thumb" for name in "ba"]
    assert entries[0].read_target().relation.tolist() == [-1, 1]  # type: ignore[union-attr]


def test_an_absolute_path_of_somebodys_still_gives_a_short_name(tmp_path: Path) -> None:
    write(tmp_path, "/data/DIW_test/a.thumb", "1,1,2,2,>,9,9")
    (entry,) = read_diw(tmp_path)
    assert (entry.name, entry.image) == ("DIW_test/a", Path("/data/DIW_test/a.thumb"))


@pytest.mark.parametrize(
    "line",
    ["0,1,2,2,>,9,9", "1,1,2,10,>,9,9", "1,1,2,2,?,9,9", "1,1,2,2,>,9", "a,1,2,2,>,9,9", "inf,1,2,2,>,9,9"],
)
def test_a_pair_that_is_none_is_named_when_it_is_read(tmp_path: Path, line: str) -> None:
    with pytest.raises(
        FileError, match=r"DIW_test\.csv: says .* of \./DIW_test/a\.thumb, which is not y1,x1"
    ):
        pairs(tmp_path, line)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"DIW_test\.csv: is not there: unpack DIW_Annotations"):
        read_diw(tmp_path)
    with pytest.raises(FileError, match=r"nowhere: no such folder"):
        read_diw(tmp_path / "nowhere")
    write(tmp_path, "./DIW_test/a.thumb", "1,1,2,2,>,9,9", "./DIW_test/b.thumb")
    with pytest.raises(FileError, match=r"DIW_test\.csv: has an odd number of lines"):
        read_diw(tmp_path)


def test_the_training_part_has_a_list_and_a_folder_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "./DIW_test/a.thumb", "1,1,2,2,>,9,9")
    write(tmp_path, "./DIW_train_val/b.thumb", "1,1,2,2,<,9,9", place="DIW_Annotations/DIW_train_val.csv")
    (entry,) = read_diw_train(tmp_path)
    assert (entry.name, entry.image) == ("DIW_train_val/b", tmp_path / "DIW_train_val/b.thumb")
    assert entry.read_target().relation.tolist() == [1]  # type: ignore[union-attr]
    (tmp_path / "DIW_Annotations/DIW_train_val.csv").unlink()
    with pytest.raises(FileError, match=r"DIW_train_val\.csv: is not there: unpack .* beside DIW_train_val"):
        read_diw_train(tmp_path)


def test_the_training_part_may_come_as_two_lists(tmp_path: Path) -> None:
    folder = "DIW_Annotations_splitted"
    write(tmp_path, "./DIW_train_val/b.thumb", "1,1,2,2,<,9,9", place=f"{folder}/DIW_train.csv")
    with pytest.raises(
        FileError, match=r"splitted/DIW_val\.csv: is not there: unpack DIW_Annotations_splitted"
    ):
        read_diw_train(tmp_path)
    write(tmp_path, "./DIW_train_val/a.thumb", "1,1,2,2,>,9,9", place=f"{folder}/DIW_val.csv")
    entries = read_diw_train(tmp_path)
    assert [entry.name for entry in entries] == ["DIW_train_val/b", "DIW_train_val/a"]
    assert [entry.target for entry in entries] == [
        tmp_path / folder / "DIW_train.csv",
        tmp_path / folder / "DIW_val.csv",
    ]
    assert entries[1].read_target().relation.tolist() == [-1]  # type: ignore[union-attr]


def test_of_one_list_and_two_the_one_is_read(tmp_path: Path) -> None:
    write(tmp_path, "./DIW_train_val/b.thumb", "1,1,2,2,<,9,9", place="DIW_train.csv")
    write(tmp_path, "./DIW_train_val/a.thumb", "1,1,2,2,<,9,9", place="DIW_Annotations/DIW_train_val.csv")
    assert [entry.name for entry in read_diw_train(tmp_path)] == ["DIW_train_val/a"]
