"""Any ONNX network that describes itself predicts; what is none is refused in one line."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import weakref
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import openmidas
from openmidas.files import FileError
from openmidas.models.presets import EMBEDDED, PRESETS, described
from openmidas.training.labelling import label_photos
from openmidas.training.labels import read_label

ANY = [1, 3, "height", "width"]
PICTURE = np.random.default_rng(0).integers(0, 256, (80, 112, 3), dtype=np.uint8)


def brightness(
    path: Path, metadata: dict[str, str], shape: list[int | str] = ANY, numbers: int = TensorProto.FLOAT
) -> Path:
    """A network of somebody else: the mean of the channels, (1, 1, H, W)."""
    image = helper.make_tensor_value_info("picture", numbers, shape)
    mean = helper.make_tensor_value_info("mean", numbers, None)
    node = helper.make_node("ReduceMean", ["picture", "axes"], ["mean"], keepdims=1)
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    graph = helper.make_graph([node], "brightness", [image], [mean], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


@pytest.fixture
def metadata() -> dict[str, str]:
    """0 ... 255 as 0 ... 1, metres come out."""
    told = {"name": "brightness", "mean": "0 0 0", "std": "1 1 1", "side_px": "64", "resize": "short_side"}
    return described(PRESETS["tiny"]) | told | {"quantity": "depth", "ambiguity": "metric", "output": "depth"}


@pytest.mark.parametrize("numbers", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_a_network_of_ones_own_needs_nothing_but_its_metadata(
    tmp_path: Path, metadata: dict[str, str], numbers: int
) -> None:
    predict = openmidas.load(brightness(tmp_path / "own.onnx", metadata, numbers=numbers))
    depth_map = predict(np.full((64, 96, 3), 51, np.uint8))
    assert (depth_map.quantity, depth_map.ambiguity) == ("depth", "metric")
    np.testing.assert_allclose(depth_map.values, 0.2, rtol=1e-3)
    assert predict.preset.name == "brightness"


def test_a_network_of_one_size_gets_every_picture_in_it(tmp_path: Path, metadata: dict[str, str]) -> None:
    predict = openmidas.load(brightness(tmp_path / "own.onnx", metadata, [1, 3, 32, 96]))
    assert predict.prepare(PICTURE)[0].shape == (1, 3, 32, 96)
    assert predict(PICTURE).shape == PICTURE.shape[:2]
    with pytest.raises(ValueError, match="brightness takes 96×32 pixels only: leave the size out"):
        openmidas.load(tmp_path / "own.onnx", side_px=64)


def test_the_embedded_networks_file_describes_itself(tmp_path: Path) -> None:
    shutil.copy(EMBEDDED, tmp_path / "copy.onnx")
    predict = openmidas.load(tmp_path / "copy.onnx")
    np.testing.assert_array_equal(predict(PICTURE).values, openmidas.load("tiny")(PICTURE).values)


def test_a_predictor_travels_to_another_process() -> None:
    predict = openmidas.load("tiny")
    again = pickle.loads(pickle.dumps(predict))
    np.testing.assert_array_equal(again(PICTURE).values, predict(PICTURE).values)


def test_networks_that_nobody_uses_any_more_are_let_go(tmp_path: Path, metadata: dict[str, str]) -> None:
    files = [brightness(tmp_path / f"{number}.onnx", metadata) for number in range(4)]
    used, *others = (openmidas.load(file).run for file in files)
    sessions = [weakref.ref(engine.session) for engine in (used, *others)]
    assert openmidas.load(files[-1]).run.session is others[-1].session  # not opened again
    del others
    gc.collect()
    assert [session() is not None for session in sessions] == [True, False, True, True]


def test_a_file_written_anew_is_opened_anew(tmp_path: Path, metadata: dict[str, str]) -> None:
    path = brightness(tmp_path / "own.onnx", metadata)
    assert openmidas.load(path).preset.mean == (0, 0, 0)
    brightness(path, metadata | {"mean": "1 1 1"})
    os.utime(path, ns=(1, 1))
    assert openmidas.load(path).preset.mean == (1, 1, 1)


@pytest.mark.parametrize("shape", [[1, 4, "h", "w"], [1, 3, "w"], [8, 3, "h", "w"]])
def test_what_takes_no_pictures_is_refused(
    tmp_path: Path, metadata: dict[str, str], shape: list[int | str]
) -> None:
    path = brightness(tmp_path / "own.onnx", metadata, shape)
    with pytest.raises(FileError, match=r"own\.onnx: takes tensor\(float\) .*, not one picture") as caught:
        openmidas.load(path)
    assert "\n" not in str(caught.value)


def test_bytes_take_no_float_picture(tmp_path: Path, metadata: dict[str, str]) -> None:
    with pytest.raises(FileError, match=r"takes tensor\(int32\)"):
        openmidas.load(brightness(tmp_path / "own.onnx", metadata, numbers=TensorProto.INT32))


def test_what_is_no_network_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "page.onnx").write_text("<html>")
    with pytest.raises(
        FileError, match=r"page\.onnx: is no ONNX network that this ONNX Runtime opens"
    ) as caught:
        openmidas.load(tmp_path / "page.onnx")
    assert "\n" not in str(caught.value)
    with pytest.raises(FileError, match="no such file"):
        openmidas.load(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("device", "provider", "package"),
    [
        ("cuda", "CUDAExecutionProvider", "onnxruntime-gpu"),
        ("tensorrt", "TensorrtExecutionProvider", "onnxruntime-gpu"),
        ("openvino", "OpenVINOExecutionProvider", "onnxruntime-openvino"),
        ("directml", "DmlExecutionProvider", "onnxruntime-directml"),
        ("coreml", "CoreMLExecutionProvider", "onnxruntime"),
    ],
)
def test_a_device_works_or_says_what_to_install(device: str, provider: str, package: str) -> None:
    if provider in onnxruntime.get_available_providers():
        assert openmidas.load("tiny", device=device)(PICTURE).valid.all()
    else:
        with pytest.raises(ValueError, match=f"has no {device}: pip install {package}"):
            openmidas.load("tiny", device=device)


@pytest.mark.parametrize("shape", [ANY, [1, 3, 32, 96]])
def test_a_network_that_knows_metres_labels_by_their_inverse(
    tmp_path: Path, metadata: dict[str, str], shape: list[int | str]
) -> None:
    ramp = np.linspace(25, 255, 112)
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/a.png"), np.tile(ramp.astype(np.uint8)[:, None], (80, 1, 3)))
    own = brightness(tmp_path / "own.onnx", metadata, shape)
    assert label_photos(tmp_path / "photos", tmp_path / "labels", [own]) == 1
    values = read_label(tmp_path / "labels/a.png").mean(axis=0)
    assert np.corrcoef(values, 1 / ramp)[0, 1] > 0.95 > abs(np.corrcoef(values, ramp)[0, 1])


def test_depth_without_an_inverse_is_no_label(tmp_path: Path, metadata: dict[str, str]) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/a.png"), PICTURE)
    own = brightness(tmp_path / "own.onnx", metadata | {"ambiguity": "affine_invariant"})
    with pytest.raises(
        FileError, match=r"own\.onnx: says depth up to an unknown shift, which has no inverse"
    ):
        label_photos(tmp_path / "photos", tmp_path / "labels", [own])
    holes = brightness(tmp_path / "holes.onnx", metadata | {"mean": "nan 0 0"})
    with pytest.raises(ValueError, match="some pixels have no depth"):
        label_photos(tmp_path / "photos", tmp_path / "labels", [holes])
