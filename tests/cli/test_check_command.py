"""`openmidas check`: what it writes, what it says, and what it says of bad pictures."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from running import Run, names, write_picture

from openmidas.cli.check import verdict
from openmidas.depth_map import DepthMap
from openmidas.evaluation.consistency import Consistency, consistency
from openmidas.files import read_image
from openmidas.models import load

_NUMBER = r"(\d+\.\d) %"


def test_a_picture_gets_a_verdict_with_numbers_and_a_picture_of_it(openmidas: Run, folder: Path) -> None:
    photo = write_picture(folder / "photo.png", (90, 120))
    result = openmidas("check", "photo.png")
    assert (result.code, result.err) == (0, "")
    said, wrote = result.out.splitlines()
    median, most, flips = map(
        float,
        re.fullmatch(
            rf"photo\.png: the network .* differ by {_NUMBER} of the depth range \(median; 95 % of the pixels by "
            rf"less than {_NUMBER}\), and {_NUMBER} of pixel pairs change their order\.",
            said,
        ).groups(),
    )
    found = consistency(load(), read_image(photo))
    expected = [100 * share for share in (found.median, found.percentile_95, found.order_flips)]
    assert [median, most, flips] == pytest.approx(expected, abs=0.051)
    assert wrote == "Wrote photo_check.png."
    assert names(folder) == ["photo.png", "photo_check.png"]
    height, width = cv2.imread("photo_check.png").shape[:2]
    assert width > 3 * height


def test_the_map_comes_as_numbers_in_the_pixels_of_the_picture(openmidas: Run, folder: Path) -> None:
    write_picture(folder / "large.jpg", (700, 1500))
    result = openmidas("check", "large.jpg", "--npz", "-o", "new/folder")
    assert result.out.splitlines()[1] == "Wrote new/folder/large_check.png and new/folder/large_check.npz."
    with np.load(folder / "new/folder/large_check.npz") as arrays:
        disagreement = arrays["disagreement"]
    assert (disagreement.shape, disagreement.dtype) == ((700, 1500), np.float32)
    assert disagreement.min() >= 0


def test_another_network_gives_another_verdict(openmidas: Run, folder: Path) -> None:
    write_picture(folder / "a.png", (90, 120))
    small = openmidas("check", "a.png", "--size", "64")
    assert small.code == 0
    assert small.out != openmidas("check", "a.png").out


@pytest.mark.parametrize(
    ("disagreement", "words"),
    [(0.01, " agrees with itself"), (0.1, "mostly agrees"), (0.5, "disagrees with itself")],
)
def test_the_words_follow_the_numbers(disagreement: float, words: str) -> None:
    answer = DepthMap.from_values(np.eye(4), "inverse_depth", "affine_invariant")
    assert words in verdict(Consistency(answer, np.full((4, 4), disagreement, np.float32), 0.25))


@pytest.mark.parametrize(
    ("shape", "words"),
    [((20, 200), "at least 32"), ((40, 40), "needs 64×64"), ((64, 900), "longer than 1:10")],
)
def test_a_picture_of_an_impossible_size_is_one_line(
    shape: tuple[int, int], words: str, openmidas: Run, folder: Path
) -> None:
    write_picture(folder / "a.png", shape)
    result = openmidas("check", "a.png")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert result.err.startswith("Error: a.png: ")
    assert words in result.err
    assert names(folder) == ["a.png"]


def test_no_picture_and_wrong_words_are_one_line(openmidas: Run, folder: Path) -> None:
    (folder / "a.png").write_text("no picture")
    write_picture(folder / "b.png", (90, 120))
    (folder / "taken").write_text("")
    for arguments, code in (
        (["a.png"], 1),
        (["gone.png"], 1),
        (["b.png", "-o", "taken"], 1),
        (["b.png", "--model", "huge"], 2),
        (["b.png", "--device", "gpu"], 2),
        (["b.png", "--model", "gone.onnx"], 1),
        ([], 2),
    ):
        result = openmidas("check", *arguments)
        assert (result.code, result.out) == (code, "")
        assert result.err.splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in result.err
    assert names(folder) == ["a.png", "b.png", "taken"]
