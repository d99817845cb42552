"""The pool: bounded, timed, alive after a kill, and nothing accepted is lost. Real processes, real signals."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pool_tasks
import pytest

import openmidas
from openmidas.app.limits import Limits
from openmidas.app.workers import Busy, Stopping, WorkerLost, WorkerPool
from openmidas.files import FileError
from openmidas.files.cores import usable_cores

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMITS = replace(Limits(), workers=1, waiting=2, seconds=20.0)


@pytest.fixture
def place(monkeypatch, tmp_path):
    """Where the pools of this test lay their folders."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def lasting():
    """A pool of one process for the tests that leave it whole."""
    pool = WorkerPool(LIMITS)
    asyncio.run(started(pool))
    yield pool
    asyncio.run(pool.close())


async def started(pool, processes=1):
    await pool.start()
    await until(lambda: len(pool.pids) == processes)


def run(scenario, limits=LIMITS):
    """What the scenario gives, a coroutine function of a new pool that is ready."""

    async def whole():
        pool = WorkerPool(limits, ())
        try:
            await started(pool, limits.workers)
            return await scenario(pool)
        finally:
            await pool.close()

    return asyncio.run(whole())


async def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        await asyncio.sleep(0.01)


def is_running(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_the_depth_of_a_pictures_bytes_is_that_of_its_file(lasting):
    expected = openmidas.load()(EXAMPLES / "cat.jpg")
    found = asyncio.run(lasting.depth((EXAMPLES / "cat.jpg").read_bytes()))
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-4)
    assert not found.values.flags.writeable
    assert (found.quantity, found.ambiguity) == (expected.quantity, expected.ambiguity)


def test_what_a_task_raises_arrives_and_its_process_goes_on(lasting):
    async def scenario(pool):
        before, failed = pool.pids, pool.counters()["tasks_failed_total"]
        with pytest.raises(FileError, match="the picture: is not a picture of a known kind"):
            await pool.depth(b"no picture")
        with pytest.raises(EOFError, match="of the task"):
            await pool.run(pool_tasks.fail, EOFError("of the task"))
        with pytest.raises(RuntimeError, match="Local: only known here"):
            await pool.run(pool_tasks.raise_what_cannot_be_sent)
        return before == pool.pids, pool.counters()["tasks_failed_total"] - failed

    assert asyncio.run(scenario(lasting)) == (True, 3)


def test_a_process_works_in_an_empty_folder_of_its_own_that_goes_with_the_pool(place):
    async def scenario(pool):
        folder, threads = await pool.run(pool_tasks.working_folder)
        return Path(folder), int(threads), os.stat(Path(folder).parent).st_mode & 0o777, os.listdir(folder)

    folder, threads, mode, content = run(scenario)
    assert folder.is_relative_to(place)
    assert (threads, mode, content) == (usable_cores(), 0o700, [])
    assert list(place.iterdir()) == []


def test_a_killed_process_is_replaced_and_its_task_done_by_the_new_one():
    async def scenario(pool):
        (before,) = pool.pids
        working = asyncio.ensure_future(pool.run(pool_tasks.pid_after, 1.0))
        await asyncio.sleep(0.3)
        os.kill(before, signal.SIGKILL)
        after = await working
        await until(lambda: pool.ready)
        return before, after, pool.pids, pool.counters()

    before, after, pids, counters = run(scenario)
    assert after != before
    assert pids == [after]
    assert not is_running(before)
    assert (counters["workers_lost_total"], counters["tasks_retried_total"]) == (1, 1)


def test_an_idle_process_that_is_killed_is_missed_within_a_second():
    async def scenario(pool):
        (before,) = pool.pids
        os.kill(before, signal.SIGKILL)
        await until(lambda: not pool.ready, seconds=1)
        await until(lambda: pool.ready)
        return before != pool.pids[0]

    assert run(scenario)


def test_a_task_that_kills_every_process_is_given_up_after_two():
    async def scenario(pool):
        with pytest.raises(WorkerLost, match="exit code -9"):
            await pool.run(pool_tasks.end_process)
        assert await pool.run(pool_tasks.wait, 0) == 0
        return pool.counters()

    counters = run(scenario)
    assert (counters["tasks_lost_total"], counters["workers_lost_total"]) == (1, 2)


