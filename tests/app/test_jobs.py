"""Films as jobs: progress, result, cancel, expiry, bounds, and nothing left on the disk."""

import asyncio
import io
import os
import signal
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from openmidas.app.jobs import ENDED, FilmJobs, FilmRequest
from openmidas.app.limits import Limits
from openmidas.app.workers import Busy, Stopping
from openmidas.files import FileError, read_depth

sys.path.append(str(Path(__file__).parents[1] / "video"))
from films_made import moving_square, read_back, write_film

LIMITS = replace(Limits(), films=3)


@pytest.fixture
def place(monkeypatch, tmp_path):
    """Where the jobs of this test have their folders."""
    (tmp_path / "jobs").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "jobs"))
    return tmp_path / "jobs"


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "short.mp4"
    write_film(path, map(moving_square, range(5)))
    return path.read_bytes()


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "long.mp4"
    write_film(path, map(moving_square, range(600)))
    return path.read_bytes()


async def parts(content):
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


def run(scenario, limits=LIMITS, kept_s=60.0):
    async def whole():
        jobs = FilmJobs(limits, kept_s)
        await jobs.start()
        try:
            return await scenario(jobs)
        finally:
            await jobs.close()

    return asyncio.run(whole())


async def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        await asyncio.sleep(0.02)


async def ended(jobs, name):
    await until(lambda: jobs.view(name).state in ENDED)
    return jobs.view(name)


def files_below(place):
    return [path for path in place.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_film_becomes_a_film_and_a_zip_of_depth_maps_and_then_nothing_is_left(short, place, tmp_path):
    async def scenario(jobs):
        clip = await jobs.create(parts(short), FilmRequest("mp4"))
        depths = await jobs.create(parts(short), FilmRequest("png16"))
        assert clip.state == "queued"
        for view in (clip, depths):
            end = await ended(jobs, view.id)
            assert (end.state, end.frames, end.of_frames, end.problem) == ("done", 5, 5, None)
        assert [path.name for path in files_below(place)].count("film") == 0  # no upload outlives its job
        return jobs.result(clip.id).read_bytes(), jobs.result(depths.id).read_bytes(), jobs.counters()

    clip, depths, counters = run(scenario)
    (tmp_path / "clip.mp4").write_bytes(clip)
    frames, rate = read_back(tmp_path / "clip.mp4")
    assert (len(frames), frames[0].shape, rate) == (5, (48, 64, 3), 10)
    with zipfile.ZipFile(io.BytesIO(depths)) as archive:
        assert archive.namelist() == [f"{number:05d}.png" for number in range(5)]
        archive.extract("00004.png", tmp_path)
    assert read_depth(tmp_path / "00004.png").shape == (48, 64)
    assert counters["films_done_total"] == 2
    assert list(place.iterdir()) == []


def test_cancelling_stops_within_a_second_and_removes_the_files(long, place):
    async def scenario(jobs):
        running = await jobs.create(parts(long), FilmRequest())
        waiting = await jobs.create(parts(long), FilmRequest())
        await until(lambda: jobs.view(running.id).frames > 1)
        (process,) = [job.process.pid for job in jobs._jobs.values() if job.process]
        started = time.monotonic()
        assert jobs.cancel(running.id).state == "cancelled"
        assert time.monotonic() - started < 1
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
        assert jobs.cancel(waiting.id).state == "cancelled"
        await asyncio.sleep(1)
        assert (jobs.view(running.id).state, jobs.view(waiting.id).state) == ("cancelled", "cancelled")
        assert jobs.result(running.id) is None
        return files_below(place)

    assert run(scenario) == []


def test_a_killed_process_fails_its_film_in_one_line_and_the_next_is_converted(short, long, place):
    async def scenario(jobs):
        victim = await jobs.create(parts(long), FilmRequest())
        other = await jobs.create(parts(short), FilmRequest())
        await until(lambda: jobs.view(victim.id).frames > 0)
        os.kill(jobs._jobs[victim.id].process.pid, signal.SIGKILL)
        return await ended(jobs, victim.id), await ended(jobs, other.id)

    victim, other = run(scenario)
    assert (victim.state, other.state) == ("failed", "done")
    assert victim.problem.startswith("film: ended the process that converted it: ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "film: is not a film of a known kind"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "film: is not a film of a known kind"),
        (b"\0\0\0\x20ftypisom" + bytes(500), "film: cannot be decoded"),
    ],
)
def test_what_is_no_film_fails_in_one_line_that_tells_no_path(content, problem, place):
    async def scenario(jobs):
        view = await jobs.create(parts(content), FilmRequest())
        return await ended(jobs, view.id), files_below(place)

    view, left = run(scenario)
    assert view.state == "failed"
    assert view.problem.startswith(problem)
    assert "\n" not in view.problem
    assert str(place) not in view.problem
    assert left == []


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (replace(LIMITS, film_s=0.3), "is 0.5 s long, more than 0.3"),
        (replace(LIMITS, film_pixels=1000), "frames of 64×48 pixels, more than 1000"),
        (replace(LIMITS, film_seconds=0.001), "took longer than this server lets it"),
    ],
)
def test_a_film_beyond_the_limits_fails(short, limits, problem, place):
    async def scenario(jobs):
        return await ended(jobs, (await jobs.create(parts(short), FilmRequest())).id)

    view = run(scenario, limits)
    assert view.state == "failed"
    assert problem in view.problem


