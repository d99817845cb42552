"""Whatever is wrong, the command says so in one line, leaves nothing half-written and does the rest."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from running import Run, names, write_picture

from openmidas.cli import STOPPED
from openmidas.files import read_depth
from openmidas.files.png import encode_png

EXAMPLE = Path(__file__).parents[2] / "examples" / "cat.jpg"
OPENMIDAS = [sys.executable, "-c", "from openmidas.cli import main; main()"]


def bomb() -> bytes:
    """A PNG of a few bytes whose header promises 2.5 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def write_bad(folder: Path) -> dict[str, str]:
    """One file of every bad kind; its name and words of the line about it."""
    jpeg = EXAMPLE.read_bytes()
    for name, data in {
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "empty.jpg": b"",
        "text.png": b"this is a text, not a picture\n",
        "one.png": encode_png(np.zeros((1, 1, 3), np.uint8)),
        "line.png": encode_png(np.zeros((1, 20_000, 3), np.uint8)),
        "wide.png": encode_png(np.zeros((40, 65_500), np.uint8)),
        "bomb.png": bomb(),
    }.items():
        (folder / name).write_bytes(data)
    values = np.full((64, 64), 0.5, np.float32)
    values[3, 4] = np.nan
    Image.fromarray(values).save(folder / "nan.tiff")
    (folder / "folder.jpg").mkdir()
    return {
        "truncated.jpg": "truncated",
        "empty.jpg": "0 bytes",
        "text.png": "not a picture of a known kind",
        "one.png": "1×1 pixels: a depth map needs at least",
        "line.png": "20000×1 pixels",
        "wide.png": "65500×40 pixels, longer than 1:10",
        "bomb.png": "50000×50000 pixels, more than",
        "nan.tiff": "nan",
        "folder.jpg": "no pictures",
        "gone.jpg": "no such file",
    }


def test_every_bad_picture_alone_gives_one_line(openmidas: Run, folder: Path) -> None:
    expected = write_bad(folder)
    before = names(folder)
    for name, words in expected.items():
        code, out, err = openmidas(name)
        assert (code, out) == (1, ""), name
        assert err.startswith(f"Error: {name}: "), err
        assert words in err
        assert err.count("\n") == 1
    assert names(folder) == before


def test_bad_pictures_stop_no_others(openmidas: Run, folder: Path) -> None:
    expected = write_bad(folder)
    for name in ("a.png", "z.png"):
        write_picture(folder / name)
    code, out, err = openmidas("a.png", *expected, "z.png", "--format", "npy")
    assert code == 1
    assert out.startswith("2 of 11 pictures done")
    title, *lines = err.splitlines()
    assert title == f"{len(expected)} failed:"
    assert sorted(line.split(":")[0].strip() for line in lines) == sorted(expected)
    assert [name for name in names(folder) if name.endswith(".npy")] == ["a_depth.npy", "z_depth.npy"]
    assert not [name for name in names(folder) if name.startswith(".")]


def test_a_folder_without_pictures_is_an_error(openmidas: Run, folder: Path) -> None:
    (folder / "empty").mkdir()
    result = openmidas("empty", "-o", "out")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("Error: empty: holds no pictures")
    assert not (folder / "out").exists()


def test_an_output_that_cannot_be_written_is_known_before_predicting(openmidas: Run, folder: Path) -> None:
    for name in ("a.png", "b.png"):
        write_picture(folder / name)
    (folder / "file").write_text("")
    result = openmidas("a.png", "b.png", "-o", "file/out")
    assert (result.code, result.out) == (1, "")
    assert result.err == "Error: file/out: a part of the path is a file, not a folder: check the path\n"


def test_a_place_that_cannot_be_written_fails_that_picture_only(openmidas: Run, folder: Path) -> None:
    for name in ("a.png", "b.png"):
        write_picture(folder / name)
    (folder / "a_depth.png").mkdir()
    result = openmidas("a.png", "b.png")
    assert result.code == 1
    assert result.err == "Error: a_depth.png: is a folder: name a file\n"
    assert {"b_depth.png", "b_heatmap.png"} <= set(names(folder))


def test_a_full_disk_leaves_no_half_file(openmidas: Run, folder: Path) -> None:
    for name in ("a.png", "b.png"):
        write_picture(folder / name, (300, 300))
    before = names(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        result = openmidas("a.png", "b.png", "--format", "npy,exr")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (result.code, result.out) == (1, "")
    title, *lines = result.err.splitlines()
    assert title == "2 failed:"
    assert all("the file would be larger than this place allows" in line for line in lines)
    assert names(folder) == before
    assert openmidas("a.png", "b.png", "--format", "npy").code == 0


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str, str]:
    """A folder of pictures on which the command was met by Ctrl-C after its first file."""
    folder = tmp_path_factory.mktemp("stopped")
    for number in range(60):
        cv2.imwrite(str(folder / f"{number:03}.jpg"), np.full((300, 400, 3), number, np.uint8))
    process = subprocess.Popen(
        [*OPENMIDAS, str(folder), "-o", str(folder / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 60
    while not list((folder / "out").glob("*_depth.png")) and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return folder, process.returncode, out, err


def test_ctrl_c_ends_with_one_line_and_130(stopped: tuple[Path, int, str, str]) -> None:
    _, code, out, err = stopped
    assert (code, out) == (STOPPED, "")
    assert err == "Stopped. What is done stays; the same command goes on from here.\n"


def test_ctrl_c_leaves_only_whole_files_and_the_same_command_goes_on(
    stopped: tuple[Path, int, str, str], openmidas: Run
) -> None:
    folder = stopped[0]
    made = list((folder / "out").iterdir())
    depths = [path for path in made if path.name.endswith("_depth.png")]
    assert 0 < len(depths) < 60
    assert all(read_depth(path).shape == (300, 400) for path in depths)
    assert not [path for path in made if path.name.startswith(".")]
    done = {path: path.stat().st_mtime_ns for path in made}
    assert openmidas(folder, "-o", folder / "out").code == 0
    assert len(list((folder / "out").iterdir())) == 120
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a disk that is always full")
def test_standard_output_that_takes_nothing_is_no_traceback() -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run([*OPENMIDAS, "--version"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
