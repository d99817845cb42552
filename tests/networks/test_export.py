"""Published networks as ONNX files: equal to PyTorch, at any size they take, in half precision, in 8 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from rule import stored_weights

import openmidas
from openmidas.files import FileError, read_image
from openmidas.models.presets import PRESETS, described
from openmidas.networks import load
from openmidas.networks.decoder import DepthNetwork
from openmidas.networks.export import error_of_rounding, export_onnx, in_head
from openmidas.networks.quantise import difference, quantise

SMALL = "midas_v21_small_256"
METADATA = described(PRESETS[SMALL]) | {"licence": "MIT"}
EXAMPLES = sorted((Path(__file__).parent.parent.parent / "examples").glob("*.jpg"))

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter deprecates its own internals


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> DepthNetwork:
    path = tmp_path_factory.mktemp("weights") / "small.pt"
    torch.save(stored_weights(SMALL), path)
    return load(SMALL, path)


@pytest.fixture(scope="module")
def exported(network: DepthNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "small.onnx"
    assert export_onnx(network, path, METADATA, [(96, 128)]) < 1e-5
    return path


def run(path: Path, image: torch.Tensor) -> np.ndarray:
    (output,) = onnxruntime.InferenceSession(path).run(None, {"image": image.numpy()})
    return output


def expected(network: DepthNetwork, image: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return network(image).numpy()


@pytest.mark.parametrize("shape", [(32, 32), (224, 64), (256, 256)])
def test_sizes_that_were_never_traced_agree_with_pytorch(
    network: DepthNetwork, exported: Path, shape: tuple[int, int]
) -> None:
    image = torch.randn(1, 3, *shape)
    output, wanted = run(exported, image), expected(network, image)
    assert np.linalg.norm(output - wanted) < 1e-4 * np.linalg.norm(wanted)


def test_the_file_says_what_is_needed_to_use_it(exported: Path) -> None:
    model = onnx.load(exported)
    assert {entry.key: entry.value for entry in model.metadata_props} == METADATA
    assert model.opset_import[0].version == 18
    predict = openmidas.load(exported)
    assert (predict.preset.mean, predict.preset.resize) == (PRESETS[SMALL].mean, "upper_bound")
    depth_map = predict(EXAMPLES[0])
    assert (depth_map.quantity, depth_map.ambiguity) == ("inverse_depth", "affine_invariant")


def test_the_exporters_notes_are_left_out(exported: Path) -> None:
    graph = onnx.load(exported).graph
    notes = {entry.key for node in graph.node for entry in node.metadata_props}
    assert notes <= {"pkg.torch.onnx.name_scopes"}
    assert not graph.metadata_props  # else two exports of one network differ by the order of a set


def test_half_precision_is_everywhere_but_in_the_head(network: DepthNetwork, tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    assert 1e-5 < export_onnx(network, path, METADATA, [(64, 96)], numbers="float16") < 3e-3
    model = onnx.load(path)
    half = {tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16}
    for node in model.graph.node:
        if node.op_type == "Conv":
            assert (node.input[1] in half) != in_head(node), node.name
    assert sum(in_head(node) and node.op_type == "Conv" for node in model.graph.node) == 3


def test_a_network_of_one_size_is_exported_for_it(tmp_path: Path) -> None:
    torch.save(stored_weights("dpt_levit_224"), tmp_path / "levit.pt")
    network, preset = load("dpt_levit_224", tmp_path / "levit.pt"), PRESETS["dpt_levit_224"]
    error = export_onnx(network, tmp_path / "levit.onnx", described(preset), [(224, 224)], any_shape=False)
    assert error < 1e-4
    assert openmidas.load(tmp_path / "levit.onnx").preset.fixed == (224, 224)


def test_a_file_that_differs_from_pytorch_is_not_written(tmp_path: Path) -> None:
    class Fickle(torch.nn.Module):
        """Something else while it is traced."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 0] if torch.compiler.is_compiling() else x[:, 0] + 1

    with pytest.raises(FileError, match=r"fickle\.onnx: was not written: ONNX Runtime and PyTorch differ by"):
        export_onnx(Fickle(), tmp_path / "fickle.onnx", {}, [(64, 96)])
    assert list(tmp_path.iterdir()) == []


def test_weights_that_magnify_rounding_are_judged_by_what_double_precision_changes(tmp_path: Path) -> None:
    class Chaotic(torch.nn.Module):
        """A product of wide sums, magnified until only its rounding is left."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mean = x[:, 0].mean(dim=(1, 2), keepdim=True)
            return torch.sin(1e6 * (x[:, 0] + x[:, 1] * 0.37 + mean)) + 2

    path = tmp_path / "chaotic.onnx"
    error = export_onnx(Chaotic(), path, {}, [(64, 96)])
    assert 1e-4 < error <= 2 * error_of_rounding(Chaotic(), [(64, 96)])
    assert path.exists()


def test_distance_is_a_share_of_the_range_whatever_scale_and_shift() -> None:
    exact = np.linspace(0, 10, 11, dtype=np.float32).reshape(1, 1, 11)
    assert difference(exact, 3 * exact - 7) == pytest.approx(0, abs=1e-6)
    # 0 1 0 1 ... fits 0 1 2 3 ... only by its mean, 5, nearly: 30 / 11 away on average, of a range of 10
    zigzag = (exact % 2).astype(np.float32)
    assert difference(exact, zigzag) == pytest.approx(30 / 11 / 10, rel=0.01)


def test_eight_bits_take_a_quarter_of_the_space_and_say_what_they_cost(
    exported: Path, tmp_path: Path
) -> None:
    loss = quantise(exported, tmp_path / "int8.onnx", EXAMPLES)
    assert loss.pictures == len(EXAMPLES) // 2
    assert 0 < loss.mean <= loss.worst < 0.05
    assert (tmp_path / "int8.onnx").stat().st_size < 0.35 * exported.stat().st_size
    rounded, exact = openmidas.load(tmp_path / "int8.onnx"), openmidas.load(exported)
    assert rounded.preset.mean == exact.preset.mean
    pixels = exact.prepare(read_image(EXAMPLES[1]))[0]
    assert difference(exact.run(pixels), rounded.run(pixels)) < 0.1
