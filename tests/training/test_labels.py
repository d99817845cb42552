"""Labels: every answer counts alike, whatever its scale; files keep them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.encoding import encoding_for, encoding_named
from openmidas.files import FileError, write_depth
from openmidas.training.labels import from_files, label, labels_of, list_labels, read_label, write_label

IMAGE = np.full((30, 40, 3), 90, np.uint8)
RAMP = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (30, 1))


def test_answers_count_alike_whatever_their_scale_and_shift() -> None:
    answers = [lambda *_: RAMP * 1000 + 7, lambda *_: np.flipud(RAMP.T[:30, :30]).repeat(2, 1)[:, :40]]
    first, both = label("a", IMAGE, answers[:1]), label("a", IMAGE, answers)
    scaled = label("a", IMAGE, [lambda *_: RAMP, answers[1]])
    assert np.abs(both - first).max() > 0.3
    np.testing.assert_allclose(both, scaled, atol=1e-3)


def test_labels_from_files_answer_by_name_at_the_pictures_size(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), cv2.resize((RAMP * 255).astype(np.uint8), (20, 15)))
    values = from_files(labels_of(["a", "b"], tmp_path))("a", IMAGE)
    assert np.corrcoef(values.ravel(), RAMP.ravel())[0, 1] > 0.99


def test_labels_are_found_as_label_and_as_predict_name_them(tmp_path: Path) -> None:
    for name in ("a.png", "b_depth.png", "b_heatmap.png", "c_depth.jpg", "d.txt"):
        (tmp_path / name).touch()
    found = labels_of(["a", "b", "c", "d", "c_depth"], tmp_path)
    assert {name: path.name for name, path in found.items()} == {
        "a": "a.png",
        "b": "b_depth.png",
        "c": "c_depth.jpg",
        "c_depth": "c_depth.jpg",
    }
    (tmp_path / "a_depth.png").touch()
    with pytest.raises(
        FileError, match=r"a_depth\.png: is a label of the same photograph as a\.png: keep one"
    ):
        labels_of(["a"], tmp_path)


def test_a_folder_of_labels_that_fits_no_photograph_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(FileError, match=f"{tmp_path.name}: no photograph has a label of its name here"):
        labels_of(["b"], tmp_path)
    with pytest.raises(FileError, match="gone: no such file or folder"):
        labels_of(["b"], tmp_path / "gone")


@pytest.mark.parametrize("encoding", ["midas", "near-dark", "millimetres"])
def test_a_label_that_says_what_it_holds_is_taken_at_its_word(tmp_path: Path, encoding: str) -> None:
    inverse = DepthMap.from_values(RAMP + 0.1, "inverse_depth", "metric")
    write_depth(tmp_path / "a.png", inverse, encoding_for(encoding, inverse))
    np.testing.assert_allclose(read_label(tmp_path / "a.png"), RAMP, atol=1 / 255)


def test_a_label_with_holes_is_refused(tmp_path: Path) -> None:
    metres = DepthMap.from_values(RAMP + 0.1, "depth", "metric", RAMP > 0.5)
    write_depth(tmp_path / "a.png", metres, encoding_named("millimetres"))
    with pytest.raises(FileError, match=r"a\.png: cannot be a label: some pixels have no depth"):
        read_label(tmp_path / "a.png")


def test_labels_count_whatever_the_case_and_length_of_their_suffix(tmp_path: Path) -> None:
    for name in ("a.PNG", "b.jpeg", "c.JPG", "d.webp", "notes.txt"):
        (tmp_path / name).touch()
    assert {stem: path.name for stem, path in list_labels(tmp_path).items()} == {
        "a": "a.PNG",
        "b": "b.jpeg",
        "c": "c.JPG",
    }


def test_two_labels_of_one_photograph_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(FileError, match=r"a\.png: is a label of the same photograph as a\.jpg: keep one"):
        list_labels(tmp_path)


def test_a_label_comes_back_to_a_code(tmp_path: Path) -> None:
    write_label(tmp_path / "a.png", RAMP * 12 - 4)
    np.testing.assert_allclose(read_label(tmp_path / "a.png"), RAMP, atol=1 / 65535)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_label_that_cannot_be_written_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="gone"):
        write_label(tmp_path / "gone" / "a.png", RAMP)


def test_a_coloured_label_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE * np.array([1, 1, 0], np.uint8))
    with pytest.raises(FileError, match=r"a\.png: is coloured"):
        read_label(tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE)  # gray in three channels is gray
    assert (read_label(tmp_path / "a.png") == np.float32(90 / 255)).all()
