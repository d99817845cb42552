"""POST /v1/depth and GET /v1/models."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from openmidas.app.depth_answers import DEPTH_KINDS, DepthRequest, depth_answer
from openmidas.app.parameters import Metres, Model, read_by_route
from openmidas.app.problems import Problem, documented
from openmidas.app.service import Service, documented_answers
from openmidas.files.heatmap import Colormap
from openmidas.models.presets import PRESETS


def depth_routes(service: Service) -> APIRouter:
    """The routes that give depth maps."""
    router = APIRouter(tags=["depth"])

    @router.post(
        "/v1/depth",
        summary="The depth map of a picture",
        response_class=Response,
        responses=documented_answers(DEPTH_KINDS),
        openapi_extra=read_by_route(DEPTH_KINDS),
    )
    async def depth(
        request: Request,
        model: Model = None,
        colormap: Annotated[Colormap, Query(description="Of the heatmap.")] = "inferno",
        near: Metres = None,
        far: Metres = None,
    ) -> Response:
        """As a 16-bit PNG, NPZ, PFM, a heatmap (JPEG), or statistics (JSON): `?as=` or `Accept` says which.

        The numbers are what the headers Depth-Quantity, Depth-Ambiguity, Depth-Unit and Depth-Encoding say. near and
        far, in metres, state where the nearest and the farthest pixel are: the map then has metres.
        """
        if (near is None) != (far is None):
            raise Problem("invalid_parameter", "near and far go together")
        name = service.model_named(model)
        return await service.answer(
            request,
            DEPTH_KINDS,
            lambda kind: (depth_answer, DepthRequest(kind, name, colormap, near, far)),
        )

    @router.get("/v1/models", summary="The networks that are served", responses=documented("unauthorized"))
    async def models() -> list[dict[str, Any]]:
        """By name; the first is the default. side_px: a picture's side at the network."""
        return [_described(name) for name in service.settings.models]

    return router


def _described(name: str) -> dict[str, Any]:
    preset = PRESETS[name]
    return {
        "name": name,
        "quantity": preset.quantity,
        "ambiguity": preset.ambiguity,
        "side_px": preset.side_px,
    }
