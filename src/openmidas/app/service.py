"""What the routes share: how a request becomes a task of a worker, and what it raises an answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from openmidas.app.answers import Answer, Kind, checked_answer, chosen_kind
from openmidas.app.jobs import FilmJobs
from openmidas.app.limits import Limits
from openmidas.app.metrics import Metrics
from openmidas.app.problems import Problem, documented
from openmidas.app.security import GONE
from openmidas.app.settings import Settings
from openmidas.app.uploads import read_picture
from openmidas.app.workers import Busy, Stopping, WorkerLost, WorkerPool
from openmidas.files.errors import FileError

_OF_PICTURES = (
    *(
        "no_picture",
        "damaged_form",
        "wrong_host",
        "unauthorized",
        "cross_origin",
        "not_acceptable",
        "too_slow",
    ),
    *("too_many_bytes", "too_many_pixels", "unreadable_picture", "invalid_parameter", "not_possible"),
    *("busy", "worker_lost", "internal", "stopping", "took_too_long"),
)


@dataclass(frozen=True)
class Service:
    """A server's settings and what it holds."""

    settings: Settings
    pool: WorkerPool
    jobs: FilmJobs
    metrics: Metrics = field(default_factory=Metrics)

    def model_named(self, name: str | None) -> str:
        """The name of a model that is served, the first for None; Problem for another."""
        models = self.settings.models
        if name is not None and name not in models:
            raise Problem("invalid_parameter", f"model is one of {', '.join(models)}, not {name!r:.60}")
        return name or models[0]

    async def answer(
        self, request: Request, kinds: Mapping[str, Kind], make: Callable[[str], tuple[Any, ...]]
    ) -> Response:
        """The answer that a worker makes of the request's picture.

        make: from the name of the kind asked for to the function at module level and its arguments after the picture.
        Raises Problem.
        """
        kind = chosen_kind(kinds, request.query_params.get("as"), request.headers.get("accept", ""))
        function, *arguments = make(kind)
        picture = await read_picture(request)
        answer = await _unless_gone(request, self._computed(function, picture, *arguments))
        if answer is None:
            return Response(status_code=GONE)
        headers = {"Content-Disposition": f'attachment; filename="{answer.name}"', **answer.headers}
        if self.pool.is_stopping:  # or the next request may be on its way while the connection is closed
            headers["Connection"] = "close"
        return Response(answer.content, media_type=answer.media_type, headers=headers)

    async def _computed(self, *arguments: Any) -> Answer:
        """`checked_answer` in a worker; raises Problem."""
        limits = self.settings.limits
        with as_problems(limits, "unreadable_picture"):
            return await self.pool.run(checked_answer, limits, *arguments)


@contextlib.contextmanager
def as_problems(limits: Limits, unreadable: str) -> Iterator[None]:
    """What workers and jobs raise leaves as Problem. unreadable: the code of a FileError."""
    try:
        yield
    except Busy as error:
        headers = {"Retry-After": str(max(1, round(error.retry_after_s)))}
        detail = "the server has as much to do as it takes on: come again later"
        raise Problem("busy", detail, headers) from error
    except Stopping as error:
        headers = {"Retry-After": "10", "Connection": "close"}
        raise Problem("stopping", "the server is about to end", headers) from error
    except TimeoutError as error:
        detail = f"this took more than {limits.seconds:g} s: send something smaller"
        raise Problem("took_too_long", detail) from error
    except WorkerLost as error:
        raise Problem("worker_lost", "the worker ended in the middle of this, twice") from error
    except FileError as error:
        raise Problem(unreadable, str(error)) from error
    except ModuleNotFoundError as error:
        raise Problem("not_possible", f"this server was installed without {error.name}") from error
    except ValueError as error:
        raise Problem("not_possible", str(error).replace("--", "")) from error


def documented_answers(kinds: Mapping[str, Kind]) -> dict[int | str, dict[str, Any]]:
    """The answers of a route for pictures, in OpenAPI's words."""
    content = {kind.media_type: {"schema": {"type": "string", "format": "binary"}} for kind in kinds.values()}
    if "application/json" in content:
        content["application/json"] = {"schema": {"type": "object"}}
    named = ", ".join(f"{name} ({kind.media_type})" for name, kind in kinds.items())
    return {
        200: {"description": f"By as or Accept: {named}.", "content": content},
        **documented(*_OF_PICTURES),
    }


async def _unless_gone(request: Request, work: Any) -> Answer | None:
    """What `work` gives, or None when the client leaves before."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
