"""The OpenAPI document, and the server held to it by generated requests."""

from __future__ import annotations

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from openmidas.app.api import create_app
from openmidas.app.problems import CODES
from openmidas.app.settings import Settings

pytest_plugins = ["api_fixtures"]
ROUTES = {
    *("/v1/depth", "/v1/models", "/v1/scene", "/v1/clip", "/v1/stereo"),
    *("/v1/effect/fog", "/v1/effect/blur", "/v1/effect/normals", "/v1/effect/relight"),
    *("/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/result", "/healthz", "/readyz", "/metrics"),
}
schema = schemathesis.openapi.from_dict(create_app(Settings()).openapi())


def test_every_route_is_documented_and_no_other(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == ROUTES
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], f"{method} {path}"


def test_every_code_is_documented_where_it_can_occur(client: httpx.Client) -> None:
    document = client.get("/openapi.json").text
    everywhere = {"not_acceptable", "method_not_allowed"}
    assert [code for code in CODES if f'"{code}"' not in document and code not in everywhere] == []


def test_a_token_is_documented_where_there_is_one() -> None:
    document = create_app(Settings(token="correct-horse")).openapi()
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert document["paths"]["/v1/depth"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "securitySchemes" not in create_app(Settings()).openapi()["components"]


@schema.parametrize()
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_generated_requests_are_answered_as_documented(case: schemathesis.Case, api_address: str) -> None:
    case.query.pop("model", None)  # a made-up name would be refused, and nothing else tried
    # what a picture holds, and whether near < far, no schema can say
    answer = case.call_and_validate(base_url=api_address, excluded_checks=[positive_data_acceptance])
    if answer.status_code == 202:  # a film that is none, which would keep other tests' films waiting
        httpx.delete(api_address + answer.headers["location"][0])
