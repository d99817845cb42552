"""Parameters that several routes have, and what OpenAPI is told of those that routes read themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.requests import Request

from openmidas.app.answers import Kind
from openmidas.app.scene_answers import PlaceRequest
from openmidas.app.service import Service
from openmidas.app.uploads import BODY

Model = Annotated[str | None, Query(description="One of /v1/models; by default the first of them.")]
Metres = Annotated[float | None, Query(gt=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)]
_Degrees = Annotated[float | None, Query(gt=1, lt=179, description="What the longer side spans.")]
_Sky = Annotated[bool, Query(description="Look for sky, and put it far away.")]
_Side = Annotated[int, Query(ge=64, le=4096, description="Pixels of the longer side, at most.")]


def one_of(names: Iterable[str]) -> Any:
    """A query parameter that is one of these words, of letters, digits and dashes."""
    words = list(names)
    return Query(pattern=f"^({'|'.join(words)})$", json_schema_extra={"enum": words})


def read_by_route(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """`?as=` and the picture in OpenAPI's words."""
    parameter = {
        "name": "as",
        "in": "query",
        "required": False,
        "description": "The kind of answer; stronger than Accept.",
        "schema": {"type": "string", "enum": list(kinds)},
    }
    return {"parameters": [parameter], "requestBody": BODY}


def _place_request(
    request: Request,
    model: Model = None,
    near: Metres = None,
    far: Metres = None,
    fov: _Degrees = None,
    sky: _Sky = False,
    side: _Side = 1024,
) -> PlaceRequest:
    service: Service = request.app.state.service
    return PlaceRequest(service.model_named(model), side, near, far, fov, sky)


Wanted = Annotated[PlaceRequest, Depends(_place_request)]
"""What is stated of the picture's place: model, near, far, fov, sky, side."""
