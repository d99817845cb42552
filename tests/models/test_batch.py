"""Many pictures at once: nothing lost, nothing held, nothing stopped by one bad picture."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.files import read_depth, write_depth
from openmidas.files.cores import usable_cores
from openmidas.models import batch, load
from openmidas.models.batch import Job, default_jobs, predict_files, threads_each


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Twelve small pictures, no two alike."""
    paths = [tmp_path / f"{number:02}.png" for number in range(12)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 48, 3), dtype=np.uint8)
        cv2.imwrite(str(path), pixels)
    return paths


def job(picture: Path) -> Job:
    return Job(picture, {picture.with_suffix(".npz"): write_depth})


def flat(image: object) -> DepthMap:
    return DepthMap.from_values(np.ones((2, 2)), "inverse_depth", "affine_invariant")


def failures(predictor: Callable[[Path], DepthMap], pictures: list[Path]) -> dict[str, str]:
    outcomes = predict_files(predictor, map(job, pictures), 2)
    return {outcome.job.picture.name: outcome.failure for outcome in outcomes if outcome.failure is not None}


def test_a_picture_gives_the_same_in_a_batch_as_alone(pictures: list[Path]) -> None:
    outcomes = list(predict_files(load(threads=1), map(job, pictures), 4))
    assert sorted(outcome.job.picture for outcome in outcomes) == pictures
    assert [outcome.failure for outcome in outcomes] == [None] * 12
    alone = load()
    for picture in pictures:
        np.testing.assert_allclose(
            read_depth(picture.with_suffix(".npz")).values, alone(picture).values, atol=1e-5
        )


def test_pictures_are_in_hand_at_the_same_time(pictures: list[Path]) -> None:
    together = threading.Barrier(3, timeout=20)

    def predictor(image: object) -> DepthMap:
        together.wait()  # fails unless three threads arrive
        return flat(image)

    assert [outcome.failure for outcome in predict_files(predictor, map(job, pictures), 3)] == [None] * 12


def test_no_more_pictures_are_held_than_asked_for(pictures: list[Path]) -> None:
    taken, given, held = 0, 0, []

    def work() -> Iterator[Job]:
        nonlocal taken
        for picture in pictures:
            taken += 1
            held.append(taken - given)
            yield job(picture)

    for outcome in predict_files(flat, work(), 2):
        assert outcome.failure is None
        given += 1
    assert given == len(pictures)
    assert max(held) == 2


def test_one_bad_picture_fails_alone(pictures: list[Path]) -> None:
    pictures[3].write_bytes(b"")
    pictures[5].write_bytes(pictures[5].read_bytes()[:200])
    pictures[7].unlink()
    found = failures(load(), pictures)
    assert set(found) == {"03.png", "05.png", "07.png"}
    assert all(line.startswith(str(pictures[0].parent)) and "\n" not in line for line in found.values())
    assert sum(picture.with_suffix(".npz").exists() for picture in pictures) == 9


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("is 1×1 pixels"), "00.png: is 1×1 pixels"),
        (MemoryError(), "00.png: does not fit in memory"),
        (
            RuntimeError("two\nlines"),
            "00.png: unexpected RuntimeError (two lines): this is a fault of openmidas",
        ),
    ],
)
def test_every_error_becomes_one_line_that_names_the_picture(
    pictures: list[Path], error: Exception, words: str
) -> None:
    def predictor(image: Path) -> DepthMap:
        if image == pictures[0]:
            raise error
        return flat(image)

    found = failures(predictor, pictures)
    assert list(found) == ["00.png"]
    assert words in found["00.png"]
    assert "\n" not in found["00.png"]


def test_stopping_early_finishes_what_is_in_hand_and_begins_no_more(pictures: list[Path]) -> None:
    outcomes = predict_files(flat, map(job, pictures), 2)
    next(outcomes)
    outcomes.close()
    whole = [read_depth(path) for path in pictures[0].parent.glob("*.npz")]
    assert len(whole) == 2
    assert not list(pictures[0].parent.glob(".*"))


def test_of_large_pictures_there_is_one_at_a_time(
    pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_LARGE_PIXELS", 40 * 48 - 1)
    alone = threading.Lock()

    def predictor(image: object) -> DepthMap:
        assert alone.acquire(blocking=False), "two large pictures at once"
        threading.Event().wait(0.01)
        alone.release()
        return flat(image)

    assert [outcome.failure for outcome in predict_files(predictor, map(job, pictures), 4)] == [None] * 12


def test_threads_fill_the_cores_and_no_more() -> None:
    assert threads_each(1) == usable_cores()
    assert all(threads_each(jobs) >= 1 for jobs in (1, 2, 1000))
    assert default_jobs(1) == 1
    assert default_jobs(1000) * threads_each(default_jobs(1000)) <= usable_cores()
