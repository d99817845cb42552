"""The server under hostile hands: what it refuses, what it shrugs off, what it never does."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx
import pytest
from hostile import HARMLESS, REFUSED, SECRET
from live import PHOTO, served, small_photo

from openmidas.app.limits import Limits
from openmidas.app.problems import CODES
from openmidas.app.settings import Settings
from openmidas.cli.serve import serve, settings_from

pytest_plugins = ["api_fixtures"]
TOKEN = "correct-horse"


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A server with a token; its one worker need not be ready."""
    with served(Settings(port=0, token=TOKEN), is_ready=False) as address:
        yield address


def code_of(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    code = answer.json()["code"]
    assert answer.status_code == CODES[code]
    return code


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_uploads_are_refused_by_a_code(client: httpx.Client, name: str) -> None:
    make, code = REFUSED[name]
    answer = client.post("/v1/depth", content=make(), headers={"Content-Type": "image/jpeg"})
    assert code_of(answer) == code
    for leaked in ("/tmp", "openmidas/", "Traceback"):
        assert leaked not in answer.text


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", HARMLESS)
def test_odd_pictures_are_served_and_nothing_but_their_pixels_comes_back(
    client: httpx.Client, name: str
) -> None:
    picture = HARMLESS[name]()
    for route in ("/v1/depth", "/v1/depth?as=heatmap", "/v1/scene", "/v1/stereo?as=jpg"):
        answer = client.post(route, content=picture)
        assert answer.status_code == 200, answer.text
        assert SECRET not in answer.content
        assert b"evil.html" not in answer.content


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "C:\\x.jpg", 'a".jpg\r\nX-Evil: 1', "a\0b"]
)
def test_file_names_of_clients_are_never_used(client: httpx.Client, name: str) -> None:
    answer = client.post("/v1/depth", files={"image": (name, small_photo(), "image/jpeg")})
    if answer.status_code != 200:
        assert code_of(answer) == "damaged_form"
        return
    assert answer.headers["content-disposition"] == 'attachment; filename="depth.png"'
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/%2e%2e/api.py", "/..%2fapi.py", "//etc/passwd", "/vendor"]
)
def test_no_file_but_the_pages_own_can_be_had(api_address: str, path: str) -> None:
    place = urlsplit(api_address)
    with socket.create_connection((place.hostname, place.port)) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n".encode())
        assert read_all(raw).startswith(b"HTTP/1.1 404")


def test_other_fields_and_other_forms_are_refused(client: httpx.Client) -> None:
    photo = small_photo()
    assert code_of(client.post("/v1/depth", files={"file": photo})) == "no_picture"
    assert code_of(client.post("/v1/depth", files=[("image", photo), ("image", photo)])) == "damaged_form"
    assert code_of(client.post("/v1/depth", data={"a": "1"}, files={"image": photo})) == "damaged_form"
    headers = {"Content-Type": "multipart/form-data"}
    assert code_of(client.post("/v1/depth", content=photo, headers=headers)) == "damaged_form"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert code_of(client.post("/v1/depth", content=b"--y garbage", headers=headers)) in (
        "damaged_form",
        "no_picture",
    )


def test_too_many_bytes_are_refused_by_what_is_said_and_by_what_comes(client: httpx.Client) -> None:
    too_much = small_photo() + bytes(2 << 20)
    assert code_of(client.post("/v1/depth", content=too_much)) == "too_many_bytes"
    parts = iter([too_much[:1000], *[bytes(1 << 16)] * 18])
    assert code_of(client.post("/v1/depth", content=parts)) == "too_many_bytes"
    assert client.get("/readyz").status_code == 200


def read_all(raw: socket.socket) -> bytes:
    raw.settimeout(10)
    received = b""
    try:
        while part := raw.recv(1 << 16):
            received += part
    except ConnectionError:
        pass
    return received


def test_a_header_that_comes_too_slowly_ends_the_connection(api_address: str) -> None:
    place = urlsplit(api_address)
    start_s = time.monotonic()
    with socket.create_connection((place.hostname, place.port)) as raw:
        raw.sendall(b"POST /v1/depth HTTP/1.1\r\nHost: 127")
        assert read_all(raw) == b""
    assert 0.5 < time.monotonic() - start_s < 6