def test_a_task_beyond_its_time_ends_with_its_process_and_the_next_one_is_served():
    async def scenario(pool):
        (before,) = pool.pids
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await pool.run(pool_tasks.wait, 60)
        took = time.monotonic() - started
        assert await pool.run(pool_tasks.wait, 0) == 0
        return before, took, pool.counters()["tasks_timed_out_total"]

    before, took, timed_out = run(scenario, replace(LIMITS, seconds=0.5))
    assert not is_running(before)
    assert 0.5 <= took < 2
    assert timed_out == 1


def test_beyond_what_may_wait_it_is_busy_and_says_for_how_long(lasting):
    async def scenario(pool):
        before = pool.counters()["tasks_refused_total"]
        accepted = [asyncio.ensure_future(pool.run(pool_tasks.wait, 0.3)) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert (pool.counters()["queue_length"], pool.counters()["tasks_running"]) == (2, 1)
        with pytest.raises(Busy) as refusal:
            await pool.run(pool_tasks.wait, 0)
        assert await asyncio.gather(*accepted) == [0.3] * 3
        assert await pool.run(pool_tasks.wait, 0) == 0  # there is room again
        return refusal.value.retry_after_s, pool.counters()["tasks_refused_total"] - before

    retry_after_s, refused = asyncio.run(scenario(lasting))
    assert 1 <= retry_after_s <= 3
    assert refused == 1


def test_who_stops_waiting_frees_the_place_at_once(lasting):
    async def scenario(pool):
        before = pool.counters()["tasks_done_total"]
        waiting = [asyncio.ensure_future(pool.run(pool_tasks.wait, 0.3)) for _ in range(3)]
        await asyncio.sleep(0.1)
        waiting[1].cancel()
        await asyncio.sleep(0)
        await pool.run(pool_tasks.wait, 0)  # as the third in the queue of two it would be refused
        await asyncio.gather(waiting[0], waiting[2])
        return pool.counters()["tasks_done_total"] - before

    assert asyncio.run(scenario(lasting)) == 3


def test_draining_finishes_what_was_accepted_and_takes_nothing_new():
    async def scenario(pool):
        accepted = [asyncio.ensure_future(pool.run(pool_tasks.wait, 0.2)) for _ in range(3)]
        await asyncio.sleep(0.05)
        draining = asyncio.ensure_future(pool.drain(10))
        await asyncio.sleep(0.05)
        assert not pool.ready
        with pytest.raises(Stopping):
            await pool.run(pool_tasks.wait, 0)
        assert await draining
        assert all(task.done() for task in accepted)
        return await asyncio.gather(*accepted)

    assert run(scenario) == [0.2] * 3


def test_closing_gives_up_what_takes_too_long():
    async def scenario(pool):
        (pid,) = pool.pids
        running, waiting = [asyncio.ensure_future(pool.run(pool_tasks.wait, 30)) for _ in range(2)]
        await asyncio.sleep(0.1)
        await pool.close(within_s=0.1)
        results = await asyncio.gather(running, waiting, return_exceptions=True)
        return pid, [type(result) for result in results]

    pid, results = run(scenario)
    assert results == [WorkerLost, WorkerLost]
    assert not is_running(pid)


def test_two_processes_work_at_the_same_time(tmp_path):
    async def scenario(pool):
        pair = ("one", "other")
        return await asyncio.gather(
            *(pool.run(pool_tasks.pid_when_met, tmp_path, own, other) for own, other in (pair, pair[::-1]))
        )

    assert len(set(run(scenario, replace(LIMITS, workers=2)))) == 2


def test_ctrl_c_and_a_service_managers_signal_do_not_end_a_task(lasting):
    async def scenario(pool):
        working = asyncio.ensure_future(pool.run(pool_tasks.pid_after, 0.5))
        await asyncio.sleep(0.2)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pool.pids[0], number)
        return await working, pool.pids, pool.counters()["workers_lost_total"]

    pid, pids, lost = asyncio.run(scenario(lasting))
    assert (pids, lost) == ([pid], 0)


def test_the_processes_of_a_killed_server_end_by_themselves_and_the_next_one_clears_its_folder(place):
    server = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("pool_server.py"), place], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    (left,) = (path for path in place.iterdir() if path.is_dir())
    server.kill()
    server.wait()
    server.stdout.close()
    end = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < end, "the worker outlived its server"
        time.sleep(0.05)
    assert left.exists()
    run(lambda pool: pool.run(pool_tasks.wait, 0))
    assert list(place.iterdir()) == []


def test_a_server_that_forgets_to_close_its_pool_still_ends(tmp_path):
    command = [sys.executable, Path(__file__).with_name("pool_server.py"), tmp_path, "leave"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=30, check=True)
    assert not is_running(int(done.stdout))
