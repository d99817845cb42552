"""`openmidas serve` as a process, and its page of documentation: the examples with curl do what they say."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from live import PHOTO, small_photo, wait_for

from openmidas.app.problems import CODES
from openmidas.files import read_depth
from openmidas.files.video import write_clip

pytest_plugins = ["api_fixtures"]
PAGE = Path(__file__).parent.parent.parent / "docs" / "serve.md"
SERVE = """
import sys, tempfile
from openmidas.cli.serve import serve, settings_from
if __name__ == "__main__":
    tempfile.tempdir = sys.argv[1]
    serve(settings_from("127.0.0.1", 0, None, ("tiny",), 1), i_know=False)
"""


def curl_blocks() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf8"), re.DOTALL)
    return [block for block in blocks if "curl" in block]


@pytest.mark.parametrize("number", range(3))
def test_the_examples_with_curl_work(number: int, api_address: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(PHOTO.read_bytes() if number == 0 else small_photo())
    ramp = np.broadcast_to(np.arange(96, dtype=np.uint8)[:, None], (64, 96, 3))
    write_clip(tmp_path / "film.mp4", [ramp + np.uint8(shade) for shade in (0, 20, 40)], 10)
    script = "set -eo pipefail\n" + curl_blocks()[number].replace("http://127.0.0.1:8000", api_address)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(made) >= set(re.findall(r" -o (\S+)", script))
    assert all(made.values())
    if number == 0:
        assert read_depth(tmp_path / "depth.png").shape == read_depth(tmp_path / "depth.npz").shape
        assert '"unit": "1/m"' in done.stdout


def test_there_are_no_other_examples_and_every_code_is_explained() -> None:
    assert len(curl_blocks()) == 3
    text = PAGE.read_text(encoding="utf8")
    assert [code for code in CODES if f"`{code}`" not in text] == []


def test_one_line_says_where_and_sigterm_ends_it_without_traces(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        line = server.stdout.readline()
        found = re.fullmatch(
            r"OpenMiDaS is at (http://127\.0\.0\.1:\d+), for this machine only \(.*\)\n", line
        )
        assert found, line
        wait_for(f"{found[1]}/readyz")
        assert httpx.post(f"{found[1]}/v1/depth?as=json", content=small_photo()).status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) in (0, -signal.SIGTERM)
        assert (server.stdout.read(), server.stderr.read()) == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert tempfile.gettempdir() != str(tmp_path)
