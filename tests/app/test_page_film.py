"""Films on the page: sent, followed, cancelled, saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import Watched

from openmidas.files.video import write_clip

pytest_plugins = ["page_fixtures"]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Path:
    return _film(tmp_path_factory.mktemp("films") / "short.mp4", photo, 6)


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Path:
    return _film(tmp_path_factory.mktemp("films") / "long.mp4", photo, 1500)


def _film(path: Path, photo: Path, frames: int) -> Path:
    """The photo, drifting to the side."""
    picture = np.ascontiguousarray(cv2.imread(str(photo))[:, :, ::-1])

    def drifting() -> Iterator[np.ndarray]:
        for number in range(frames):
            yield np.roll(picture, number, axis=1)

    write_clip(path, drifting(), 25)
    return path


def test_a_film_becomes_the_film_of_its_depth(watched: Watched, film: Path, tmp_path: Path) -> None:
    page = watched.page
    page.set_input_files("#file", film)
    page.keyboard.press("Enter")  # the focus is on Start
    page.get_by_text("short.mp4 is done: 6 frames.").wait_for()
    video = page.locator("#film-result video")
    video.evaluate("video => video.readyState || new Promise(done => video.onloadeddata = done)")
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [168, 112]
    with page.expect_download() as coming:
        page.get_by_text("Save short_depth.mp4").click()
    assert coming.value.path().read_bytes()[4:8] == b"ftyp"


def test_a_film_can_become_16_bit_pngs(watched: Watched, film: Path) -> None:
    page = watched.page
    page.set_input_files("#file", film)
    page.select_option("#film-kind", label="16-bit PNGs in a ZIP")
    page.click("#film-start")
    with page.expect_download() as coming:
        page.get_by_text("Save short_depth.zip").click()
    assert coming.value.path().read_bytes().startswith(b"PK")


def test_a_film_can_be_cancelled(watched: Watched, long_film: Path, site: str) -> None:
    page = watched.page
    page.set_input_files("#file", long_film)
    with page.expect_response(lambda answer: answer.url.startswith(f"{site}/v1/jobs")) as created:
        page.click("#film-start")
    job = created.value.headers["location"]
    page.locator("#film-progress").evaluate(
        "bar => new Promise(done => { const wait = () => bar.value > 0.1 "
        "? done() : setTimeout(wait, 50); wait(); })"
    )
    page.click("#film-cancel")
    page.get_by_text("long.mp4 was cancelled.").wait_for()
    answer = page.request.get(f"{site}{job}")
    assert answer.json()["state"] == "cancelled"
    assert page.locator("#film-start").is_enabled()
    assert not page.locator("#film-label").is_visible()


def test_what_is_no_film_is_told_in_plain_words(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "torn.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    watched.page.set_input_files("#file", tmp_path / "torn.mp4")
    watched.page.click("#film-start")
    problem = watched.page.locator("#problem:not(:empty)").inner_text()
    assert len(problem) > 20
    assert "{" not in problem
    assert watched.page.locator("#film-start").is_enabled()
    watched.complaints.clear()  # where the server refused it at once, the browser logs that
