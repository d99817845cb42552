"""Speed of the embedded network and of everything around it, side by side in one run.

python benchmarks/speed.py [--teacher FILE.onnx] [--photos 200]

Prints tables and one JSON line. Times are medians of warm runs taken in turn, so that a slow moment of the machine
falls on every row; ratios are what can be compared between machines.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image

import openmidas
from openmidas.files import read_image, write_depth, write_heatmap
from openmidas.files.cores import usable_cores
from openmidas.models.preprocess import network_shape, to_depth_map, to_network
from openmidas.networks.fusion import count_multiply_adds
from openmidas.networks.tiny import TinyNetwork

COMMAND = str(Path(sys.executable).with_name("openmidas"))
EXAMPLES = Path(__file__).parent.parent / "examples"
WATCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
TWELVE_MEGAPIXELS = (3000, 4000)
ROUNDS = 7
PAUSE_S = 0.1
SHAPE = (256, 352)  # what a 4:3 picture becomes


def median_ms(calls: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median milliseconds of each call, taken in turn, each time after a pause and two calls that do not count.

    In the pause the threads of the row before, which spin for a while in wait of more work, go to sleep.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            time.sleep(PAUSE_S)
            call()
            call()
            start = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: round(statistics.median(values), 2) for name, values in times.items()}


def large_photograph(path: Path) -> None:
    """A 12-megapixel JPEG with a photograph's detail: an example enlarged, with noise of fine grain."""
    with Image.open(EXAMPLES / "coffee.jpg") as picture:
        large = np.asarray(picture.resize(TWELVE_MEGAPIXELS[::-1], Image.Resampling.BICUBIC), np.int16)
    noise = np.random.default_rng(0).normal(0, 4, large.shape)
    Image.fromarray((large + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)


def photographs(folder: Path, count: int) -> None:
    """`count` JPEGs of 1.9 megapixels, cut from the examples at different places."""
    rng = np.random.default_rng(0)
    sources = [read_image(path) for path in sorted(EXAMPLES.glob("*.jpg"))]
    for index in range(count):
        image = cv2.resize(sources[index % len(sources)], (1600, 1200), interpolation=cv2.INTER_CUBIC)
        shifted = np.roll(image, tuple(rng.integers(0, 200, 2)), axis=(0, 1))
        Image.fromarray(shifted).save(folder / f"{index:04}.jpg", quality=88)


def sgemm() -> Callable[[], object]:
    """A matrix product in ONNX Runtime of as many multiply-adds as the network at SHAPE."""
    side = 1024
    rows = round(count_multiply_adds(TinyNetwork(), *SHAPE) / side**2)
    shapes = {"a": (rows, side), "b": (side, side), "c": (rows, side)}
    a, b, c = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
    )
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "sgemm", [a, b], [c])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return runner(model.SerializeToString(), {"a": shapes["a"], "b": shapes["b"]})


def network_calls(teacher: Path | None) -> dict[str, Callable[[], object]]:
    """The network, its floor, and the teacher at its own size."""
    predictor = openmidas.load("tiny")
    calls = {"floor: the same multiply-adds as sgemm": sgemm()}
    calls["embedded network, 256×352"] = runner(predictor.preset.path, {"image": (1, 3, *SHAPE)})
    if teacher:
        calls["teacher's ONNX, 192×320"] = runner(teacher, {"input": (1, 3, 192, 320)})
    return calls


