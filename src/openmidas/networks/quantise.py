"""A network in 8 bits: ONNX Runtime's quantisation, calibrated on pictures, and what it costs in accuracy."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from jaxtyping import Float

from openmidas.files.atomic import written_beside
from openmidas.models.predictor import NetworkPredictor, load_network
from openmidas.networks.export import in_head, save_model

QUANTISED = ("Conv", "MatMul", "Gemm")
# These stay in float32: they cost little, and their rounding reaches everything. The embedded network differs by
# 7.0 % of its range on average without, 2.2 % with four, 0.7 % with eight, 0.5 % with twelve (16 photographs).
KEPT_FIRST = 8


@dataclass(frozen=True)
class Loss:
    """By how much maps in 8 bits differ from those in float32, in shares of each one's range, after alignment.

    mean: over all pixels of all pictures. worst: the largest mean of one picture. pictures: how many were measured.
    """

    mean: float
    worst: float
    pictures: int


def quantise(source: Path, target: Path, photos: Sequence[Path]) -> Loss:
    """Write the ONNX file `source` in 8 bits to `target`, calibrated on every second photo; its loss on the others.

    Weights get one scale a channel, activations one a tensor; the first eight layers and the head stay in
    float32. Of a single photo both are taken. Raises FileError.
    """
    predictor = load_network(source)
    shown, kept = photos[::2], photos[1::2] or photos
    with tempfile.TemporaryDirectory() as folder, written_beside(target) as beside:
        _quantise(source, Path(folder), beside, _Pictures(predictor, shown))
        metadata = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
        save_model(onnx.load(beside), beside, metadata)
        return _loss(predictor, load_network(beside), kept)


class _Pictures:
    """What ONNX Runtime asks for the next picture to calibrate on."""

    def __init__(self, predictor: NetworkPredictor, photos: Sequence[Path]) -> None:
        name = "image"
        self._inputs: Iterator[dict[str, Float[np.ndarray, "1 3 H W"]]] = (
            {name: predictor.prepare(photo)[0]} for photo in photos
        )

    def get_next(self) -> dict[str, Float[np.ndarray, "1 3 H W"]] | None:
        return next(self._inputs, None)


def _quantise(source: Path, folder: Path, target: Path, pictures: _Pictures) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready = folder / "ready.onnx"
    # symbolic inference wants what PyTorch's exporter does not write, and plain inference suffices
    quant_pre_process(source, ready, skip_symbolic_shape=True)
    quantize_static(
        ready,
        target,
        pictures,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(QUANTISED),
        per_channel=True,
        activation_type=QuantType.QUInt8,  # signed ones are slower on x86
        weight_type=QuantType.QInt8,
        nodes_to_exclude=_left_out(onnx.load(ready)),
    )


def _left_out(model: onnx.ModelProto) -> list[str]:
    layers = [node for node in model.graph.node if node.op_type in QUANTISED]
    head = [node for node in model.graph.node if in_head(node)]
    return [node.name for node in (*layers[:KEPT_FIRST], *head)]


def _loss(exact: NetworkPredictor, rounded: NetworkPredictor, photos: Sequence[Path]) -> Loss:
    inputs = (exact.prepare(photo)[0] for photo in photos)
    differences = [difference(exact.run(pixels), rounded.run(pixels)) for pixels in inputs]
    return Loss(float(np.mean(differences)), max(differences), len(differences))


def difference(exact: Float[np.ndarray, "1 H W"], rounded: Float[np.ndarray, "1 H W"]) -> float:
    """Mean distance of two maps as a share of the exact one's range, after a least-squares scale and shift."""
    goal, source = exact.ravel().astype(np.float64), rounded.ravel().astype(np.float64)
    columns = np.stack([source, np.ones_like(source)], axis=1)
    fitted = columns @ np.linalg.lstsq(columns, goal)[0]
    return float(np.abs(fitted - goal).mean() / max(np.ptp(goal), np.finfo(np.float64).tiny))
