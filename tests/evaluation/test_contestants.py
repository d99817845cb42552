"""Whoever predicts enters: networks, ONNX files, functions, folders of ready predictions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import encoding_named
from openmidas.evaluation.contestants import contestant_named
from openmidas.files import FileError, write_depth
from openmidas.models import load
from openmidas.models.presets import EMBEDDED
from openmidas.training.datasets.entry import Entry

FUNCTIONS = """
from openmidas import DepthMap

def brightness(image):
    return image.mean(axis=2)

def metric(image):
    return DepthMap.from_values(image.mean(axis=2) + 1, "depth", "metric")

def faulty(image):
    raise KeyError("weights")

number = 3
"""
VALUES = np.linspace(0.5, 4, 48).reshape(6, 8).astype(np.float32)
METRIC = DepthMap.from_values(VALUES, "depth", "metric")


@pytest.fixture
def picture(tmp_path: Path) -> Entry:
    """A picture of noise; its target is never asked for."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")

    def read_target() -> DepthMap:
        raise AssertionError("a contestant must not see the truth")

    return Entry("room/one", tmp_path / "one.png", read_target)


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # taken away again afterwards
    (tmp_path / "contestants_of_a_test.py").write_text(FUNCTIONS)
    return "contestants_of_a_test"


@pytest.mark.parametrize("word", ["tiny", EMBEDDED])
def test_a_network_answers_as_it_always_does(word: str | Path, picture: Entry) -> None:
    contestant = contestant_named(str(word))
    assert contestant.name == Path(word).name
    assert contestant.predict("any", picture) == load("tiny")(picture.image)


def test_another_file_of_the_same_name_is_another_contestant(tmp_path: Path) -> None:
    copy = shutil.copy(EMBEDDED, tmp_path)
    one, other = contestant_named(str(EMBEDDED)), contestant_named(str(copy))
    assert one.name == other.name
    assert one.identity != other.identity


def test_a_functions_array_is_affine_invariant_inverse_depth(functions: str, picture: Entry) -> None:
    contestant = contestant_named(f"{functions}:brightness")
    expected = DepthMap.from_values(picture.read_image().mean(axis=2), "inverse_depth", "affine_invariant")
    assert contestant.name == f"{functions}:brightness"
    assert contestant.predict("any", picture) == expected


def test_a_function_may_say_what_its_numbers_mean(functions: str, picture: Entry) -> None:
    predicted = contestant_named(f"{functions}:metric").predict("any", picture)
    assert (predicted.quantity, predicted.ambiguity) == ("depth", "metric")


def test_what_a_function_raises_is_said_with_its_name(functions: str, picture: Entry) -> None:
    with pytest.raises(ValueError, match=r"contestants_of_a_test:faulty failed \(KeyError: 'weights'\)"):
        contestant_named(f"{functions}:faulty").predict("any", picture)


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("midas_v4", "'midas_v4' is no contestant: name a network"),
        ("contestants_of_a_test:missing", "cannot be imported .*missing.*: run from the folder"),
        ("no_such_module:function", "cannot be imported .*no_such_module"),
        ("contestants_of_a_test:number", "is of type int: name a function"),
        ("missing.onnx", r"missing\.onnx: no such file"),
        (".@furlongs", "unknown encoding 'furlongs'"),
    ],
)
def test_a_word_that_means_nothing_is_one_line(functions: str, word: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        contestant_named(word)
    assert "\n" not in str(raised.value)


def test_a_folder_of_predictions_is_the_network_that_made_them(tmp_path: Path, picture: Entry) -> None:
    live = contestant_named("tiny").predict("any", picture)
    for folder, name in (
        ("by_name", "room/one.npz"),
        ("by_set", "any/room/one.npz"),
        ("own", "room/one_depth.npz"),
    ):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True)
        write_depth(path, live)
        contestant = contestant_named(str(tmp_path / folder))
        assert contestant.name == folder
        assert contestant.predict("any", picture) == live


def test_files_that_do_not_say_what_they_hold_are_read_by_the_encoding_given(
    tmp_path: Path, picture: Entry
) -> None:
    (tmp_path / "room").mkdir()
    write_depth(tmp_path / "room" / "one.pfm", METRIC, encoding_named("metres"))
    assert contestant_named(f"{tmp_path}@metres").predict("any", picture) == METRIC
    with pytest.raises(FileError, match=r"one\.pfm: does not say what its float32 numbers mean"):
        contestant_named(str(tmp_path)).predict("any", picture)


def test_the_folder_of_the_set_goes_first(tmp_path: Path, picture: Entry) -> None:
    for folder, factor in (("nyu/room", 1), ("room", 2)):
        (tmp_path / folder).mkdir(parents=True)
        write_depth(tmp_path / folder / "one.npz", DepthMap.from_values(factor * VALUES, "depth", "metric"))
    contestant = contestant_named(str(tmp_path))
    assert contestant.predict("nyu", picture) == METRIC
    assert contestant.predict("kitti", picture).values[0, 0] == 1


def test_two_predictions_of_one_picture_are_one_too_many(tmp_path: Path, picture: Entry) -> None:
    (tmp_path / "room").mkdir()
    for name in ("one.npz", "one_depth.npz"):
        write_depth(tmp_path / "room" / name, METRIC)
    with pytest.raises(FileError, match=r"more than once, as one\.npz and one_depth\.npz: leave one"):
        contestant_named(str(tmp_path)).predict("any", picture)


def test_a_picture_without_prediction_is_named(tmp_path: Path, picture: Entry) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"empty/any/room/one: there is no prediction of that name"):
        contestant_named(str(tmp_path / "empty")).predict("any", picture)


def test_an_encoding_that_needs_planes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConventionError, match="needs near and far"):
        contestant_named(f"{tmp_path}@opengl")
