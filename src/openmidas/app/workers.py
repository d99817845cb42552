"""The pool of processes that compute: bounded, each task within its time, and none of it in the server itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from jaxtyping import UInt8
from numpy import ndarray

from openmidas.app.limits import Limits
from openmidas.app.processes import Report, Setup, TaskProcess, WorkerLost, network
from openmidas.app.temporary import private_folder
from openmidas.depth_map import DepthMap
from openmidas.files.cores import usable_cores

__all__ = ["Busy", "Stopping", "WorkerLost", "WorkerPool"]

_Result = TypeVar("_Result")

_ATTEMPTS = 2
_WATCH_S = 0.25  # how often an idle process is looked after
_DRAIN_S = 0.02
_RESTART_S = 1.0  # between a start that failed and the next
_FIRST_GUESS_S = 0.5  # how long a task takes, before any was done
_NEWEST_SHARE = 0.1  # in the running mean of it
_COUNTED = tuple(
    f"tasks_{what}_total"
    for what in ("done", "failed", "timed_out", "lost", "retried", "refused", "cancelled")
)
_LOG = logging.getLogger(__name__)


class Busy(Exception):
    """As many tasks wait as may. retry_after_s: when it is worth another try."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("the queue is full")
        self.retry_after_s = retry_after_s


class Stopping(Exception):
    """The server takes nothing more: it ends."""


@dataclass(eq=False, repr=False)
class _Task:
    """Something to do, and who waits. No repr: that of a picture takes long, and should not come into a log."""

    call: Callable[[Report], Any]
    future: Future[Any]
    attempts: int = 0


