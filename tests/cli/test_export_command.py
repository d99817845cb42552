"""`openmidas export`: a file that predicts on its own; what cannot be wanted is said before any work."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnxruntime import InferenceSession
from running import Run, names, write_picture

from openmidas.files import read_depth
from openmidas.models.presets import EMBEDDED
from openmidas.networks import PUBLISHED
from openmidas.training.checkpoints import write_network
from openmidas.training.starting import earlier_network, first_network

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter deprecates its own internals


def test_an_exported_network_predicts_by_its_file_alone(openmidas: Run, folder: Path) -> None:
    write_picture(folder / "a.png", (64, 96))
    result = openmidas("export", "tiny", "own.onnx", "--static", "64x96")
    assert (result.code, result.err) == (0, "")
    assert "Wrote own.onnx" in result.out
    assert "takes 96×64 pixels" in result.out
    assert float(re.search(r"PyTorch's by (\S+)", result.out)[1]) < 1e-4  # type: ignore[index]
    assert openmidas("a.png", "--model", "own.onnx", "--format", "npz", "-o", "exported").code == 0
    assert openmidas("a.png", "--size", "64", "--format", "npz", "-o", "shipped").code == 0
    exported, shipped = (read_depth(folder / name / "a_depth.npz").values for name in ("exported", "shipped"))
    np.testing.assert_allclose(exported, shipped, atol=1e-3 * shipped.max())
    metadata = {entry.key: entry.value for entry in onnx.load(folder / "own.onnx").metadata_props}
    assert (metadata["licence"], metadata["ambiguity"]) == ("MIT", "affine_invariant")


def test_what_a_run_trained_is_exported_by_its_name(openmidas: Run, folder: Path) -> None:
    torch.manual_seed(1)
    network = PUBLISHED["midas_v21_small_256"].build().eval()
    write_network(folder / "best.pt", network)
    arguments = ("midas_v21_small_256", "mine.onnx", "--static", "64x64")
    result = openmidas("export", *arguments, "--weights", "best.pt")
    assert (result.code, result.err) == (0, "")
    picture = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
    (depth,) = InferenceSession(folder / "mine.onnx").run(None, {"image": picture})
    with torch.no_grad():
        expected = network(torch.from_numpy(picture)).numpy()
    np.testing.assert_allclose(depth, expected, atol=1e-3 * np.abs(expected).max())
    metadata = {entry.key: entry.value for entry in onnx.load(folder / "mine.onnx").metadata_props}
    assert metadata["source"] == "best.pt"
    assert "licence" not in metadata
    refused = openmidas("export", "tiny", "tiny.onnx", "--weights", "best.pt")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "best.pt: is no checkpoint of a run" in refused.err
    assert names(folder) == ["best.pt", "mine.onnx"]


def test_a_run_of_the_embedded_network_is_exported_with_its_norms_folded(
    openmidas: Run, folder: Path
) -> None:
    network = first_network("tiny", EMBEDDED, None, torch.rand(2, 3, 64, 64)).eval()
    torch.nn.init.constant_(network.head.conv2.bias, 9)  # so that it is not the shipped one
    write_network(folder / "last.pt", network)
    result = openmidas("export", "tiny", "run.onnx", "--static", "64x64", "--weights", "last.pt")
    assert (result.code, result.err) == (0, "")
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32)
    (depth,) = InferenceSession(folder / "run.onnx").run(None, {"image": picture})
    with torch.no_grad():
        expected = network(torch.from_numpy(picture)).numpy()
        again = earlier_network(folder / "run.onnx")(torch.from_numpy(picture)).numpy()
    np.testing.assert_allclose(depth, expected, atol=1e-3 * expected.max())
    np.testing.assert_allclose(again, expected, atol=1e-3 * expected.max())  # what training may start from


def test_eight_bits_say_what_they_cost(openmidas: Run, folder: Path) -> None:
    for name in "abc":
        write_picture(folder / "photos" / f"{name}.png", (64, 96))
    result = openmidas("export", "tiny", "int8.onnx", "--int8", "photos", "--static", "64x96")
    assert (result.code, result.err) == (0, "")
    assert re.search(r"differs from float32's by \d+\.\d% of its range", result.out)
    assert "measured on 1 of the 3 pictures in photos" in result.out
    assert names(folder) == ["int8.onnx", "photos/a.png", "photos/b.png", "photos/c.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["huge", "x.onnx"], "NAME has no 'huge': there are tiny"),
        (["tiny", "x.pt"], "OUT is a name that ends in .onnx, not x.pt"),
        (["tiny", "x.onnx", "--static", "big"], "--static is HEIGHTxWIDTH, such as 384x512, not 'big'"),
        (["tiny", "x.onnx", "--static", "100x100"], "--static is in multiples of 32"),
        (["dpt_levit_224", "x.onnx", "--static", "256x256"], "dpt_levit_224 takes 224×224 pixels only"),
        (["tiny", "x.onnx", "--fp16", "--int8", "photos"], "--fp16 and --int8 exclude each other"),
        (["tiny", "x.onnx", "--int8", "photos"], "photos: no such file or folder"),
        (["tiny", "there.onnx"], "there.onnx: exists: add --overwrite"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    openmidas: Run, folder: Path, arguments: list[str], message: str
) -> None:
    (folder / "there.onnx").write_bytes(b"mine")
    result = openmidas("export", *arguments)
    assert result.code != 0
    assert message in result.err.splitlines()[-1]
    assert (folder / "there.onnx").read_bytes() == b"mine"
    assert names(folder) == ["there.onnx"]


def test_a_predicted_files_size_is_its_own(openmidas: Run, folder: Path) -> None:
    write_picture(folder / "a.png")
    (folder / "page.onnx").write_text("<html>")
    result = openmidas("a.png", "--model", "page.onnx")
    assert result.code == 1
    assert result.err.startswith(f"Error: {folder / 'page.onnx'}: is no ONNX network")
    assert result.err.count("\n") == 1