def test_an_upload_that_is_too_long_empty_or_broken_off_leaves_nothing(short, place):
    async def breaks_off():
        yield short[:1000]
        raise RuntimeError("the client left")

    async def scenario(jobs):
        with pytest.raises(FileError, match="film: has more than 1,200 bytes"):
            await jobs.create(parts(short), FilmRequest())
        with pytest.raises(FileError, match="film: is empty"):
            await jobs.create(parts(b""), FilmRequest())
        with pytest.raises(RuntimeError, match="the client left"):
            await jobs.create(breaks_off(), FilmRequest())
        return files_below(place), len(jobs._jobs)

    assert run(scenario, replace(LIMITS, film_bytes=1200)) == ([], 0)


def test_more_films_than_may_be_here_are_refused_until_one_is_let_go(short, long, place):
    async def scenario(jobs):
        done = await jobs.create(parts(short), FilmRequest())
        await ended(jobs, done.id)
        for _ in range(2):
            await jobs.create(parts(long), FilmRequest())
        with pytest.raises(Busy):
            await jobs.create(parts(short), FilmRequest())
        jobs.cancel(done.id)
        with pytest.raises(KeyError):
            jobs.view(done.id)
        assert (await jobs.create(parts(short), FilmRequest())).state == "queued"

    run(scenario)


def test_a_result_expires(short, place):
    async def scenario(jobs):
        view = await jobs.create(parts(short), FilmRequest())
        await ended(jobs, view.id)
        assert jobs.result(view.id).exists()
        await until(lambda: view.id not in jobs._jobs, seconds=5)
        with pytest.raises(KeyError):
            jobs.result(view.id)
        return files_below(place)

    assert run(scenario, kept_s=1.0) == []


def test_closing_gives_up_what_runs_and_takes_nothing_new(long, place):
    async def scenario(jobs):
        view = await jobs.create(parts(long), FilmRequest())
        await until(lambda: jobs.view(view.id).frames > 0)
        await jobs.close()
        with pytest.raises(Stopping):
            await jobs.create(parts(long), FilmRequest())
        return jobs.view(view.id).state

    assert run(scenario) == "cancelled"
    assert list(place.iterdir()) == []


def test_a_film_steps_back_behind_photos(long, place):
    async def scenario(jobs):
        view = await jobs.create(parts(long), FilmRequest())
        await until(lambda: jobs.view(view.id).frames > 0)
        return os.getpriority(os.PRIO_PROCESS, jobs._jobs[view.id].process.pid)

    assert run(scenario) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)


def test_ids_cannot_be_guessed(short, place):
    async def scenario(jobs):
        return [(await jobs.create(parts(short), FilmRequest())).id for _ in range(3)]

    names = run(scenario)
    assert len(set(names)) == 3
    assert min(map(len, names)) >= 22  # 128 bits
