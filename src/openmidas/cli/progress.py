"""A progress bar for who waits at a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

_PATIENCE_S = 1.0


@contextlib.contextmanager
def progress_bar(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Gives the function to call after each item; draws on standard error, if that is a terminal.

    The bar appears after a second and goes when the block ends: whoever waits less never sees it.
    """
    if not sys.stderr.isatty():
        yield lambda: None
        return
    bar = _LateBar(what, total, _item_columns)
    try:
        yield bar.advance
    finally:
        bar.close()


@contextlib.contextmanager
def byte_bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """The same for bytes: the function is called with those that are done and those that there are, if known."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    bar = _LateBar(what, None, _byte_columns)
    try:
        yield bar.move
    finally:
        bar.close()


def rate_and_rest(done: int, total: int, seconds: float) -> str:
    """How fast it goes and how long it still takes, in words; empty before the first is done."""
    if done == 0:
        return ""
    minutes, rest_seconds = divmod(round(seconds / done * (total - done)), 60)
    hours, minutes = divmod(minutes, 60)
    rest = f"{hours}:{minutes:02}:{rest_seconds:02}" if hours else f"{minutes}:{rest_seconds:02}"
    return f"{done / seconds:.3g}/s, {rest} left"


class _LateBar:
    """A bar that starts itself, in a thread of its own: the first item may take long."""

    def __init__(self, what: str, total: int | None, columns: Callable[[], list[ProgressColumn]]) -> None:
        self._total, self._what, self._columns = total, what, columns
        self._done, self._started = 0, time.monotonic()
        self._bar: Progress | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(_PATIENCE_S, self._show)
        self._timer.daemon = True
        self._timer.start()

    def advance(self) -> None:
        with self._lock:
            self._done += 1
            self._update()

    def move(self, done: int, total: int | None) -> None:
        with self._lock:
            self._done, self._total = done, total
            self._update()

    def close(self) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._bar is not None:
            self._bar.stop()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn(self._what), BarColumn(), *self._columns())
        bar = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
        with self._lock:
            self._bar = bar
            bar.add_task("", total=self._total)
            self._update()
        bar.start()

    def _update(self) -> None:
        if self._bar is not None:
            text = "" if self._total is None else rate_and_rest(self._done, self._total, self._seconds())
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=self._done, total=self._total, description=text)

    def _seconds(self) -> float:
        return time.monotonic() - self._started


def _item_columns() -> list[ProgressColumn]:
    from rich.progress import MofNCompleteColumn, TextColumn

    return [MofNCompleteColumn(), TextColumn("{task.description}")]


def _byte_columns() -> list[ProgressColumn]:
    from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    return [DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