def runner(model: Path | bytes, shapes: dict[str, tuple[int, ...]]) -> Callable[[], list[np.ndarray]]:
    """A network on noise, with the threads that the package uses."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feeds = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    return lambda: session.run(None, feeds)


def stage_calls(photo: Path, folder: Path) -> dict[str, Callable[[], object]]:
    """Each stage from a 12-megapixel JPEG to a 12-megapixel 16-bit PNG, alone, and the whole."""
    predictor = openmidas.load("tiny")
    shape = network_shape(TWELVE_MEGAPIXELS, predictor.side_px)
    image = read_image(photo, shape)
    pixels = to_network(image, shape, predictor.preset)
    run = runner(predictor.preset.path, {"image": pixels.shape})
    output = run()[0][0]
    depth_map = to_depth_map(output, TWELVE_MEGAPIXELS, predictor.preset)
    return {
        "decode, as small as the network allows": lambda: read_image(photo, shape),
        "preprocess": lambda: to_network(image, shape, predictor.preset),
        "network": run,
        "resize to 12 MP": lambda: to_depth_map(output, TWELVE_MEGAPIXELS, predictor.preset),
        "write 16-bit PNG": lambda: write_depth(folder / "depth.png", depth_map),
        "write heatmap PNG": lambda: write_heatmap(folder / "heatmap.png", depth_map),
        "whole: JPEG to 16-bit PNG": lambda: write_depth(folder / "whole.png", predictor(photo)),
    }


def common_way(photo: Path, out: Path) -> Callable[[], object]:
    """The same network between a full decode, Pillow's resampling, NumPy, and Pillow's PNG."""
    predictor = openmidas.load("tiny")
    session = onnxruntime.InferenceSession(predictor.preset.path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def convert() -> None:
        with Image.open(photo) as opened:
            picture = opened.convert("RGB")
        height, width = network_shape((picture.height, picture.width), predictor.side_px)
        small = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)) / 127.5 - 1
        (output,) = session.run(None, {name: small.transpose(2, 0, 1)[None].astype(np.float32)})
        depth = np.asarray(Image.fromarray(output[0]).resize(picture.size, Image.Resampling.BICUBIC))
        codes = (depth - depth.min()) / (depth.max() - depth.min()) * 65535
        Image.fromarray(codes.astype(np.uint16)).save(out)

    return convert


def command_s(arguments: Sequence[str], rounds: int) -> float:
    """Median wall seconds of the whole command, interpreter and all."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([COMMAND, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 3)


def one_at_a_time(folder: Path, out: Path) -> float:
    """Pictures a second when each is decoded, predicted and written before the next is touched."""
    predictor = openmidas.load("tiny")
    out.mkdir()
    paths = sorted(folder.glob("*.jpg"))
    start = time.perf_counter()
    for path in paths:
        depth_map = predictor(path)
        write_depth(out / f"{path.stem}_depth.png", depth_map)
        write_heatmap(out / f"{path.stem}_heatmap.png", depth_map)
    return len(paths) / (time.perf_counter() - start)


def overlapped(folder: Path, out: Path) -> tuple[float, float]:
    """Pictures a second of the command on the folder, start included, and its peak memory in MB."""
    start = time.perf_counter()
    # a process of its own starts the command: a child's peak counts what its parent held when it was forked
    watched = [sys.executable, "-c", WATCHER, COMMAND, "predict", str(folder), "-o", str(out)]
    done = subprocess.run(watched, check=True, capture_output=True, text=True)
    return len(list(folder.glob("*.jpg"))) / (time.perf_counter() - start), int(done.stdout) / 1024


def folder_rows(scratch: Path, count: int) -> dict[str, float]:
    """Throughput one at a time and overlapped, and peak memory at a quarter and at all of the pictures."""
    few, many = scratch / "few", scratch / "many"
    for folder, number in ((few, count // 4), (many, count)):
        folder.mkdir()
        photographs(folder, number)
    plain = one_at_a_time(many, scratch / "plain")
    _, memory_few = overlapped(few, scratch / "out_few")
    rate, memory_many = overlapped(many, scratch / "out_many")
    return {
        "one at a time, pictures/s": round(plain, 2),
        "overlapped, pictures/s": round(rate, 2),
        "ratio": round(rate / plain, 2),
        f"peak MB, {count // 4} pictures": round(memory_few),
        f"peak MB, {count} pictures": round(memory_many),
    }


def print_table(title: str, rows: dict[str, float], unit: str) -> None:
    """One Markdown table."""
    print(f"\n| {title} | {unit} |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def main() -> None:
    """Measure, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teacher", type=Path, help="an ONNX network of input 1×3×192×320 to compare with")
    parser.add_argument("--photos", type=int, default=200, help="pictures in the folder test")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        photo = scratch / "large.jpg"
        large_photograph(photo)
        network = median_ms(network_calls(options.teacher), 40)
        floor, ours, *_ = network.values()
        network["network over its floor"] = round(ours / floor, 2)
        print_table("network", network, "ms or ratio")
        calls = stage_calls(photo, scratch)
        stages = median_ms(calls | {"whole, the common way": common_way(photo, scratch / "common.png")})
        print_table("12-megapixel JPEG", stages, "ms")
        example = ["predict", str(EXAMPLES / "coffee.jpg"), "-o", str(scratch / "cold"), "--overwrite"]
        cold = {"openmidas photo.jpg, interpreter start included": command_s(example, 9)}
        print_table("cold start", cold, "s")
        folder = folder_rows(scratch, options.photos)
        print_table(f"folder of {options.photos} photographs of 1.9 MP", folder, "")
    print("\n" + json.dumps({"network": network, "stages": stages, "cold": cold, "folder": folder}))


if __name__ == "__main__":
    main()
