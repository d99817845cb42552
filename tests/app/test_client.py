"""The Python client against a real server, and against ones that misbehave."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
from live import PHOTO
from PIL import Image

import openmidas
from openmidas.files import FileError, read_image
from openmidas.models.remote import RemotePredictor

pytest_plugins = ["api_fixtures"]


def test_a_prediction_there_is_a_prediction_here(api_address: str) -> None:
    remote, local = openmidas.load(api_address), openmidas.load()
    pixels = read_image(PHOTO)
    for image in (PHOTO, str(PHOTO), PHOTO.read_bytes(), pixels, Image.fromarray(pixels)):
        found, wanted = remote(image), local(image)
        assert (found.quantity, found.ambiguity) == (wanted.quantity, wanted.ambiguity)
        np.testing.assert_allclose(found.values, wanted.values, rtol=1e-4)


def test_what_a_server_computes_with_is_its_own_matter() -> None:
    for options in (
        {"side_px": 256},
        {"threads": 1},
        {"device": "cuda"},
        {"precision": "float16"},
        {"compiles": True},
    ):
        with pytest.raises(ValueError, match="computes as it was started"):
            openmidas.load("http://127.0.0.1:1", **options)  # type: ignore[arg-type]


def test_a_bad_picture_is_named_in_one_line(api_address: str, tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    (tmp_path / "empty.jpg").write_bytes(b"")
    remote = openmidas.load(api_address)
    with pytest.raises(FileError, match=r"page\.jpg: .* refused: .*known kind.*\(unreadable_picture\)$"):
        remote(tmp_path / "page.jpg")
    with pytest.raises(FileError, match=r"empty\.jpg: is empty"):
        remote(tmp_path / "empty.jpg")
    with pytest.raises(FileError, match="too_many_bytes"):
        remote(b"\xff" * (3 << 20))


def test_an_unknown_model_is_refused_with_the_names_there_are(api_address: str) -> None:
    with pytest.raises(FileError, match="model is one of tiny, not 'huge'"):
        RemotePredictor(api_address, model="huge")(PHOTO)


@dataclass
class Script:
    """What a server made of paper answers, one after the other, and what it was asked."""

    answers: list[tuple[int, dict[str, str], bytes]]
    tokens: list[str | None] = field(default_factory=list)


@pytest.fixture
def scripted() -> Iterator[tuple[Script, str]]:
    script = Script([])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            script.tokens.append(self.headers.get("Authorization"))
            status, headers, body = script.answers.pop(0)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield script, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


BUSY = json.dumps({"code": "busy", "detail": "come again later"}).encode()


def test_a_busy_server_is_asked_again_when_it_says(
    scripted: tuple[Script, str], client: httpx.Client
) -> None:
    script, address = scripted
    depth = client.post("/v1/depth?as=npz", content=PHOTO.read_bytes()).content
    script.answers = [(429, {"Retry-After": "0"}, BUSY), (503, {}, BUSY), (200, {}, depth)]
    found = RemotePredictor(address, token="secret")(PHOTO)
    assert found.shape == read_image(PHOTO).shape[:2]
    assert script.tokens == ["Bearer secret"] * 3


def test_patience_ends(scripted: tuple[Script, str]) -> None:
    script, address = scripted
    script.answers = [(429, {"Retry-After": "3600"}, BUSY)]
    with pytest.raises(FileError, match=r"refused: come again later \(busy\)"):
        RemotePredictor(address, patience_s=5)(PHOTO)


def test_a_redirection_is_not_followed_with_the_token(scripted: tuple[Script, str]) -> None:
    script, address = scripted
    script.answers = [(307, {"Location": f"{address}/elsewhere"}, b"")]
    with pytest.raises(FileError, match="HTTP status 307"):
        RemotePredictor(address, token="secret")(PHOTO)
    assert len(script.tokens) == 1


def test_an_answer_that_is_no_depth_map_is_one_line(scripted: tuple[Script, str]) -> None:
    script, address = scripted
    script.answers = [(200, {}, b"<html>hello</html>")]
    with pytest.raises(FileError, match="its answer is no depth map"):
        RemotePredictor(address)(PHOTO)


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(FileError, match=r"^http://127\.0\.0\.1:1: cannot be reached .*openmidas serve"):
        openmidas.load("http://127.0.0.1:1")(PHOTO)


def test_the_token_comes_from_the_environment_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENMIDAS_TOKEN", "secret")
    predictor = openmidas.load("http://127.0.0.1:1")
    assert isinstance(predictor, RemotePredictor)
    assert predictor.token == "secret"
    assert "secret" not in repr(predictor)
