"""The application: every route, the page, and what holds them together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route
from starlette.staticfiles import StaticFiles

import openmidas
from openmidas.app.depth_routes import depth_routes
from openmidas.app.job_routes import job_routes
from openmidas.app.jobs import FilmJobs
from openmidas.app.metrics import MEDIA_TYPE as METRICS_TYPE
from openmidas.app.problems import MEDIA_TYPE, Problem, documented
from openmidas.app.scene_routes import scene_routes
from openmidas.app.security import Guard
from openmidas.app.service import Service
from openmidas.app.settings import Settings
from openmidas.app.workers import WorkerPool

PAGE = Path(__file__).parent / "page"
_ABOUT = """Depth maps of single pictures, and what one can do with them.

Errors are problem+json (RFC 9457) with a `code` that stays the same. When the server has a token, every route under /v1
and /metrics wants it: `Authorization: Bearer TOKEN`.
"""
# HTTP errors that the framework raises by itself
_CODES = {HTTPStatus.NOT_FOUND: "not_found", HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed"}


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application; its workers start and end with it."""
    service = Service(settings, WorkerPool(settings.limits, settings.models), FilmJobs(settings.limits))
    app = FastAPI(
        title="OpenMiDaS",
        version=openmidas.__version__,
        description=_ABOUT,
        docs_url=None,  # those pages load scripts from other hosts
        redoc_url=None,
        lifespan=lambda app: _running(service),
    )
    app.state.service = service
    app.add_middleware(Guard, settings=settings, metrics=service.metrics)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    # for the documentation only: the guard has checked it
    token = [Depends(HTTPBearer(auto_error=False))] if settings.token is not None else []
    for router in (depth_routes(service), scene_routes(service), job_routes(service)):
        app.include_router(router, dependencies=token)
    _add_watching(app, service)
    _add_page(app)
    return app


@contextlib.asynccontextmanager
async def _running(service: Service) -> AsyncIterator[None]:
    await service.pool.start()
    await service.jobs.start()
    try:
        yield
    finally:
        await service.jobs.close()
        await service.pool.close(service.settings.limits.seconds)


def _add_watching(app: FastAPI, service: Service) -> None:
    """The routes for those who keep the server running."""

    @app.get("/healthz", tags=["watching"], summary="Whether the server is alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz", tags=["watching"], summary="Whether it takes requests", responses=documented("not_ready")
    )
    async def readyz() -> dict[str, str]:
        """503 until the first worker has its network, and from the moment on that the server is told to end."""
        if not service.pool.ready:
            raise Problem("not_ready", "no worker is ready: ask again", {"Retry-After": "1"})
        return {"status": "ready"}

    @app.get(
        "/metrics",
        tags=["watching"],
        summary="Numbers for Prometheus",
        response_class=PlainTextResponse,
        responses=documented("unauthorized"),
    )
    async def metrics() -> Response:
        return Response(
            service.metrics.text({**service.pool.counters(), **service.jobs.counters()}),
            media_type=METRICS_TYPE,
        )


def _add_page(app: FastAPI) -> None:
    """A route for every file of the page that is here now: no other can be had, whatever a client names."""
    static = StaticFiles(directory=PAGE)

    def add(route: str, name: str) -> None:
        async def file(request: Request) -> Response:
            response = await static.get_response(name, request.scope)
            response.headers["Cache-Control"] = "no-cache"  # asked for again, and not sent if it is the same
            return response

        app.add_route(route, file, methods=["GET"], include_in_schema=False)

    names = [path.relative_to(PAGE).as_posix() for path in sorted(PAGE.rglob("*")) if path.is_file()]
    for name in names:
        add(f"/{name}", name)
    add("/", "index.html")


async def _on_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return Response(problem.to_json(), problem.status.value, headers=problem.headers, media_type=MEDIA_TYPE)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors()]
    return await _on_problem(request, Problem("invalid_parameter", "; ".join(faults)))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = _CODES.get(status, "internal")
    headers = dict(error.headers or {})
    if code == "method_not_allowed":
        headers["Allow"] = ", ".join(_methods(request))
    return await _on_problem(
        request, Problem(code, f"{request.method} {request.url.path}: {status.phrase}", headers)
    )


def _methods(request: Request) -> list[str]:
    """All that the path has a route for; the framework's own Allow knows those of the first one only."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(request.scope)[0] != Match.NONE]
    return sorted({method for route in matching for method in route.methods or ()})
