"""The HTTP API, spoken to as any client would: every route, every kind of answer."""

from __future__ import annotations

import io
import json
from pathlib import Path

import httpx
import numpy as np
import pygltflib
import pytest
from live import PHOTO, small_photo
from PIL import Image

import openmidas
from openmidas.app.answers import Kind, chosen_kind
from openmidas.app.problems import CODES, Problem
from openmidas.encoding import Encoding
from openmidas.files import read_depth
from openmidas.files.heatmap import to_heatmap

pytest_plugins = ["api_fixtures"]
HALF_STEP = 0.51


@pytest.fixture(scope="module")
def picture() -> bytes:
    return PHOTO.read_bytes()


@pytest.fixture(scope="module")
def local(picture: bytes) -> openmidas.DepthMap:
    return openmidas.load()(picture)


def saved(answer: httpx.Response, folder: Path) -> Path:
    """The answer as a file under the name that it goes by."""
    assert answer.status_code == 200, answer.text
    name = answer.headers["content-disposition"].partition('filename="')[2].rstrip('"')
    path = folder / name
    path.write_bytes(answer.content)
    return path


@pytest.mark.parametrize(
    ("accept", "suffix"), [("application/x-npz", "npz"), ("image/x-portable-floatmap", "pfm")]
)
def test_floats_are_those_of_a_prediction_here(
    client: httpx.Client,
    picture: bytes,
    local: openmidas.DepthMap,
    tmp_path: Path,
    accept: str,
    suffix: str,
) -> None:
    answer = client.post("/v1/depth", content=picture, headers={"Accept": accept})
    assert answer.headers["content-type"] == accept
    path = saved(answer, tmp_path)
    assert path.name == f"depth.{suffix}"
    encoding = Encoding.from_dict(json.loads(answer.headers["depth-encoding"]))
    found = read_depth(path, encoding)
    np.testing.assert_allclose(found.values, local.values, rtol=1e-4)


def test_a_png_has_sixteen_bits_and_headers_that_decode_it(
    client: httpx.Client, picture: bytes, local: openmidas.DepthMap, tmp_path: Path
) -> None:
    answer = client.post("/v1/depth", content=picture, headers={"Accept": "image/png"})
    path = saved(answer, tmp_path)
    assert path.name == "depth.png"
    with Image.open(path) as png:
        codes = np.array(png)
        assert png.mode.startswith("I")
    said = json.loads(answer.headers["depth-encoding"])
    values = said["zero"] + (said["one"] - said["zero"]) * codes / 65535
    step = (said["one"] - said["zero"]) / 65535
    assert np.abs(values - local.values).max() <= HALF_STEP * step + 1e-4
    assert read_depth(path).ambiguity == "affine_invariant"
    meaning = [answer.headers[f"depth-{word}"] for word in ("quantity", "ambiguity", "unit")]
    assert meaning == ["inverse_depth", "affine_invariant", "none"]


@pytest.mark.parametrize("colormap", ["inferno", "turbo"])
def test_a_heatmap_has_the_colours_asked_for(
    client: httpx.Client, picture: bytes, local: openmidas.DepthMap, colormap: str
) -> None:
    answer = client.post("/v1/depth", content=picture, params={"as": "heatmap", "colormap": colormap})
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as shown:
        found = np.asarray(shown).astype(int)
    wanted = to_heatmap(local, colormap).astype(int)  # type: ignore[arg-type]
    assert np.abs(found - wanted).mean() < 4


def test_statistics_are_those_of_the_map(
    client: httpx.Client, picture: bytes, local: openmidas.DepthMap
) -> None:
    found = client.post("/v1/depth", content=picture, headers={"Accept": "application/json"}).json()
    assert (found["height"], found["width"]) == local.shape
    assert found["percentile_50"] == pytest.approx(np.median(local.values), rel=1e-4)
    assert (found["lowest"], found["highest"]) == pytest.approx(
        (local.values.min(), local.values.max()), rel=1e-4
    )
    assert (found["quantity"], found["unit"], found["valid_share"]) == ("inverse_depth", "none", 1)


def test_near_and_far_give_metres(client: httpx.Client, picture: bytes) -> None:
    answer = client.post("/v1/depth", content=picture, params={"as": "json", "near": 0.5, "far": 20})
    assert answer.headers["depth-unit"] == "1/m"
    assert (answer.json()["highest"], answer.json()["lowest"]) == pytest.approx((2, 0.05))


def test_a_form_and_a_raw_body_give_the_same(client: httpx.Client, picture: bytes) -> None:
    raw = client.post("/v1/depth", content=picture)
    form = client.post("/v1/depth", files={"image": ("holiday.jpg", picture, "image/jpeg")})
    assert raw.content == form.content


def test_a_scene_is_a_textured_mesh_with_its_camera(client: httpx.Client, tmp_path: Path) -> None:
    path = saved(client.post("/v1/scene", content=small_photo(), params={"near": 2, "far": 9}), tmp_path)
    scene = pygltflib.GLTF2().load(str(path))
    assert (path.name, len(scene.images), len(scene.cameras)) == ("scene.glb", 1, 1)
    depths = [-scene.accessors[0].max[2], -scene.accessors[0].min[2]]
    assert depths == pytest.approx([2, 9], rel=0.05)


