"""POST /v1/scene, /v1/clip, /v1/stereo and /v1/effect/…: a picture as a place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from openmidas.app import scene_answers as answers
from openmidas.app.answers import Kind
from openmidas.app.parameters import Metres, Share, Wanted, one_of, read_by_route
from openmidas.app.problems import Problem
from openmidas.app.scene_answers import CLIP_KINDS, IMAGE_KINDS, NORMAL_KINDS, SCENE_KINDS
from openmidas.app.service import Service, documented_answers
from openmidas.scene.effects import DIRECTIONS
from openmidas.scene.normals import CONVENTIONS
from openmidas.scene.paths import PATHS
from openmidas.scene.stereo import LAYOUTS

_MOST_FRAMES = 600


def scene_routes(service: Service) -> APIRouter:
    """The routes that look at a picture from elsewhere, or in other light."""
    router = APIRouter()
    _add_scene(router, service)
    _add_clip(router, service)
    _add_stereo(router, service)
    _add_fog_and_blur(router, service)
    _add_normals_and_relight(router, service)
    return router


def _documents(summary: str, kinds: Mapping[str, Kind], tag: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "tags": [tag],
        "response_class": Response,
        "responses": documented_answers(kinds),
        "openapi_extra": read_by_route(kinds),
    }


def _add_scene(router: APIRouter, service: Service) -> None:
    @router.post("/v1/scene", **_documents("The scene in 3D, and how far one may go", SCENE_KINDS, "scene"))
    async def scene(request: Request, wanted: Wanted) -> Response:
        """A textured mesh (GLB, metres), or how far the camera may go along each axis (JSON, `?as=reach`).

        Scene-Assumed and `words` say which metres and angles were stated, read, estimated or just assumed.
        """
        return await service.answer(request, SCENE_KINDS, lambda kind: (answers.scene_answer, wanted, kind))


def _add_clip(router: APIRouter, service: Service) -> None:
    @router.post("/v1/clip", **_documents("A film in which the camera moves", CLIP_KINDS, "scene"))
    async def clip(
        request: Request,
        wanted: Wanted,
        path: Annotated[str, one_of(PATHS)] = "circle",
        seconds: Annotated[float | None, Query(gt=0, le=20, allow_inf_nan=False)] = None,
        fps: Annotated[float | None, Query(ge=1, le=60, allow_inf_nan=False)] = None,
        reach: Annotated[float, Query(gt=0, le=10, description="Of how far the camera may go.")] = 0.7,
        pivot: Metres = None,
    ) -> Response:
        """MP4, WebM, GIF or WebP. Scene-Warning says when the camera goes further than the picture allows."""
        frames = (seconds or PATHS[path].duration_s) * (fps or PATHS[path].frames_per_s)
        if frames > _MOST_FRAMES:
            detail = f"a clip has at most {_MOST_FRAMES} frames, not {frames:.0f}: lower seconds or fps"
            raise Problem("invalid_parameter", detail)
        film = answers.ClipRequest(path, seconds, fps, reach, pivot)
        return await service.answer(
            request, CLIP_KINDS, lambda kind: (answers.clip_answer, wanted, film, kind)
        )


def _add_stereo(router: APIRouter, service: Service) -> None:
    @router.post("/v1/stereo", **_documents("Two views for two eyes", IMAGE_KINDS, "scene"))
    async def stereo(
        request: Request,
        wanted: Wanted,
        layout: Annotated[str, one_of(LAYOUTS)] = "side-by-side",
        divergence: Annotated[float, Query(ge=0, le=20, description="Percent of the width.")] = 2.5,
        convergence: Share = 0.5,
    ) -> Response:
        """Side by side, above each other, or as an anaglyph for red-cyan glasses."""
        views = answers.StereoRequest(layout, divergence, convergence)
        return await service.answer(
            request, IMAGE_KINDS, lambda kind: (answers.stereo_answer, wanted, views, kind)
        )


def _add_fog_and_blur(router: APIRouter, service: Service) -> None:
    @router.post("/v1/effect/fog", **_documents("The picture in fog", IMAGE_KINDS, "effects"))
    async def fog(
        request: Request,
        wanted: Wanted,
        visibility: Annotated[float, Query(gt=0, le=1e6, description="Metres.")] = 5.0,
    ) -> Response:
        """Of what is as far as the visibility, 5 % is seen."""
        return await service.answer(
            request, IMAGE_KINDS, lambda kind: (answers.fog_answer, wanted, visibility, kind)
        )

    @router.post("/v1/effect/blur", **_documents("Sharp at one depth only", IMAGE_KINDS, "effects"))
    async def blur(
        request: Request,
        wanted: Wanted,
        focus: Share = 1.0,
        focus_m: Metres = None,
        radius: Annotated[float, Query(ge=0, le=10, description="Percent of the longer side.")] = 1.0,
    ) -> Response:
        """focus: a share of nearness, 0 the farthest and 1 the nearest; focus_m: metres instead."""
        lens = answers.BlurRequest(focus, focus_m, radius)
        return await service.answer(
            request, IMAGE_KINDS, lambda kind: (answers.blur_answer, wanted, lens, kind)
        )


def _add_normals_and_relight(router: APIRouter, service: Service) -> None:
    @router.post("/v1/effect/normals", **_documents("The normal map", NORMAL_KINDS, "effects"))
    async def normals(
        request: Request,
        wanted: Wanted,
        convention: Annotated[str, one_of(CONVENTIONS)] = "opengl",
        bits: Literal["8", "16"] = "8",
    ) -> Response:
        """Which way each pixel's surface faces, as colours, a PNG."""
        return await service.answer(
            request,
            NORMAL_KINDS,
            lambda kind: (answers.normals_answer, wanted, convention, int(bits), kind),
        )

    @router.post("/v1/effect/relight", **_documents("The picture in other light", IMAGE_KINDS, "effects"))
    async def relight(
        request: Request,
        wanted: Wanted,
        direction: Annotated[str, one_of(DIRECTIONS)] = "left",
        ambient: Share = 0.4,
    ) -> Response:
        """Lit from a side; ambient: the share of light that comes from everywhere."""
        return await service.answer(
            request, IMAGE_KINDS, lambda kind: (answers.relight_answer, wanted, direction, ambient, kind)
        )
