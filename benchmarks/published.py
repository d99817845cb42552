"""Speed of two published networks: PyTorch as its authors' scripts run it, our two engines, and the peers there are.

python benchmarks/published.py [--rounds 5]

Weights are random: they do not change the time. OpenVINO and `transformers` (pip install openvino transformers) are
measured where they are installed. Prints tables and one JSON line; ratios are what can be compared between machines.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from openmidas.files import write_depth
from openmidas.files.cores import usable_cores
from openmidas.models.onnx_engine import onnx_engine
from openmidas.models.predictor import Engine, NetworkPredictor, Running
from openmidas.models.presets import PRESETS, described
from openmidas.networks.decoder import DepthNetwork
from openmidas.networks.export import export_onnx
from openmidas.networks.predictor import prepared, torch_engine
from openmidas.networks.published import PUBLISHED
from speed import large_photograph, median_ms, print_table

Calls = dict[str, Callable[[], object]]
NETWORKS = ("midas_v21_small_256", "dpt_hybrid_384")
EAGER = "PyTorch eager, as the authors' scripts run it"
OURS = ("our PyTorch (channels-last)", "our ONNX Runtime")


def has(module: str) -> bool:
    """Whether a peer is installed."""
    return importlib.util.find_spec(module) is not None


def eager(network: DepthNetwork, pixels: np.ndarray) -> Callable[[], object]:
    """The network on a contiguous picture, nothing done to it."""
    image = torch.from_numpy(pixels)

    def run() -> object:
        with torch.no_grad():
            return network(image).numpy()

    return run


def openvino_calls(path: Path, pixels: np.ndarray) -> Calls:
    """OpenVINO on our exported file, in single precision and in its own choice, half where the processor has it."""
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY"}
    calls: Calls = {}
    for title, more in (("float32", {"INFERENCE_PRECISION_HINT": "f32"}), ("its own precision", {})):
        compiled = openvino.Core().compile_model(str(path), "CPU", settings | more)
        calls[f"OpenVINO on our file, {title}"] = lambda run=compiled: run([pixels])[0]
    return calls


def network_calls(name: str, scratch: Path) -> tuple[Calls, dict[str, Engine]]:
    """Every way to run the network at its square size, and our two engines."""
    torch.manual_seed(0)
    preset, network = PRESETS[name], PUBLISHED[name].build().eval()
    side = preset.side_px
    path = scratch / f"{name}.onnx"
    export_onnx(network, path, described(preset), [(side, side + 32)])
    pixels = np.random.default_rng(0).normal(size=(1, 3, side, side)).astype(np.float32)
    copy = PUBLISHED[name].build().eval()
    copy.load_state_dict(network.state_dict())
    engines = dict(
        zip(
            OURS,
            (torch_engine(prepared(copy, Running()), Running()), onnx_engine(path, usable_cores(), "cpu")),
            strict=True,
        )
    )
    calls: Calls = {EAGER: eager(network, pixels)}
    calls |= {title: lambda run=run: run(pixels) for title, run in engines.items()}
    if has("openvino"):
        calls |= openvino_calls(path, pixels)
    return calls, engines


def peer_pipeline(photo: Path) -> Callable[[], object]:
    """`transformers`' pipeline of the same network, random weights too, on a picture's file."""
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor, pipeline

    config = DPTConfig(is_hybrid=True, neck_hidden_sizes=[256, 512, 768, 768])
    model = DPTForDepthEstimation(config).eval()
    processor = DPTImageProcessor(size={"height": 384, "width": 384}, keep_aspect_ratio=False)
    run = pipeline("depth-estimation", model=model, image_processor=processor)
    return lambda: run(str(photo))


def end_to_end_calls(engines: dict[str, Engine], scratch: Path) -> Calls:
    """JPEG of 12 megapixels to a depth map of its size: ours, and the peer's; the picture is square, as the peer is."""
    photo = scratch / "large.jpg"
    large_photograph(photo)
    square = scratch / "square.jpg"
    cv2.imwrite(str(square), cv2.resize(cv2.imread(str(photo)), (3464, 3464)), [cv2.IMWRITE_JPEG_QUALITY, 90])
    preset = PRESETS["dpt_hybrid_384"]
    calls: Calls = {}
    for title, run in engines.items():
        predict = NetworkPredictor(preset, preset.side_px, run)
        calls[title] = lambda predict=predict: predict(square)
        calls[f"{title}, 16-bit PNG written"] = lambda predict=predict: write_depth(
            scratch / "out.png", predict(square)
        )
    if has("transformers"):
        calls["transformers' pipeline"] = peer_pipeline(square)
    return calls


def with_ratios(rows: dict[str, float], base: str) -> dict[str, str]:
    """Each time, and how often it goes into the base's."""
    return {title: f"{time:.0f} ({rows[base] / time:.2f} ×)" for title, time in rows.items()}


def main() -> None:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(usable_cores())
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for network in NETWORKS:
            calls, engines = network_calls(network, scratch)
            results[network] = median_ms(calls, options.rounds)
            print_table(
                f"network: {network}, square input", with_ratios(results[network], EAGER), "ms (× eager)"
            )
        results["end to end"] = median_ms(end_to_end_calls(engines, scratch), options.rounds)
        base = list(results["end to end"])[-1]
        print_table(
            "whole: dpt_hybrid_384, 12-megapixel JPEG to depth map",
            with_ratios(results["end to end"], base),
            f"ms (× {base})",
        )
    print("\n" + json.dumps(results))


if __name__ == "__main__":
    main()