def test_the_reach_says_how_far_the_camera_may_go_and_what_was_assumed(client: httpx.Client) -> None:
    answer = client.post("/v1/scene", content=small_photo(), params={"as": "reach", "near": 2, "far": 9})
    found = answer.json()
    assert set(found["furthest_m"]) == {"left", "right", "up", "down", "forward", "backward"}
    assert found["limits_m"][0] == min(found["furthest_m"]["left"], found["furthest_m"]["right"])
    assert (found["near_m"], found["far_m"]) == pytest.approx((2, 9), rel=0.05)
    assert "2 m away (stated; near)" in found["words"][0]


def test_a_clip_has_the_frames_asked_for(client: httpx.Client) -> None:
    wanted = {"path": "swing", "seconds": 0.5, "fps": 8, "as": "gif", "side": 64}
    answer = client.post("/v1/clip", content=small_photo(), params=wanted)
    assert answer.status_code == 200, answer.text
    assert "assumed" in answer.headers["scene-assumed"]
    with Image.open(io.BytesIO(answer.content)) as clip:
        assert (clip.n_frames, clip.size) == (4, (64, 43))


@pytest.mark.parametrize(
    ("route", "size"),
    [
        ("/v1/stereo?layout=side-by-side", (192, 64)),
        ("/v1/stereo?layout=anaglyph&as=jpg", (96, 64)),
        ("/v1/effect/fog?visibility=3", (96, 64)),
        ("/v1/effect/blur?focus=0.5&radius=3&as=webp", (96, 64)),
        ("/v1/effect/blur?focus_m=1.5", (96, 64)),
        ("/v1/effect/normals?convention=directx&bits=16", (96, 64)),
        ("/v1/effect/relight?direction=above", (96, 64)),
    ],
)
def test_pictures_come_in_the_kind_and_size_asked_for(
    client: httpx.Client, route: str, size: tuple[int, int]
) -> None:
    answer = client.post(route, content=small_photo("PNG"))
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as made:
        assert made.size == size
        assert Image.MIME[made.format or ""] == answer.headers["content-type"]


def test_models_lists_what_is_served(client: httpx.Client) -> None:
    assert [model["name"] for model in client.get("/v1/models").json()] == ["tiny"]


def test_watchers_are_told(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_requests_by_route_and_status(client: httpx.Client) -> None:
    def count() -> int:
        lines = client.get("/metrics").text.splitlines()
        wanted = 'openmidas_requests_total{route="/v1/models",status="200"} '
        return sum(int(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))

    before = count()
    client.get("/v1/models")
    assert count() == before + 1
    assert "openmidas_workers_ready 1" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "route", "code"),
    [
        ("GET", "/nothing", "not_found"),
        ("GET", "/v1/depth", "method_not_allowed"),
        ("POST", "/v1/depth?as=tiff", "not_acceptable"),
        ("POST", "/v1/depth?model=../../secret.onnx", "invalid_parameter"),
        ("POST", "/v1/depth?near=1", "invalid_parameter"),
        ("POST", "/v1/depth?near=nan&far=2", "invalid_parameter"),
        ("POST", "/v1/depth?near=3&far=2", "not_possible"),
        ("POST", "/v1/clip?seconds=20&fps=60", "invalid_parameter"),
        ("POST", "/v1/stereo?layout=sideways", "invalid_parameter"),
        ("GET", "/v1/jobs/none", "not_found"),
        ("DELETE", "/v1/jobs/none", "not_found"),
        ("GET", "/v1/jobs/none/result", "not_found"),
    ],
)
def test_problems_have_a_status_and_a_code(client: httpx.Client, method: str, route: str, code: str) -> None:
    answer = client.request(method, route, content=small_photo() if method == "POST" else None)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"], answer.status_code) == (code, CODES[code], CODES[code])
    assert "\n" not in problem["detail"]


def test_accept_is_weighed_and_as_is_stronger() -> None:
    kinds = {"png16": Kind("image/png", ".png"), "json": Kind("application/json", ".json")}
    assert chosen_kind(kinds, None, "") == "png16"
    assert chosen_kind(kinds, None, "text/html, application/*;q=0.9, image/png;q=0.5") == "json"
    assert chosen_kind(kinds, None, "image/*") == "png16"
    assert chosen_kind(kinds, "json", "image/png") == "json"
    for accept in ("text/html", "image/png;q=0", "image/png;q=x"):
        with pytest.raises(Problem, match="nothing that Accept names"):
            chosen_kind(kinds, None, accept)


def test_a_film_becomes_a_film_of_its_depth(client: httpx.Client, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    frames = [np.full((64, 96, 3), shade, np.uint8) for shade in (60, 120, 180)]
    frames = [np.clip(frame + np.arange(96, dtype=np.uint8)[None, :, None] // 2, 0, 255) for frame in frames]
    from openmidas.files.video import write_clip

    write_clip(film, frames, 10)
    created = client.post("/v1/jobs", content=film.read_bytes())
    assert created.status_code == 202, created.text
    where = created.headers["location"]
    assert client.get(f"{where}/result").json()["code"] == "not_finished"
    job = client.get(where).json()
    while job["state"] in ("queued", "running"):
        job = client.get(where).json()
    assert (job["state"], job["progress"], job["problem"]) == ("done", 1, None)
    result = client.get(f"{where}/result")
    assert (result.headers["content-type"], result.content[4:8]) == ("video/mp4", b"ftyp")
    assert client.delete(where).status_code == 200
    assert client.get(where).json()["code"] == "not_found"
