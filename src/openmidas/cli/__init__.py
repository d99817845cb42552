"""The command `openmidas`: this file only starts it, so that Ctrl-C is met from the first moment on."""

from __future__ import annotations

import contextlib
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import NoReturn

FAILED = 1
STOPPED = 130


def main() -> None:
    """Run this process's command line and exit: 0 all done, 1 failure, 2 wrong usage, 130 stopped."""
    with _noting_interrupts() as interrupted:
        try:
            _run()
        except KeyboardInterrupt:
            leave("Stopped.", STOPPED)
        except Exception as error:
            if interrupted():  # a library that is interrupted while it loads raises what it likes
                leave("Stopped.", STOPPED)
            if not isinstance(error, OSError):
                raise
            # such as a full disk under a redirected standard output, which must then not be flushed again
            sys.stdout = None
            place = f"{error.filename}: " if error.filename else ""
            leave(f"Error: {place}{error.strerror or error}", FAILED)


def leave(line: str, code: int) -> NoReturn:
    """Exit with one line on standard error."""
    print(line, file=sys.stderr)
    sys.exit(code)


def _run() -> None:
    for stream in (sys.stdout, sys.stderr):
        # a terminal that lacks a sign must not end a batch
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    if not sys.warnoptions:  # Pillow warns of EXIF data that nobody asked about
        warnings.simplefilter("ignore")
    from openmidas.cli.app import run

    run(sys.argv[1:])


@contextlib.contextmanager
def _noting_interrupts() -> Iterator[Callable[[], bool]]:
    """Gives the question whether there was a Ctrl-C; where it is ignored it stays so."""
    count = 0

    def note(number: int, frame: object) -> None:
        nonlocal count
        count += 1
        raise KeyboardInterrupt

    previous = signal.getsignal(signal.SIGINT)
    if previous is signal.default_int_handler:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: count > 0
    finally:
        signal.signal(signal.SIGINT, previous)
