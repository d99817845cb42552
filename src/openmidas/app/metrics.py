"""What /metrics shows, in Prometheus' text format (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from starlette.types import Scope

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_REQUESTS, _SECONDS = "openmidas_requests_total", "openmidas_request_seconds"


class Metrics:
    """Requests by route and status, and how long they took. Routes, never paths: there is no end of those."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._within: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """One request, when it is over."""
        route = _route(scope)
        self._requests[route, status] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]
        for bound_s in _BOUNDS_S:
            if seconds <= bound_s:
                self._within[route, bound_s] += 1

    def text(self, counters: Mapping[str, float]) -> str:
        """All of it and `counters`, those whose names end in _total as counters, others as gauges."""
        return "\n".join([*self._request_lines(), *_plain_lines(counters), ""])

    def _request_lines(self) -> Iterator[str]:
        yield f"# TYPE {_REQUESTS} counter"
        for (route, status), count in sorted(self._requests.items()):
            yield f'{_REQUESTS}{{route="{route}",status="{status}"}} {count}'
        yield f"# TYPE {_SECONDS} histogram"
        for route, seconds in sorted(self._seconds.items()):
            total = sum(count for (name, _), count in self._requests.items() if name == route)
            for bound_s in _BOUNDS_S:
                yield f'{_SECONDS}_bucket{{route="{route}",le="{bound_s:g}"}} {self._within[route, bound_s]}'
            yield f'{_SECONDS}_bucket{{route="{route}",le="+Inf"}} {total}'
            yield f'{_SECONDS}_sum{{route="{route}"}} {seconds:.6f}'
            yield f'{_SECONDS}_count{{route="{route}"}} {total}'


def _plain_lines(counters: Mapping[str, float]) -> Iterator[str]:
    for name, value in counters.items():
        yield f"# TYPE openmidas_{name} {'counter' if name.endswith('_total') else 'gauge'}"
        yield f"openmidas_{name} {value:g}"


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return "other" if route is None else str(route.path)
