"""Every network sees its picture as its authors showed it pictures, and its numbers mean what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.evaluation.published import NETWORKS
from openmidas.files import read_image
from openmidas.models import PRESETS, NetworkPredictor, load
from openmidas.models.preprocess import network_shape, to_depth_map, to_network
from openmidas.models.presets import Resize
from openmidas.models.weights import CHECKPOINTS

SIZES = json.loads((Path(__file__).parent.parent / "networks" / "parity" / "input_sizes.json").read_text())
COFFEE = Path(__file__).parent.parent.parent / "examples" / "coffee.jpg"
NYU = PRESETS["dpt_hybrid_nyu"]


def test_every_checkpoint_has_a_preset_and_every_preset_but_the_embedded_one_a_checkpoint() -> None:
    assert set(PRESETS) == {"tiny", *CHECKPOINTS}
    assert [name for name, preset in PRESETS.items() if preset.path is not None] == ["tiny"]


def test_presets_agree_with_what_is_published_of_the_input() -> None:
    for name, network in NETWORKS.items():
        if network.side_px is not None:
            assert PRESETS[name].side_px == network.side_px
            assert (PRESETS[name].resize == "square") == network.square


@pytest.mark.parametrize(
    ("picture", "rule", "size"),
    [(picture, rule, size) for picture in SIZES for rule, size in SIZES[picture].items()],
)
def test_sizes_at_the_network_are_those_of_the_published_code(
    picture: str, rule: str, size: tuple[int, int]
) -> None:
    width, height = map(int, picture.split("x"))
    resize, _, side_px = rule.rpartition("_")
    assert network_shape((height, width), int(side_px), resize) == tuple(reversed(size))  # type: ignore[arg-type]


@pytest.mark.parametrize("side_px", [100, 112, 120])
def test_bounds_hold_for_sizes_that_are_no_multiple_of_32_too(side_px: int) -> None:
    assert max(network_shape((400, 600), side_px, "upper_bound")) == 96
    assert min(network_shape((400, 600), side_px, "lower_bound")) == 128


def test_square_networks_see_a_square() -> None:
    assert network_shape((480, 640), 224, "square") == (224, 224)


@pytest.mark.parametrize("resize", ["short_side", "lower_bound", "upper_bound", "minimal"])
def test_no_side_is_ever_nothing(resize: Resize) -> None:
    height, width = network_shape((320, 32), 32, resize)
    assert min(height, width) >= 32
    assert height % 32 == width % 32 == 0


@pytest.mark.parametrize("name", ["midas_v21_384", "dpt_large_384"])
def test_published_networks_see_floats_resampled_by_opencvs_bicubic(name: str) -> None:
    preset = PRESETS[name]
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    expected = cv2.resize(image / 255.0, (128, 96), interpolation=cv2.INTER_CUBIC)
    expected = (expected - np.array(preset.mean)) / np.array(preset.std)
    found = to_network(image, (96, 128), preset)
    assert found.dtype == np.float32
    assert found.max() > (1 - min(preset.mean)) / min(preset.std)  # overshoot is kept
    np.testing.assert_allclose(found[0], expected.transpose(2, 0, 1), atol=1e-4)


def test_a_large_jpeg_decoded_smaller_moves_the_depth_by_less_than_a_hundredth(tmp_path: Path) -> None:
    """For published networks too, which were shown single pixels of the full decode: twice their size is enough."""
    large = cv2.resize(cv2.imread(str(COFFEE)), (3600, 2400), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 4, large.shape)
    cv2.imwrite(str(tmp_path / "large.jpg"), (large + grain).clip(0, 255).astype(np.uint8))
    predict = load("tiny")
    predict = replace(predict, preset=replace(predict.preset, interpolation="bicubic"))
    reference = predict(read_image(tmp_path / "large.jpg")).values
    difference = np.abs(predict(tmp_path / "large.jpg").values - reference) / np.ptp(reference)
    assert 0 < difference.mean() < 0.01


def test_a_jpeg_not_four_times_the_networks_size_is_decoded_in_full(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "large.jpg"), noise)
    predict = NetworkPredictor(PRESETS["dpt_large_384"], 384, lambda pixels: pixels.mean(axis=1))
    whole, shape = predict.prepare(read_image(tmp_path / "large.jpg"))
    assert shape == (1200, 1600)
    np.testing.assert_array_equal(predict.prepare(tmp_path / "large.jpg")[0], whole)


def test_networks_that_know_metres_answer_in_metres() -> None:
    depth_map = to_depth_map(np.full((4, 6), 0.25, np.float32), (8, 12), NYU)
    assert (depth_map.quantity, depth_map.ambiguity) == ("depth", "metric")
    np.testing.assert_allclose(depth_map.values, 4.0)


def test_depth_at_an_edge_is_never_nearer_than_the_nearest() -> None:
    output = np.full((8, 8), 1 / 7, np.float32)
    output[:, 4:] = 2.0  # half a metre before seven
    depth_map = to_depth_map(output, (61, 61), NYU)
    assert depth_map.valid.all()
    assert depth_map.values.min() == 0.5


def test_numbers_that_are_depth_already_are_not_inverted() -> None:
    preset = replace(NYU, output="depth")
    np.testing.assert_allclose(to_depth_map(np.full((4, 6), 3, np.float32), (8, 12), preset).values, 3.0)
