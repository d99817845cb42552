"""`openmidas label` and `openmidas train`, end to end on a few pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from openmidas.models import PRESETS

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
COMMAND = Path(sys.executable).with_name("openmidas")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Photographs, their labels, two RGB-D pictures of which one is held out."""
    photos, kinect = tmp_path / "photos", tmp_path / "kinect"
    photos.mkdir()
    kinect.mkdir()
    for name in ("coffee.jpg", "rocket.jpg"):
        shutil.copy(EXAMPLES / name, photos)
    ramp = np.tile(np.linspace(40, 200, 96).astype(np.uint8)[:, None, None], (1, 128, 3))
    for number in ("0001", "0007"):
        cv2.imwrite(str(kinect / f"{number}.webp"), ramp)
        cv2.imwrite(str(kinect / f"{number}_depth.webp"), ramp[::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])
    done = run("label", photos, tmp_path / "labels")
    assert done.stdout.strip().endswith("2 new labels"), done.stderr
    return tmp_path


def test_labels_are_sixteen_bit_and_span_the_range(data: Path) -> None:
    label = cv2.imread(str(data / "labels" / "coffee.png"), cv2.IMREAD_UNCHANGED)
    assert (label.dtype, label.shape) == (np.uint16, (400, 600))
    assert (label.min(), label.max()) == (0, 65535)


@pytest.mark.filterwarnings("ignore")
def test_train_starts_from_the_shipped_network_and_writes_one_that_predicts(data: Path) -> None:
    command = [
        "train",
        data / "photos",
        data / "labels",
        data / "run",
        "--steps",
        2,
        "--kinect",
        data / "kinect",
    ]
    options = ["--hold-out", "5:10", "--start", PRESETS["tiny"].path]
    done = run(*command, *options)
    assert done.returncode == 0, done.stderr
    line = json.loads((data / "run" / "log.jsonl").read_text())
    assert line["step"] == 2
    assert {"photos", "kinect", "rooms delta1", "pictures_per_s"} <= set(line)
    size = (data / "run" / "tiny.onnx").stat().st_size
    assert size == pytest.approx(PRESETS["tiny"].path.stat().st_size, rel=0.05)
    again = run(*command, *options)
    assert again.returncode == 0, again.stderr
    assert len((data / "run" / "log.jsonl").read_text().splitlines()) == 1
    second_round(data)


def second_round(data: Path) -> None:
    """The run and older labels label together, and training goes on from the run."""
    by = ("--by", data / "run" / "checkpoint.pt", "--by", data / "labels")
    done = run("label", data / "photos", data / "better", *by)
    assert done.stdout.strip().endswith("2 new labels"), done.stderr
    begun = ("--recipe", "second", "--start", data / "run" / "checkpoint.pt", "--steps", 1)
    done = run("train", data / "photos", data / "better", data / "second", *begun)
    assert done.returncode == 0, done.stderr
    assert (data / "second" / "tiny.onnx").exists()


def test_photographs_without_a_label_elsewhere_are_left_out(data: Path) -> None:
    (data / "labels" / "rocket.png").unlink()
    done = run("label", data / "photos", data / "few", "--by", data / "labels")
    assert done.stdout.strip().endswith("1 new labels"), done.stderr
    assert [path.name for path in (data / "few").iterdir()] == ["coffee.png"]


def test_photographs_without_labels_are_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = run("train", data / "photos", tmp_path / "none", tmp_path / "run")
    assert done.returncode == 1
    assert "no photograph has a label" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["bad.pt", "bad.onnx", "other.pt", "other.onnx", "none.pt"])
def test_files_that_hold_no_network_are_named_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(EXAMPLES / "coffee.jpg", tmp_path / "photos")
    for bad in ("bad.pt", "bad.onnx"):
        (tmp_path / bad).write_text("no network")
    torch.save({"average": {"module.weight": torch.zeros(1)}}, tmp_path / "other.pt")
    node = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(node), tmp_path / "other.onnx")
    done = run("label", tmp_path / "photos", tmp_path / "labels", "--by", tmp_path / name)
    assert done.returncode == 1
    assert name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
