"""POST /v1/jobs and /v1/jobs/{id}: films, which take longer than a request may."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from openmidas.app.jobs import FILM_KINDS, FilmKind, FilmRequest, JobView, State
from openmidas.app.parameters import Model
from openmidas.app.problems import Problem, documented
from openmidas.app.service import Service, as_problems
from openmidas.files.heatmap import Colormap

_BODY = {
    "required": True,
    "description": "The film's file as it is, whatever its Content-Type.",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
_OF_UPLOADS = (
    *("unauthorized", "cross_origin", "too_slow", "too_many_bytes", "unreadable_film", "invalid_parameter"),
    *("damaged_form", "busy", "stopping"),
)
_OF_JOBS = ("unauthorized", "not_found", "invalid_parameter")
_Id = Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]


class FilmProblem(BaseModel):
    """Why a film could not be converted."""

    code: str
    detail: str


class Job(BaseModel):
    """progress: from 0 to 1, 0 before the film's length is known. name, media_type: of the result."""

    id: str
    state: State
    progress: float
    frames: int
    of_frames: int
    problem: FilmProblem | None
    name: str
    media_type: str


def job_routes(service: Service) -> APIRouter:
    """The routes for films."""
    router = APIRouter(tags=["films"])
    _add_creation(router, service)
    _add_following(router, service)
    return router


def _add_creation(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/jobs",
        summary="Convert a film",
        status_code=202,
        responses=documented(*_OF_UPLOADS),
        openapi_extra={"requestBody": _BODY},
    )
    async def create(
        request: Request,
        response: Response,
        kind: Annotated[FilmKind, Query(alias="as", description=f"One of {', '.join(FILM_KINDS)}.")] = "mp4",
        model: Model = None,
        colormap: Colormap = "inferno",
        side_by_side: bool = False,
    ) -> Job:
        """Depth of every frame: as a film of heatmaps (mp4, webm), or as numbers (png16: a ZIP of 16-bit PNGs).

        The answer says how to ask for more: GET /v1/jobs/{id}. Results are kept for a quarter of an hour.
        """
        if request.headers.get("content-type", "").lower().startswith("multipart/"):
            raise Problem("damaged_form", "send the film's file as the body, not in a form")
        wanted = FilmRequest(kind, service.model_named(model), colormap, side_by_side)
        with as_problems(service.settings.limits, "unreadable_film"):
            view = await service.jobs.create(request.stream(), wanted)
        response.headers["Location"] = f"/v1/jobs/{view.id}"
        return _job(view)


def _add_following(router: APIRouter, service: Service) -> None:
    @router.get("/v1/jobs/{id}", summary="How far a film is", responses=documented(*_OF_JOBS))
    async def follow(id: _Id) -> Job:
        try:
            return _job(service.jobs.view(id))
        except KeyError as error:
            raise _no_job() from error

    @router.delete(
        "/v1/jobs/{id}",
        summary="Cancel a film, or let its result go",
        responses=documented(*_OF_JOBS, "cross_origin"),
    )
    def cancel(id: _Id) -> Job:
        try:
            return _job(service.jobs.cancel(id))
        except KeyError as error:
            raise _no_job() from error

    @router.get(
        "/v1/jobs/{id}/result",
        summary="What was made of a film",
        response_class=Response,
        responses={200: {"description": "By the job's media_type."}, **documented(*_OF_JOBS, "not_finished")},
    )
    async def result(id: _Id) -> Response:
        try:
            view, path = service.jobs.view(id), service.jobs.result(id)
        except KeyError as error:
            raise _no_job() from error
        if path is None:
            raise Problem("not_finished", f"this film is {view.state}: its result is there when it is done")
        return FileResponse(path, media_type=view.media_type, filename=view.name)


def _job(view: JobView) -> Job:
    progress = min(1.0, view.frames / view.of_frames) if view.of_frames else 0.0
    problem = None if view.problem is None else FilmProblem(code="unreadable_film", detail=view.problem)
    return Job(
        id=view.id,
        state=view.state,
        progress=1.0 if view.state == "done" else progress,
        frames=view.frames,
        of_frames=view.of_frames,
        problem=problem,
        name=view.name,
        media_type=view.media_type,
    )


def _no_job() -> Problem:
    return Problem("not_found", "there is no film with this id, or not any more")
