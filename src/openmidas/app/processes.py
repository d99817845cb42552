"""A process that does tasks one after the other: what crashes or never ends costs that process, not the server."""

from __future__ import annotations

import atexit
import contextlib
import functools
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from openmidas.models.predictor import NetworkPredictor, load_network

Report = Callable[[int, int], None]
"""How a task says how far it is: what is done, and what there is to do."""

Result = TypeVar("Result")
_Kind = Literal["report", "done", "failed"]

_START_S = 120.0  # the first start after installing compiles and reads much
_END_S = 2.0
_PICKLE = 5  # the first that keeps arrays read-only and copies them once
_NETWORKS = 2
_SMALL = (64, 64, 3)
_THREADS = "OMP_NUM_THREADS"


class WorkerLost(RuntimeError):
    """The process ended in the middle of its task: killed, out of memory, or crashed by what it was given."""


@dataclass(frozen=True)
class Setup:
    """What a process starts with.

    folder: it works there, alone. threads: for its task. models: the networks to have ready before the first one.
    niceness: how far it steps back behind other processes.
    """

    folder: Path
    threads: int = 1
    models: Sequence[str] = ("tiny",)
    niceness: int = 0


@functools.lru_cache(maxsize=_NETWORKS)
def network(name: str) -> NetworkPredictor:
    """The network of that name, loaded once in a process; the one not used for longest goes first. As `load` raises."""
    threads = os.environ.get(_THREADS)
    return load_network(name, threads=int(threads) if threads else None)


class TaskProcess:
    """A running process; `run` gives it one task at a time. Use it from one thread; `kill` from any."""

    def __init__(self, setup: Setup) -> None:
        # Not forked: a copy of a process with threads may hold locks that nobody lets go.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, setup), daemon=True)
        self._process.start()
        theirs.close()  # from now on the end of the process is the end of the connection
        # before multiprocessing's own farewell, which asks kindly and waits
        atexit.register(self._process.kill)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid or 0

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    def wait_until_ready(self) -> None:
        """Wait until its networks are loaded; raises what that raised, and as `run`."""
        self._answer(_START_S, _START_S, _unheard)

    def run(
        self,
        task: Callable[[Report], Result],
        within_s: float,
        silence_s: float | None = None,
        on_report: Report | None = None,
    ) -> Result:
        """The task's result; the task is a function at module level, or a `partial` of one, so that it can be sent.

        silence_s: how long it may go without report or end, by default `within_s`, which is all the time that it has.
        Raises what the task raises; TimeoutError and WorkerLost, after which this process is no more.
        """
        try:
            self._connection.send_bytes(pickle.dumps(task, _PICKLE))
        except OSError as error:
            raise self._lost() from error
        return self._answer(within_s, silence_s or within_s, on_report or _unheard)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.join()
        atexit.unregister(self._process.kill)

    def close(self) -> None:
        """Let it go, once it has no task."""
        self._connection.close()
        self._process.join(_END_S)
        self.kill()

    def _answer(self, within_s: float, silence_s: float, on_report: Report) -> Any:
        end_s = time.monotonic() + within_s
        kind, value = self._heard(end_s, silence_s)
        while kind == "report":
            on_report(*value)
            kind, value = self._heard(end_s, silence_s)
        if kind == "failed":
            raise value
        return value

    def _heard(self, end_s: float, silence_s: float) -> tuple[_Kind, Any]:
        """The next message; silence_s: how long to wait for it, but never beyond end_s of the monotonic clock."""
        try:
            if self._connection.poll(max(0.0, min(silence_s, end_s - time.monotonic()))):
                return pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._lost() from error
        self.kill()
        raise TimeoutError("took longer than it may")

    def _lost(self) -> WorkerLost:
        self.kill()
        return WorkerLost(f"its process ended with exit code {self._process.exitcode}")


def _unheard(done: int, total: int) -> None:
    pass


# ------------------------------------------------------------------------------------------- in the process itself


def _work(connection: Connection, setup: Setup) -> None:
    """Do tasks until the server closes its end, or is no more."""
    _settle(setup)
    with contextlib.suppress(EOFError, ConnectionError):
        _send(connection, *_outcome(functools.partial(_warm_up, setup.models), connection))
        while True:
            task = pickle.loads(connection.recv_bytes())
            _send(connection, *_outcome(task, connection))


def _settle(setup: Setup) -> None:
    # The server says when to end: Ctrl-C and a service manager signal all processes at once, in the middle of tasks.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for name in (_THREADS, "NUMBA_NUM_THREADS"):
        os.environ[name] = str(setup.threads)
    if setup.niceness:
        os.nice(setup.niceness)
    os.chdir(setup.folder)
    import cv2

    cv2.setNumThreads(setup.threads)


def _warm_up(models: Sequence[str], report: Report) -> None:
    for name in models:
        network(name)(np.zeros(_SMALL, np.uint8))


def _outcome(task: Callable[[Report], object], connection: Connection) -> tuple[_Kind, object]:
    def report(done: int, total: int) -> None:
        try:
            _send(connection, "report", (done, total))
        except ConnectionError as error:  # the server is no more: nobody waits for the end of this
            raise SystemExit from error

    try:
        return "done", task(report)
    except Exception as error:
        return "failed", _sendable(error)


def _sendable(error: Exception) -> Exception:
    """The error, or its words where it cannot be sent: some are not made again from what they are made of."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")


def _send(connection: Connection, kind: _Kind, value: object) -> None:
    connection.send_bytes(pickle.dumps((kind, value), _PICKLE))