class WorkerPool:
    """Processes that compute, `limits.workers` of them; each takes one task at a time.

    A process that dies is replaced, and its task done once more by the new one; a task that takes longer than
    `limits.seconds` ends with its process. models: the networks that every process has ready.
    """

    def __init__(self, limits: Limits, models: tuple[str, ...] = ("tiny",)) -> None:
        self._limits, self._models = limits, models
        self._changed = threading.Condition()  # guards all below
        self._waiting: deque[_Task] = deque()
        self._running = 0
        self._processes: dict[Path, TaskProcess] = {}
        self._counts: Counter[str] = Counter()
        self._task_seconds, self._mean_task_s = 0.0, _FIRST_GUESS_S
        self._stops = self._ends = False
        self._threads: list[threading.Thread] = []
        self._held = contextlib.ExitStack()

    async def start(self) -> None:
        """Start the processes, without waiting until they are `ready`; FileError where no folder can be made."""
        folder = self._held.enter_context(private_folder())
        for number in range(self._limits.workers):
            place = folder / str(number)
            place.mkdir()
            thread = threading.Thread(target=self._serve, args=(place,), daemon=True, name=f"worker-{number}")
            thread.start()
            self._threads.append(thread)

    @property
    def ready(self) -> bool:
        """Whether a process can take a task, and more are accepted."""
        with self._changed:
            return not self._stops and any(process.is_alive() for process in self._processes.values())

    @property
    def is_stopping(self) -> bool:
        """Whether nothing more is accepted."""
        return self._stops

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left of what was accepted."""
        with self._changed:
            return not self._waiting and not self._running

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes that are ready."""
        with self._changed:
            return [process.pid for process in self._processes.values()]

    async def depth(self, image: bytes | UInt8[ndarray, "h w 3"], model: str = "tiny") -> DepthMap:
        """The depth map of a picture file's bytes, or of RGB; raises as the network does, and as `run`."""
        return await self.run(predict, image, model)

    async def run(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """What `function(*arguments)` gives in one of the processes; both are pickled, so it stands in a module.

        Raises what it raises; Busy, Stopping; TimeoutError after `limits.seconds` of work, WorkerLost when it cost two
        processes their lives. Who stops waiting frees the place in the queue; what runs already is finished.
        """
        task = _Task(partial(_unreported, function, arguments), Future())
        self._accept(task)
        task.future.add_done_callback(partial(self._forget, task))
        return await asyncio.wrap_future(task.future)

    def counters(self) -> Mapping[str, float]:
        """Plain numbers for /metrics: name to value."""
        with self._changed:
            return {
                "queue_length": len(self._waiting),
                "tasks_running": self._running,
                "workers": self._limits.workers,
                "workers_ready": len(self._processes),
                "workers_lost_total": self._counts["workers_lost_total"],
                "task_seconds_total": self._task_seconds,
                **{name: self._counts[name] for name in _COUNTED},
            }

    def stop_accepting(self) -> None:
        """From now on `run` raises Stopping and `ready` is False; what was accepted goes on."""
        with self._changed:
            self._stops = True

    async def drain(self, within_s: float) -> bool:
        """Stop accepting and wait for what was accepted; False when some of it is not done after that time."""
        self.stop_accepting()
        end_s = time.monotonic() + within_s
        while not self.is_idle and time.monotonic() < end_s:
            await asyncio.sleep(_DRAIN_S)
        return self.is_idle

    async def close(self, within_s: float = 30.0) -> None:
        """Finish what was accepted, give up what takes longer than that (WorkerLost), end the processes."""
        await self.drain(within_s)
        with self._changed:
            self._ends = True
            left, busy = list(self._waiting), list(self._processes.values()) if self._running else []
            self._waiting.clear()
            self._changed.notify_all()
        for process in busy:
            process.kill()
        for task in left:
            if task.attempts or task.future.set_running_or_notify_cancel():
                task.future.set_exception(WorkerLost("the server ended before its turn"))
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._held.close()

    def abandon(self) -> None:
        """Give up at once what is under way, as when the server is told to end for the third time."""
        with self._changed:
            self._stops = self._ends = True
            processes = list(self._processes.values())
            self._changed.notify_all()
        for process in processes:
            process.kill()

    # -------------------------------------------------------------------------------------------- the queue

    def _accept(self, task: _Task) -> None:
        with self._changed:
            if self._stops:
                raise Stopping
            ahead = len(self._waiting) + self._running
            if ahead >= self._limits.workers + self._limits.waiting:
                self._counts["tasks_refused_total"] += 1
                raise Busy(math.ceil(self._mean_task_s * ahead / self._limits.workers))
            self._waiting.append(task)
            self._changed.notify()

    def _forget(self, task: _Task, future: Future[Any]) -> None:
        """Nobody waits any more: its place, and the memory it takes, are free at once."""
        with self._changed:
            if task in self._waiting:
                self._waiting.remove(task)

    def _next(self) -> _Task | None:
        """The next task, or None after a while without one."""
        with self._changed:
            if not self._waiting and not self._ends:
                self._changed.wait(_WATCH_S)
            if not self._waiting or self._ends:
                return None
            task = self._waiting.popleft()
            self._running += 1
            return task

    # -------------------------------------------------------------------------- one thread for each process

    def _serve(self, place: Path) -> None:
        while not self._ends:
            process = self._started(place)
            if process is None:
                continue
            while process.is_alive() and not self._ends:
                task = self._next()
                if task is not None:
                    self._do(task, process)
            self._let_go(process, place)

    def _started(self, place: Path) -> TaskProcess | None:
        """A process that is ready, or None after a while when it cannot be started."""
        threads = max(1, usable_cores() // self._limits.workers)  # all together fill the cores
        process = TaskProcess(Setup(place, threads, self._models))
        try:
            process.wait_until_ready()
        except Exception as error:  # whatever it is, the next attempt may do better, and readiness tells
            _LOG.error("a worker cannot start: %s", error)
            process.kill()
            time.sleep(_RESTART_S)
            return None
        with self._changed:
            self._processes[place] = process
        return process

    def _do(self, task: _Task, process: TaskProcess) -> None:
        started_s = time.monotonic()
        counter, settle = self._outcome(task, process)
        seconds = time.monotonic() - started_s
        with self._changed:
            self._running -= 1
            self._counts[counter] += 1
            self._task_seconds += seconds
            self._mean_task_s += _NEWEST_SHARE * (seconds - self._mean_task_s)
        settle()  # counted before anybody hears of it

    def _outcome(self, task: _Task, process: TaskProcess) -> tuple[str, Callable[[], None]]:
        """Do the task; its counter, and how to tell who waits."""
        if not task.attempts and not task.future.set_running_or_notify_cancel():
            return "tasks_cancelled_total", _nothing
        task.attempts += 1
        try:
            result = process.run(task.call, self._limits.seconds)
        except WorkerLost as error:
            if task.attempts < _ATTEMPTS and not self._ends:
                return "tasks_retried_total", partial(self._again, task)
            return "tasks_lost_total", partial(task.future.set_exception, error)
        except Exception as error:
            counter = "tasks_failed_total" if process.is_alive() else "tasks_timed_out_total"
            return counter, partial(task.future.set_exception, error)
        return "tasks_done_total", partial(task.future.set_result, result)

    def _again(self, task: _Task) -> None:
        with self._changed:
            self._waiting.appendleft(task)
            self._changed.notify()

    def _let_go(self, process: TaskProcess, place: Path) -> None:
        with self._changed:
            del self._processes[place]
            if not self._ends:
                self._counts["workers_lost_total"] += 1
        process.close()


def predict(image: bytes | UInt8[ndarray, "h w 3"], model: str) -> DepthMap:
    """The depth map of a picture file's bytes, or of RGB; for a process of the pool."""
    return network(model)(image)


def _unreported(function: Callable[..., _Result], arguments: tuple[Any, ...], report: Report) -> _Result:
    return function(*arguments)


def _nothing() -> None:
    pass
