"""Memory that every step frees and the next one wants again stays with the process."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h


def keep_freed_memory() -> None:
    """Make the GNU C library keep what is freed until the process ends; elsewhere nothing happens.

    By default it gives large blocks back at once, and the kernel fills every page with zeros when the next step asks
    for the same block. The price is memory that stays taken at its peak. See mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, -1)
        mallopt(_M_MMAP_MAX, 0)
