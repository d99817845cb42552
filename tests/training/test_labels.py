"""Labels: every answer counts alike, whatever its scale; files keep them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.files import FileError
from openmidas.training.labels import from_files, label, list_labels, read_label, write_label

IMAGE = np.full((30, 40, 3), 90, np.uint8)
RAMP = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (30, 1))


def test_answers_count_alike_whatever_their_scale_and_shift() -> None:
    answers = [lambda *_: RAMP * 1000 + 7, lambda *_: np.flipud(RAMP.T[:30, :30]).repeat(2, 1)[:, :40]]
    first, both = label("a", IMAGE, answers[:1]), label("a", IMAGE, answers)
    scaled = label("a", IMAGE, [lambda *_: RAMP, answers[1]])
    assert first is not None
    assert both is not None
    assert np.abs(both - first).max() > 0.3
    np.testing.assert_allclose(both, scaled, atol=1e-3)


def test_no_label_where_one_has_no_answer() -> None:
    assert label("a", IMAGE, [lambda *_: RAMP, lambda *_: None]) is None


def test_labels_from_files_answer_by_name_at_the_pictures_size(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), cv2.resize((RAMP * 255).astype(np.uint8), (20, 15)))
    answer = from_files(list_labels(tmp_path))
    values = answer("a", IMAGE)
    assert values is not None
    assert np.corrcoef(values.ravel(), RAMP.ravel())[0, 1] > 0.99
    assert answer("b", IMAGE) is None


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
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE)
    with pytest.raises(FileError, match="no gray picture"):
        read_label(tmp_path / "a.png")
