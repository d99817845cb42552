"""The server under signals: SIGTERM loses nothing that was accepted, SIGKILL of a worker costs no answer."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from openmidas.app.temporary import remove_stale_folders

PHOTO = Path(__file__).parents[2] / "examples" / "cat.jpg"
ANSWERS = 6


@pytest.fixture(scope="module")
def photo():
    """Large enough that a few of them keep a worker busy for a second."""
    stream = io.BytesIO()
    with Image.open(PHOTO) as picture:
        picture.resize((2400, 1600)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def server(tmp_path):
    """A process that serves, and a client of it."""
    command = [sys.executable, Path(__file__).with_name("drain_server.py"), tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            with httpx.Client(base_url=address, timeout=60) as client:
                until(lambda: client.get("/readyz").status_code == 200)
                yield process, client
        finally:
            process.kill()


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)


def metric(client, name):
    return float(re.search(rf"^openmidas_{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)[1])


def accepted(client):
    return metric(client, "queue_length") + metric(client, "tasks_running")


def depth(client, photo):
    return client.post("/v1/depth?as=png16", content=photo)


def workers_of(pid):
    """The numbers of the processes that it started to compute."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if parent == pid and b"spawn_main" in command:
            found.append(int(folder.name))
    return found


def test_sigterm_finishes_what_was_accepted_refuses_what_comes_and_leaves_nothing(server, photo, tmp_path):
    process, client = server
    (worker,) = workers_of(process.pid)
    with ThreadPoolExecutor(ANSWERS) as pool:
        os.kill(worker, signal.SIGSTOP)  # so that none is answered before all have come
        answers = [pool.submit(depth, client, photo) for _ in range(ANSWERS)]
        until(lambda: accepted(client) == ANSWERS)
        process.send_signal(signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)
        until(lambda: client.get("/readyz").status_code == 503)
        refused = depth(client, photo)
        found = [answer.result() for answer in answers]
    assert [answer.status_code for answer in found] == [200] * ANSWERS
    for answer in found:
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert (picture.size, picture.mode) == ((2400, 1600), "I;16")
    assert (refused.status_code, refused.json()["code"]) == (503, "stopping")
    assert int(refused.headers["Retry-After"]) > 0
    # nobody sends another request over a connection that is about to be closed
    assert {answer.headers["Connection"] for answer in (*found, refused)} == {"close"}
    assert process.wait(timeout=20) == 0
    assert not Path(f"/proc/{worker}").exists()
    assert list(tmp_path.iterdir()) == []


def test_who_insists_ends_it_at_once(server, photo):
    process, client = server
    (worker,) = workers_of(process.pid)
    with ThreadPoolExecutor(12) as pool:
        os.kill(worker, signal.SIGSTOP)
        answers = [pool.submit(depth, client, photo) for _ in range(12)]
        until(lambda: accepted(client) >= 10)
        for _ in range(3):  # drain; end, after answers under way; end
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        process.wait(timeout=20)
        served = [
            answer for answer in answers if answer.exception() is None and answer.result().status_code == 200
        ]
    assert len(served) < 12


def test_a_killed_worker_costs_no_answer_and_readiness_tells(server, photo):
    process, client = server
    (worker,) = workers_of(process.pid)
    with ThreadPoolExecutor(ANSWERS) as pool:
        os.kill(worker, signal.SIGSTOP)
        answers = [pool.submit(depth, client, photo) for _ in range(ANSWERS)]
        until(lambda: accepted(client) == ANSWERS)
        os.kill(worker, signal.SIGKILL)
        until(lambda: client.get("/readyz").status_code == 503, seconds=2)
        assert client.get("/healthz").status_code == 200
        assert [answer.result().status_code for answer in answers] == [200] * ANSWERS
    assert client.get("/readyz").status_code == 200
    assert workers_of(process.pid) != [worker]
    assert metric(client, "workers_lost_total") == 1


def test_a_killed_server_leaves_a_folder_that_the_next_one_clears(server, tmp_path):
    process, _ = server
    workers = workers_of(process.pid)
    process.kill()
    process.wait()
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), seconds=10)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2
    remove_stale_folders(tmp_path)
    assert list(tmp_path.iterdir()) == []
