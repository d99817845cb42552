"""PyTorch network to a self-describing ONNX file, checked against PyTorch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 18
HALF_SUFFIX = "_half"
LARGEST_ERROR = 1e-4  # relative, float32 against PyTorch
CHECKED_SHAPES = ((256, 256), (192, 352), (320, 64))


def export_onnx(network: nn.Module, path: Path, metadata: dict[str, str]) -> float:
    """Write `network` ((b,3,h,w) -> (b,h,w), any multiple of 32) and return its relative error against PyTorch.

    Weights lie as float16 and are widened when loaded; arithmetic stays float32. The network is rounded
    likewise, in place, so that file and network agree. Raises ValueError above 1e-4.
    """
    network.eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
    beside = path.with_suffix(".part")
    _trace(network, beside)
    model = onnx.load(beside)
    _store_half(model)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, beside)
    error = largest_relative_error(network, beside)
    if error > LARGEST_ERROR:
        beside.unlink()
        raise ValueError(
            f"{path}: ONNX Runtime and PyTorch differ by {error:.1e}, more than {LARGEST_ERROR:.0e}"
        )
    os.replace(beside, path)
    return error


def _trace(network: nn.Module, path: Path) -> None:
    blocks = {name: torch.export.Dim(name, min=1, max=1024) for name in ("height", "width")}
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 256, 320),),
        path,
        input_names=["image"],
        output_names=["inverse_depth"],
        dynamic_shapes=({2: 32 * blocks["height"], 3: 32 * blocks["width"]},),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _store_half(model: onnx.ModelProto) -> None:
    """Replace every float32 weight by its float16 copy and a Cast, which ONNX Runtime folds when it loads."""
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 16:
            continue
        half = numpy_helper.from_array(
            numpy_helper.to_array(tensor).astype(np.float16), tensor.name + HALF_SUFFIX
        )
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def load_exported_weights(network: nn.Module, path: Path) -> None:
    """Load the weights of a file that `export_onnx` wrote back into its network; all of them or RuntimeError."""
    wanted = network.state_dict()
    stored = {t.name.removesuffix(HALF_SUFFIX): t for t in onnx.load(path).graph.initializer}
    arrays = {name: numpy_helper.to_array(t) for name, t in stored.items() if name in wanted}
    network.load_state_dict(
        {name: torch.from_numpy(np.array(array, np.float32)) for name, array in arrays.items()}
    )


def largest_relative_error(network: nn.Module, path: Path) -> float:
    """Largest |onnx - torch| / |torch| (Euclidean norms) over three picture shapes of noise."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    errors = []
    for height, width in CHECKED_SHAPES:
        image = torch.rand(1, 3, height, width, generator=generator) * 2 - 1
        with torch.inference_mode():
            expected = network(image).numpy()
        (actual,) = session.run(None, {"image": image.numpy()})
        errors.append(float(np.linalg.norm(actual - expected) / np.linalg.norm(expected)))
    return max(errors)
