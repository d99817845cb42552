"""A progress bar for who waits at a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE_S = 1.0


@contextlib.contextmanager
def progress_bar(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Gives the function to call after each item; draws on standard error, if that is a terminal.

    The bar appears after a second and goes when the block ends: whoever waits less never sees it.
    """
    if not sys.stderr.isatty():
        yield lambda: None
        return
    bar = _LateBar(total, what)
    try:
        yield bar.advance
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

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what, self._done, self._started = total, what, 0, time.monotonic()
        self._bar: Progress | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(_PATIENCE_S, self._show)
        self._timer.daemon = True
        self._timer.start()

    def advance(self) -> None:
        with self._lock:
            self._done += 1
            self._update()

    def close(self) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._bar is not None:
            self._bar.stop()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn(self._what),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        )
        bar = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
        with self._lock:
            self._bar = bar
            bar.add_task("", total=self._total)
            self._update()
        bar.start()

    def _update(self) -> None:
        if self._bar is not None:
            text = rate_and_rest(self._done, self._total, time.monotonic() - self._started)
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=text)
