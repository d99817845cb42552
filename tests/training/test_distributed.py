"""Two processes learn what one does with all the pictures."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from learning import learn, mixed
from torch import distributed

from openmidas.training.checkpoints import LAST
from openmidas.training.distributed import ALONE, Processes, check_launcher, joined
from openmidas.training.recipes import Mixing
from openmidas.training.run_folder import read_log

LEARNING = Path(__file__).with_name("learning.py")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of the runs, one of each mixing, that two processes made."""
    folder = tmp_path_factory.mktemp("together")
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        LEARNING,
        folder,
        "together",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("mixing", ["naive", "pareto"])
def test_two_processes_make_the_weights_that_one_makes_of_the_whole_minibatch(
    mixing: Mixing, together: Path, tmp_path: Path
) -> None:
    learn(tmp_path, [mixed(mixing)], has_norm=False)
    alone, both = (
        torch.load(folder / LAST, weights_only=True)["network"] for folder in (tmp_path, together / mixing)
    )
    for name, weights in alone.items():
        torch.testing.assert_close(both[name], weights, rtol=0, atol=1e-5, msg=name)
    # Adam would hide a gradient that is twice too large
    for one, two in zip(read_log(tmp_path), read_log(together / mixing), strict=True):
        assert two == pytest.approx(
            {**one, **{key: two[key] for key in ("pictures_per_s", "waiting")}}, rel=1e-3
        )


def test_both_mixings_differ(together: Path) -> None:
    naive, pareto = (
        torch.load(together / mixing / LAST, weights_only=True)["network"]["encoder.weight"]
        for mixing in ("naive", "pareto")
    )
    assert (naive - pareto).abs().max() > 1e-4


def test_only_the_first_process_writes(together: Path) -> None:
    lines = (together / "naive" / "log.jsonl").read_text().splitlines()
    assert len(lines) == 2  # at steps 5 and 8


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only process of its own group, on a machine that eight share: what torchrun would say of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = {
        "RANK": 0,
        "LOCAL_RANK": 0,
        "WORLD_SIZE": 1,
        "LOCAL_WORLD_SIZE": 8,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    for name, value in said.items():
        monkeypatch.setenv(name, str(value))


def test_a_process_knows_how_many_share_its_machine(started: None) -> None:
    with joined("cpu") as processes:
        assert processes == Processes(0, 1, 8)


def test_the_others_wait_for_the_first_for_as_long_as_it_labels(started: None) -> None:
    with joined("cpu"):
        group = distributed.group.WORLD
        assert group is not None
        waits = group._get_backend(torch.device("cpu")).options._timeout
    assert waits > timedelta(days=1)


def test_what_a_launcher_leaves_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")  # as clusters set it for one process
    check_launcher()
    with joined("cpu") as alone:
        assert alone == ALONE
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ValueError, match="WORLD_SIZE=2, but no LOCAL_RANK, MASTER_ADDR, MASTER_PORT: start"):
        check_launcher()
