"""PyTorch network to a self-describing ONNX file, checked against PyTorch."""

from __future__ import annotations

import ast
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from openmidas.files.atomic import written_beside
from openmidas.files.errors import file_error

OPSET = 18
HALF_SUFFIX = "_half"
MULTIPLE_PX = 32
_EXPORTER_LOG = logging.getLogger("torch.onnx._internal.exporter._registration")
_SCOPES = "pkg.torch.onnx.name_scopes"
Numbers = Literal["float32", "float16", "stored_float16"]


# by numbers, how far a file may be from PyTorch, relatively
LARGEST_ERRORS: Mapping[Numbers, float] = MappingProxyType(
    {"float32": 1e-4, "float16": 3e-2, "stored_float16": 1e-4}
)


def export_onnx(
    network: nn.Module,
    path: Path,
    metadata: Mapping[str, str],
    shapes: Sequence[tuple[int, int]],
    any_shape: bool = True,
    numbers: Numbers = "float32",
) -> float:
    """Write `network` ((1,3,h,w) -> (1,h,w)) and return its relative error against PyTorch, the largest at `shapes`.

    shapes: (height, width) to check it at, multiples of 32. any_shape: it takes all such sizes; else the first only.
    numbers: float16 computes with them, but for the head, whose values overflow. stored_float16 computes with float32
    and only keeps the weights so; the network is rounded likewise, in place, so that both agree.
    Raises FileError where it cannot be written or is further from PyTorch than its numbers explain: 1e-4, 3e-2, or,
    with weights that magnify every rounding, twice what double precision changes in PyTorch itself.
    """
    network.eval()
    if numbers == "stored_float16":
        _round_weights(network)
    with written_beside(path) as beside:
        _trace(network, beside, shapes[0], any_shape)
        model = _ROUNDINGS[numbers](onnx.load(beside))
        save_model(model, beside, metadata)
        del model
        error = largest_relative_error(network, beside, shapes)
        allowed = LARGEST_ERRORS[numbers]
        if not error <= allowed:
            allowed = max(allowed, 2 * error_of_rounding(network, shapes))
        if not error <= allowed:
            raise file_error(
                path, f"was not written: ONNX Runtime and PyTorch differ by {error:.1e}, {allowed}"
            )
    return error


def save_model(model: onnx.ModelProto, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a model that says of itself what `metadata` says."""
    helper.set_model_props(model, dict(metadata))
    del model.graph.metadata_props[:]  # notes of the exporter, in another order each time
    for node in model.graph.node:  # where in whose source files it came from concerns nobody
        kept = [entry for entry in node.metadata_props if entry.key == _SCOPES]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    onnx.save(model, path)
    onnx.checker.check_model(path)


def in_head(node: onnx.NodeProto) -> bool:
    """Whether the network's head was the source of this operation, as the exporter noted."""
    scopes = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "[]")
    return "head" in ast.literal_eval(scopes)


@torch.no_grad()
def _round_weights(network: nn.Module) -> None:
    for parameter in network.parameters():
        parameter.copy_(parameter.half().float())


def _trace(network: nn.Module, path: Path, shape: tuple[int, int], any_shape: bool) -> None:
    blocks = {name: torch.export.Dim(name, min=1, max=1024) for name in ("height", "width")}
    sizes = {2: MULTIPLE_PX * blocks["height"], 3: MULTIPLE_PX * blocks["width"]}
    with torch.no_grad(), _without_word_of_torchvision():
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, *shape),),
            path,
            input_names=["image"],
            output_names=["depth"],
            dynamic_shapes=(sizes,) if any_shape else None,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


@contextlib.contextmanager
def _without_word_of_torchvision() -> Iterator[None]:
    """The exporter warns that it is not installed, which is no matter to who exports these networks."""
    level = _EXPORTER_LOG.level
    _EXPORTER_LOG.setLevel(logging.ERROR)
    try:
        yield
    finally:
        _EXPORTER_LOG.setLevel(level)


def _as_it_is(model: onnx.ModelProto) -> onnx.ModelProto:
    return model


def _compute_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Float16 everywhere but in the head, at the input and at the output."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    head = [node.name for node in model.graph.node if in_head(node)]
    half = OnnxModel(
        convert_float_to_float16(model, keep_io_types=True, node_block_list=head, op_block_list=[])
    )
    half.topological_sort()  # the casts stand at the end
    return half.model


def _store_half(model: onnx.ModelProto) -> onnx.ModelProto:
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
    return model


_ROUNDINGS: Mapping[Numbers, Callable[[onnx.ModelProto], onnx.ModelProto]] = MappingProxyType(
    {"float32": _as_it_is, "float16": _compute_half, "stored_float16": _store_half}
)


def load_exported_weights(network: nn.Module, path: Path) -> None:
    """Load the weights of a file that `export_onnx` wrote back into its network; all of them or RuntimeError."""
    wanted = network.state_dict()
    stored = {t.name.removesuffix(HALF_SUFFIX): t for t in onnx.load(path).graph.initializer}
    arrays = {name: numpy_helper.to_array(t) for name, t in stored.items() if name in wanted}
    network.load_state_dict(
        {name: torch.from_numpy(np.array(array, np.float32)) for name, array in arrays.items()}
    )


@torch.inference_mode()
def error_of_rounding(network: nn.Module, shapes: Sequence[tuple[int, int]]) -> float:
    """By how much single precision changes what the network gives, relatively; the head computes in single anyhow."""
    exact = deepcopy(network).double()
    for name, part in exact.named_children():
        if name == "head":
            part.float()
    return max(_relative(network(image).numpy(), exact(image.double()).numpy()) for image in _noise(shapes))


@torch.inference_mode()
def largest_relative_error(network: nn.Module, path: Path, shapes: Sequence[tuple[int, int]]) -> float:
    """Largest |onnx - torch| / |torch| (Euclidean norms) over pictures of noise of these (height, width)."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return max(
        _relative(session.run(None, {"image": image.numpy()})[0], network(image).numpy())
        for image in _noise(shapes)
    )


def _noise(shapes: Sequence[tuple[int, int]]) -> Iterator[torch.Tensor]:
    """The same pictures whenever it is called."""
    generator = torch.Generator().manual_seed(0)
    for shape in shapes:
        yield torch.rand(1, 3, *shape, generator=generator) * 2 - 1


def _relative(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))