def test_a_second_header_that_comes_too_slowly_ends_the_connection(api_address: str) -> None:
    place = urlsplit(api_address)
    with socket.create_connection((place.hostname, place.port)) as raw:
        raw.sendall(f"GET /healthz HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        raw.settimeout(10)
        assert raw.recv(1 << 16).startswith(b"HTTP/1.1 200")
        raw.sendall(b"GET /hea")
        start_s = time.monotonic()
        assert b"200" not in read_all(raw)
    assert 0.5 < time.monotonic() - start_s < 6


def test_a_body_that_comes_too_slowly_is_not_waited_for(api_address: str) -> None:
    place = urlsplit(api_address)
    with socket.create_connection((place.hostname, place.port)) as raw:
        head = f"POST /v1/depth HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 9999\r\n\r\n"
        raw.sendall(head.encode())
        answer = b""
        raw.settimeout(0.3)
        for _ in range(20):
            try:
                raw.sendall(b"x")
                answer += raw.recv(1 << 16)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if b"}" in answer:
                break
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"too_slow" in answer


def test_a_body_that_nobody_reads_any_more_does_not_hold_the_connection(api_address: str) -> None:
    place = urlsplit(api_address)
    start_s = time.monotonic()
    with socket.create_connection((place.hostname, place.port)) as raw:
        head = f"POST /v1/depth HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 99999999\r\n\r\n"
        raw.sendall(head.encode() + b"x")
        assert read_all(raw).startswith(b"HTTP/1.1 413")
    assert time.monotonic() - start_s < 6


def asked_for_much(address: str) -> socket.socket:
    """A connection on which megabytes are about to come, and that takes in little at a time."""
    place, photo = urlsplit(address), PHOTO.read_bytes()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    raw.connect((place.hostname, place.port))
    head = f"POST /v1/scene HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(photo)}\r\n\r\n"
    raw.sendall(head.encode() + photo)
    raw.settimeout(20)
    return raw


def test_who_reads_slowly_gets_all_and_who_does_not_read_is_left(api_address: str) -> None:
    with asked_for_much(api_address) as reading, asked_for_much(api_address) as sleeping:
        start = reading.recv(1 << 12)
        length = int(start.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        received = len(start.partition(b"\r\n\r\n")[2])
        begin_s = time.monotonic()
        while received < length:
            time.sleep(0.02 if time.monotonic() - begin_s < 4 else 0)
            part = reading.recv(1 << 16)
            assert part, f"{received} of {length}"
            received += len(part)
        assert sleeping.recv(1)  # its turn has come
        time.sleep(2)
        assert len(read_all(sleeping)) < length


def test_a_full_queue_is_told_when_to_come_again(client: httpx.Client) -> None:
    picture = PHOTO.read_bytes()

    def ask(_: int) -> httpx.Response:
        return client.post("/v1/depth", content=picture)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(24)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert len(refused) < len(answers)
    for answer in refused:
        assert code_of(answer) == "busy"
        assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/v1/depth", "/v1/models", "/v1/jobs/x", "/metrics"])
@pytest.mark.parametrize("given", [None, "Bearer wrong", "Basic correct-horse", "Bearer", "correct-horse"])
def test_without_the_token_nothing_is_had(guarded: str, path: str, given: str | None) -> None:
    answer = httpx.get(guarded + path, headers={} if given is None else {"Authorization": given})
    assert code_of(answer) == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_token_opens_and_the_page_and_health_need_none(guarded: str) -> None:
    allowed = httpx.get(f"{guarded}/v1/models", headers={"Authorization": f"Bearer {TOKEN}"})
    assert allowed.json()[0]["name"] == "tiny"
    for path in ("/", "/healthz", "/openapi.json"):
        assert httpx.get(guarded + path).status_code == 200


def test_every_answer_has_the_headers_that_keep_browsers_safe(client: httpx.Client) -> None:
    for path in ("/", "/healthz", "/v1/models", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers
        assert not any(name.startswith("access-control") for name in headers)
    assert client.get("/v1/models").headers["cache-control"] == "no-store"


def test_pages_of_other_sites_may_not_use_it(client: httpx.Client, api_address: str) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://[bad"):
        answer = client.post("/v1/depth", content=small_photo(), headers={"Origin": origin})
        assert code_of(answer) == "cross_origin"
    answer = client.post("/v1/depth", content=small_photo(), headers={"Origin": api_address})
    assert answer.status_code == 200
    preflight = client.options("/v1/depth", headers={"Origin": "https://evil.example"})
    assert preflight.status_code == 405


def test_a_local_server_answers_to_local_names_only(client: httpx.Client) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        assert code_of(client.get("/v1/models", headers={"Host": host})) == "wrong_host"
    for host in ("localhost", "127.0.0.1", "[::1]:8000"):
        assert client.get("/v1/models", headers={"Host": host}).status_code == 200


def test_nothing_is_left_on_the_disk(client: httpx.Client, api_folder: Path) -> None:
    client.post("/v1/scene", content=small_photo())
    client.post("/v1/depth", content=REFUSED["a truncated PNG"][0]())
    folders = [path for path in api_folder.iterdir() if path.is_dir()]
    assert len(folders) == 2, "one of the workers, one of the films"
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
    assert [path for folder in folders for path in folder.rglob("*") if path.is_file()] == []


def test_nothing_of_an_upload_is_logged(client: httpx.Client, capfd: pytest.CaptureFixture[str]) -> None:
    client.post("/v1/depth", files={"image": ("private.jpg", small_photo(), "image/jpeg")})
    client.post("/v1/depth", content=REFUSED["HTML"][0]())
    assert capfd.readouterr() == ("", "")


def test_an_open_host_asks_for_a_token_or_a_clear_word() -> None:
    with pytest.raises(click.UsageError, match=r"everybody who reaches this machine.*--token.*--i-know"):
        serve(Settings(host="0.0.0.0", port=0), i_know=False)
    for token in ("short", "with spaces in it", "schlüsselwort"):
        with pytest.raises(click.UsageError, match="token"):
            serve(Settings(token=token, port=0), i_know=False)
    with pytest.raises(click.UsageError, match="no model is called 'nothing'"):
        settings_from("127.0.0.1", 0, None, ("nothing",), 1)


def test_a_port_that_is_taken_is_one_line(api_address: str) -> None:
    port = urlsplit(api_address).port or 0
    with pytest.raises(click.ClickException, match=rf"127.0.0.1:{port}: .*choose another --port"):
        serve(Settings(port=port), i_know=False)


def test_a_token_is_never_shown() -> None:
    assert TOKEN not in repr(Settings(token=TOKEN, limits=Limits()))


def test_a_client_that_leaves_is_not_computed_for(client: httpx.Client, api_address: str) -> None:
    place, photo = urlsplit(api_address), small_photo()
    head = f"POST /v1/scene?as=reach HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(photo)}\r\n\r\n"
    with socket.create_connection((place.hostname, place.port)) as raw:
        raw.sendall(head.encode() + photo)
    end_s = time.monotonic() + 20
    while 'route="/v1/scene",status="499"' not in client.get("/metrics").text:
        assert time.monotonic() < end_s
        time.sleep(0.05)
