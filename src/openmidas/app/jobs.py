"""Films: uploaded, converted one after the other by a process that steps back behind photos, kept for a while."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import threading
import time
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from openmidas.app.limits import Limits
from openmidas.app.processes import Report, Setup, TaskProcess, WorkerLost, network
from openmidas.app.temporary import private_folder
from openmidas.app.workers import Busy, Stopping
from openmidas.files.cores import usable_cores
from openmidas.files.errors import FileError, file_error, system_error
from openmidas.files.heatmap import Colormap

State = Literal["uploading", "queued", "running", "done", "failed", "cancelled"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
FilmKind = Literal["mp4", "webm", "png16"]
FILM_KINDS: tuple[FilmKind, ...] = get_args(FilmKind)

KEPT_S = 15 * 60.0
_WITHOUT_FILES = 64  # ended jobs that are remembered beyond those that may be here
_FILM = "film"
_NICENESS = 10
_WATCH_S = 0.5
_RETRY_S = 30.0


class _Result(NamedTuple):
    file: str
    media_type: str


_RESULTS: Mapping[str, _Result] = {
    "mp4": _Result("depth.mp4", "video/mp4"),
    "webm": _Result("depth.webm", "video/webm"),
    "png16": _Result("depth.zip", "application/zip"),
}


@dataclass(frozen=True)
class FilmRequest:
    """kind: mp4 and webm are clips of heatmaps, png16 a ZIP of PNGs with numbers (`convert.FILM_ENCODING`)."""

    kind: FilmKind = "mp4"
    model: str = "tiny"
    colormap: Colormap = "inferno"
    side_by_side: bool = False


@dataclass(frozen=True)
class JobView:
    """What becomes of a film. frames: those done; of_frames: about how many there are, 0 before that is known.

    problem: one line, when it failed. name, media_type: of the result.
    """

    id: str
    state: State
    frames: int
    of_frames: int
    problem: str | None
    name: str
    media_type: str


@dataclass(eq=False)
class _Job:
    wanted: FilmRequest
    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = "uploading"
    frames: int = 0
    of_frames: int = 0
    problem: str | None = None
    ended_s: float = 0.0
    process: TaskProcess | None = None

    def view(self) -> JobView:
        name, media_type = _RESULTS[self.wanted.kind]
        return JobView(self.id, self.state, self.frames, self.of_frames, self.problem, name, media_type)


class FilmJobs:
    """The films that are here, at most `limits.films` of them, uploading, waiting, running or done.

    Each has a folder of its own in a private one, and a process of its own; done ones are kept for `kept_s` seconds.
    They live as long as the server: `close` gives up what runs.
    """

    def __init__(self, limits: Limits, kept_s: float = KEPT_S) -> None:
        self._limits, self._kept_s = limits, kept_s
        self._changed = threading.Condition()  # guards all below
        self._jobs: dict[str, _Job] = {}
        self._counts: Counter[str] = Counter()
        self._ends = False
        self._thread = threading.Thread(target=self._serve, daemon=True, name="films")
        self._held = contextlib.ExitStack()
        self._folder = Path()

    async def start(self) -> None:
        """Ready to take films; FileError where no folder can be made."""
        self._folder = self._held.enter_context(private_folder())
        self._thread.start()

    async def close(self) -> None:
        """Give up what waits and runs, and remove everything."""
        with self._changed:
            self._ends = True
            jobs = list(self._jobs)
            self._changed.notify_all()
        for name in jobs:
            self.cancel(name)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)
        self._held.close()

    async def create(self, content: AsyncIterator[bytes], wanted: FilmRequest) -> JobView:
        """A job for the film whose file's bytes come in parts.

        Raises Busy, Stopping, FileError for more than `limits.film_bytes` or none, and whatever `content` raises.
        """
        job = self._reserved(wanted)
        try:
            job.folder.mkdir()
            await self._write(job.folder / _FILM, content)
        except BaseException as error:  # also of a client that leaves
            self._forget(job)
            if isinstance(error, OSError):
                raise system_error(_FILM, error) from error
            raise
        with self._changed:
            job.state = "queued" if job.state == "uploading" else job.state
            self._changed.notify_all()
            return job.view()

    def view(self, name: str) -> JobView:
        """What became of the job of that id; KeyError for one that there is not, or not any more."""
        with self._changed:
            return self._jobs[name].view()

    def cancel(self, name: str) -> JobView:
        """Stop it at once, or let go the result it has; KeyError as `view`."""
        with self._changed:
            job = self._jobs[name]
            if job.state not in ENDED:
                self._end(job, "cancelled")
            elif job.state == "done":
                del self._jobs[name]
            process = job.process
        if process is not None:
            process.kill()
        shutil.rmtree(job.folder, ignore_errors=True)
        return job.view()

    def result(self, name: str) -> Path | None:
        """The file with what was made, None before it is done; KeyError as `view`."""
        with self._changed:
            job = self._jobs[name]
            return job.folder / _RESULTS[job.wanted.kind].file if job.state == "done" else None

    def counters(self) -> Mapping[str, float]:
        """Plain numbers for /metrics: name to value."""
        with self._changed:
            states = Counter(job.state for job in self._jobs.values())
            return {
                "films_waiting": states["queued"],
                "films_running": states["running"],
                **{f"films_{state}_total": self._counts[state] for state in ENDED},
            }

    # ------------------------------------------------------------------------------------------- the jobs

    def _reserved(self, wanted: FilmRequest) -> _Job:
        self._let_expire()
        with self._changed:
            if self._ends:
                raise Stopping
            with_files = [job for job in self._jobs.values() if job.state not in ("failed", "cancelled")]
            if len(with_files) >= self._limits.films:
                raise Busy(_RETRY_S)
            for name in [name for name, job in self._jobs.items() if job not in with_files][:-_WITHOUT_FILES]:
                del self._jobs[name]
            job = _Job(wanted, self._folder / secrets.token_hex(8))
            self._jobs[job.id] = job
            return job

    async def _write(self, path: Path, content: AsyncIterator[bytes]) -> None:
        count = 0
        with path.open("xb") as stream:
            async for part in content:
                count += len(part)
                if count > self._limits.film_bytes:
                    most = self._limits.film_bytes
                    raise file_error(_FILM, f"has more than {most:,} bytes: cut it into pieces first")
                stream.write(part)
        if not count:
            raise file_error(_FILM, "is empty (0 bytes): send it again")

    def _forget(self, job: _Job) -> None:
        with self._changed:
            self._jobs.pop(job.id, None)
        shutil.rmtree(job.folder, ignore_errors=True)

    def _end(self, job: _Job, state: State, problem: str | None = None) -> None:
        job.state, job.problem, job.ended_s = state, problem, time.monotonic()
        self._counts[state] += 1

    def _let_expire(self) -> None:
        oldest_s = time.monotonic() - self._kept_s
        with self._changed:
            old = [job for job in self._jobs.values() if job.state in ENDED and job.ended_s < oldest_s]
        for job in old:
            self._forget(job)

    # ------------------------------------------------------------------------------- the one thread that runs them

    def _serve(self) -> None:
        while not self._ends:
            self._let_expire()
            job = self._next()
            if job is not None:
                self._convert(job)

    def _next(self) -> _Job | None:
        with self._changed:
            waiting = [job for job in self._jobs.values() if job.state == "queued"]
            if not waiting:
                self._changed.wait(_WATCH_S)
                return None
            job = waiting[0]
            job.state = "running"
            # under the lock, so that whoever cancels finds the process to kill
            job.process = TaskProcess(Setup(job.folder, usable_cores(), (job.wanted.model,), _NICENESS))
            return job

    def _convert(self, job: _Job) -> None:
        process = job.process
        assert process is not None
        state: State = "failed"
        problem: str | None = None
        try:
            process.wait_until_ready()
            limits = self._limits
            task = partial(convert_upload, job.wanted, limits.film_pixels, limits.film_s)
            process.run(task, limits.film_seconds, limits.seconds, partial(self._note, job))
            state = "done"
        except Exception as error:
            problem = _one_line(error)
        process.close()
        with self._changed:
            if job.state == "running":
                self._end(job, state, problem)
        if job.state != "done":
            shutil.rmtree(job.folder, ignore_errors=True)

    def _note(self, job: _Job, done: int, total: int) -> None:
        job.frames, job.of_frames = done, total
        self._let_expire()


def convert_upload(wanted: FilmRequest, pixels: int, seconds: float, report: Report) -> None:
    """Make the result from the film in the working folder; for a process of its own. Raises as `convert_film`."""
    from openmidas.video.convert import Wanted, convert_film
    from openmidas.video.films import Bounds

    result = Path(_RESULTS[wanted.kind].file)
    depths = Path("depth") if wanted.kind == "png16" else None
    clip = None if depths else result
    outputs = Wanted(clip, depths, wanted.colormap, wanted.side_by_side)
    convert_film(_FILM, outputs, network(wanted.model), Bounds(pixels, seconds), report)
    if depths is not None:
        _pack(depths, result)
    Path(_FILM).unlink()


def _pack(folder: Path, target: Path) -> None:
    """The folder's PNGs, which are compressed already."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
            path.unlink()


def _one_line(error: Exception) -> str:
    if isinstance(error, FileError | ValueError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"{_FILM}: took longer than this server lets it: cut it into pieces, or make it smaller"
    if isinstance(error, WorkerLost):
        return f"{_FILM}: ended the process that converted it: it is damaged, or too large for this server"
    return f"{_FILM}: unexpected {type(error).__name__} ({error}): this is a fault of openmidas, please report it"
