"""How long work shows how far it is: the command line draws a bar, Python is silent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

# for how many items, and what is done: gives the function to call after each
Bar = Callable[[int, str], AbstractContextManager[Callable[[], None]]]


@contextlib.contextmanager
def no_bar(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Shows nothing."""
    yield lambda: None
