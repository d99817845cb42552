"""Many pictures: decode, predict and write overlap, memory stays flat, one bad picture stops nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from openmidas.depth_map import DepthMap
from openmidas.files.cores import usable_cores
from openmidas.files.errors import FileError, file_error, system_error
from openmidas.files.images import read_image_size
from openmidas.models.predictor import Predictor

Write = Callable[[Path, DepthMap], None]
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_MOST_JOBS = 8
# A picture of 200 million pixels takes 2 GB on its way: of those above this many, one at a time.
_LARGE_PIXELS = 50_000_000


@dataclass(frozen=True)
class Job:
    """One picture, and how to write each file that is wanted of its depth map."""

    picture: Path
    outputs: Mapping[Path, Write]


@dataclass(frozen=True)
class Outcome:
    """What became of a job: done, or the one line that says why not."""

    job: Job
    failure: str | None


def default_jobs(pictures: int) -> int:
    """How many pictures to have in hand at once: one a core, as far as that helps."""
    return max(1, min(usable_cores(), _MOST_JOBS, pictures))


def threads_each(jobs: int) -> int:
    """Threads for the network when that many pictures are in hand: together they fill the cores, no more."""
    return max(1, usable_cores() // jobs)


def predict_files(predictor: Predictor, work: Iterable[Job], jobs: int) -> Generator[Outcome, None, None]:
    """Do `jobs` pictures at a time and yield each outcome as it comes, in any order.

    Every thread takes a picture all the way from file to files, so while one decodes another predicts.
    No more than `jobs` pictures are held, and `work` is read as it is needed. A picture that fails ends its
    own job only. When the caller stops early, by closing the iterator or by Ctrl-C, the pictures in hand
    are still finished.
    """
    return overlapped(partial(_do, predictor, large=threading.Lock()), work, jobs)


def overlapped(
    do: Callable[[_Task], _Result], work: Iterable[_Task], jobs: int
) -> Generator[_Result, None, None]:
    """What `do` makes of each, `jobs` at a time, in any order; closing the iterator lets those in hand finish."""
    with ThreadPoolExecutor(jobs, thread_name_prefix="picture") as pool:
        running: set[Future[_Result]] = set()
        for task in work:
            running.add(pool.submit(do, task))
            if len(running) >= jobs:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def _do(predictor: Predictor, job: Job, large: threading.Lock) -> Outcome:
    try:
        with large if _is_large(job.picture) else contextlib.nullcontext():
            _write(predictor(job.picture), job.outputs)
    except Exception as error:  # whatever it is, it must not take the other pictures along
        return Outcome(job, one_line(job.picture, error))
    return Outcome(job, None)


def _is_large(picture: Path) -> bool:
    height, width = read_image_size(picture)
    return height * width > _LARGE_PIXELS


def _write(depth_map: DepthMap, outputs: Mapping[Path, Write]) -> None:
    for path, write in outputs.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise system_error(path.parent, error) from error
        write(path, depth_map)


def one_line(picture: Path, error: Exception) -> str:
    """What went wrong with a picture, in a line that names it."""
    if isinstance(error, FileError):
        return str(error)
    if isinstance(error, MemoryError):
        return str(file_error(picture, "does not fit in memory: make it smaller first"))
    if isinstance(error, ValueError):
        return str(file_error(picture, str(error)))
    problem = f"unexpected {type(error).__name__} ({error}): this is a fault of openmidas, please report it"
    return str(file_error(picture, problem))
