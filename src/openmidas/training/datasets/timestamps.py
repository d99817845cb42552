"""Pictures and depths that were recorded at their own times: which belong together."""

from __future__ import annotations

import bisect
from collections.abc import Sequence


def associated(
    images: Sequence[tuple[float, str]], depths: Sequence[tuple[float, str]], most_s: float
) -> list[tuple[str, str]]:
    """Files of pictures and depths that are nearest in time, at most most_s apart, by the pictures' time.

    Both come as (seconds, file), the depths by time. The nearest pairs go first, each file into one pair only; files
    without a partner are left out.
    """
    times = [time for time, _ in depths]
    candidates = [
        (abs(times[j] - time), i, j)
        for i, (time, _) in enumerate(images)
        for j in range(bisect.bisect_left(times, time - most_s), bisect.bisect_right(times, time + most_s))
    ]
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(candidates):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    return [(images[i][1], depths[partner[i]][1]) for i in sorted(partner)]
