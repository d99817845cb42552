"""What a request is told that cannot be served: problem+json (RFC 9457) with a code that stays the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

MEDIA_TYPE = "application/problem+json"

CODES: Mapping[str, HTTPStatus] = MappingProxyType(
    {
        "no_picture": HTTPStatus.BAD_REQUEST,
        "damaged_form": HTTPStatus.BAD_REQUEST,
        "wrong_host": HTTPStatus.BAD_REQUEST,
        "unauthorized": HTTPStatus.UNAUTHORIZED,
        "cross_origin": HTTPStatus.FORBIDDEN,
        "not_found": HTTPStatus.NOT_FOUND,
        "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
        "not_acceptable": HTTPStatus.NOT_ACCEPTABLE,
        "too_slow": HTTPStatus.REQUEST_TIMEOUT,
        "not_finished": HTTPStatus.CONFLICT,
        "too_many_bytes": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_many_pixels": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "unreadable_picture": HTTPStatus.UNPROCESSABLE_ENTITY,
        "unreadable_film": HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_parameter": HTTPStatus.UNPROCESSABLE_ENTITY,
        "not_possible": HTTPStatus.UNPROCESSABLE_ENTITY,
        "busy": HTTPStatus.TOO_MANY_REQUESTS,
        "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
        "worker_lost": HTTPStatus.INTERNAL_SERVER_ERROR,
        "stopping": HTTPStatus.SERVICE_UNAVAILABLE,
        "not_ready": HTTPStatus.SERVICE_UNAVAILABLE,
        "took_too_long": HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Every code and its HTTP status."""


class Problem(Exception):
    """A request that cannot be served. code: one of CODES. detail: one line for people: what is wrong, what helps."""

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.headers = code, detail, dict(headers or {})

    def __reduce__(self) -> tuple[type[Problem], tuple[object, ...]]:
        """Workers send it."""
        return Problem, (self.code, self.detail, self.headers)

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status of the code."""
        return CODES[self.code]

    def to_json(self) -> bytes:
        """The body of the answer."""
        content: dict[str, Any] = {
            "type": f"urn:openmidas:problem:{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "code": self.code,
        }
        return json.dumps(content).encode()


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The answers in OpenAPI's words, by status, that refuse with one of these codes."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status = CODES[code]
        entry = responses.setdefault(
            status.value, {"description": status.phrase, "content": {MEDIA_TYPE: {"schema": _schema()}}}
        )
        entry["content"][MEDIA_TYPE]["schema"]["properties"]["code"]["enum"].append(code)
    return responses


def _schema() -> dict[str, Any]:
    text = {"type": "string"}
    properties = {
        "type": text,
        "title": text,
        "status": {"type": "integer"},
        "detail": text,
        "code": {"type": "string", "enum": []},
    }
    return {"type": "object", "required": list(properties), "properties": properties}
