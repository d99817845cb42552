"""PyTorch in half precision and compiled: nearly the same numbers, or one line that says why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from openmidas.models.predictor import Running
from openmidas.networks.decoder import DepthNetwork, Head
from openmidas.networks.fusion import ResidualUnit
from openmidas.networks.predictor import check_running, prepared, torch_engine

PIXELS = np.random.default_rng(0).normal(size=(1, 3, 32, 64)).astype(np.float32)


def small_network() -> DepthNetwork:
    """An encoder of one convolution and a batch norm, one unit for a decoder, a head of large numbers."""
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.BatchNorm2d(8))
    network = DepthNetwork(encoder, torch.nn.Identity(), ResidualUnit(8), Head(8, (8, 8))).eval()
    with torch.no_grad():
        network.head.conv3.weight.abs_().mul_(1e6)  # beyond the 65504 of half precision
    return network


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 3e-2), ("float16", 3e-3)])
def test_half_precision_is_near_and_never_overflows(precision: str, tolerance: float) -> None:
    exact = torch_engine(small_network(), Running())(PIXELS)
    assert exact.max() > 65504
    running = Running(precision=precision)
    half = torch_engine(prepared(small_network(), running), running)(PIXELS)
    assert half.dtype == np.float32
    assert 0 < np.abs(half - exact).max() < tolerance * exact.max()


def test_half_precision_keeps_head_and_norms_single() -> None:
    network = small_network()
    prepared(network, Running(precision="bfloat16"))
    assert network.encoder[0].weight.dtype == torch.bfloat16
    assert {p.dtype for p in (*network.head.parameters(), *network.encoder[1].parameters())} == {
        torch.float32
    }


def test_a_precision_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="precision is one of float32, bfloat16, float16, not 'int8'"):
        check_running(Running(precision="int8"))


@pytest.mark.filterwarnings("ignore")  # of the compiler's own insides
def test_compiled_or_told_why_not() -> None:
    running = Running(compiles=True)
    if shutil.which(os.environ.get("CXX", "g++")) is None and shutil.which("clang++") is None:
        with pytest.raises(ValueError, match=r"torch\.compile does not work here"):
            check_running(running)
        return
    check_running(running)
    exact = torch_engine(small_network(), Running())(PIXELS)
    np.testing.assert_allclose(torch_engine(small_network(), running)(PIXELS), exact, rtol=1e-4)


def test_without_a_compiler_one_line_says_so() -> None:
    code = """
from openmidas.models.predictor import Running
from openmidas.networks.predictor import check_running
try:
    check_running(Running(compiles=True))
except ValueError as error:
    print(error)
"""
    environment = {**os.environ, "PATH": "/nowhere", "CXX": "/nowhere/g++"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True
    )
    assert "torch.compile does not work here" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 1
