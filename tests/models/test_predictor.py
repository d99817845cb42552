"""The embedded network through its public door: any size, any picture, the same numbers every time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import openmidas
from openmidas.files import read_image
from openmidas.models import NetworkPredictor
from openmidas.models.preprocess import network_shape, to_network

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
COFFEE = EXAMPLES / "coffee.jpg"


@pytest.fixture(scope="module")
def predict() -> NetworkPredictor:
    return openmidas.load("tiny")


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (64, 640), (640, 64), (480, 640), (1000, 300)])
def test_any_size_and_aspect_up_to_one_to_ten(predict: NetworkPredictor, shape: tuple[int, int]) -> None:
    depth_map = predict(noise(*shape))
    assert depth_map.shape == shape
    assert (depth_map.quantity, depth_map.ambiguity) == ("inverse_depth", "affine_invariant")
    assert depth_map.valid.all()


@pytest.mark.parametrize(
    "image", [np.zeros((90, 120, 3), np.uint8), np.full((90, 120, 3), 255, np.uint8), noise(90, 120)]
)
def test_black_white_and_noise_give_finite_values_that_are_never_negative(
    predict: NetworkPredictor, image: np.ndarray
) -> None:
    values = predict(image).values
    assert np.isfinite(values).all()
    assert values.min() >= 0


def test_sixteen_bit_pictures_are_taken(predict: NetworkPredictor, tmp_path: Path) -> None:
    gray = np.asarray(Image.open(COFFEE).convert("L")).astype(np.uint16) * 257
    Image.fromarray(gray).save(tmp_path / "gray16.png")
    from_16_bit = predict(tmp_path / "gray16.png").values
    eight = np.stack([(gray // 257).astype(np.uint8)] * 3, axis=-1)
    np.testing.assert_allclose(from_16_bit, predict(eight).values, rtol=1e-3, atol=1e-3)


def test_same_picture_same_numbers_from_any_thread(predict: NetworkPredictor) -> None:
    image = read_image(COFFEE)
    expected = predict(image).values
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: predict(image).values, range(8)))
    assert all(np.array_equal(answer, expected) for answer in answers)


def test_path_picture_and_array_agree(predict: NetworkPredictor) -> None:
    from_array = predict(read_image(COFFEE)).values
    np.testing.assert_array_equal(predict(COFFEE).values, from_array)
    np.testing.assert_array_equal(predict(str(COFFEE)).values, from_array)
    with Image.open(COFFEE) as picture:
        np.testing.assert_array_equal(predict(picture).values, from_array)


def test_reduced_decoding_of_a_large_jpeg_hardly_changes_the_depth(
    predict: NetworkPredictor, tmp_path: Path
) -> None:
    with Image.open(COFFEE) as picture:
        picture.resize((2400, 1600), Image.Resampling.BICUBIC).save(tmp_path / "large.jpg", quality=92)
    reduced = predict(tmp_path / "large.jpg").values
    full = predict(read_image(tmp_path / "large.jpg")).values
    assert reduced.shape == full.shape == (1600, 2400)
    assert np.mean(np.abs(reduced - full)) < 0.02 * np.ptp(full)


def test_near_things_are_near_in_the_shipped_photographs(predict: NetworkPredictor) -> None:
    # the cup's saucer and the table's front edge against the far background; the astronaut against the shuttle
    coffee = predict(COFFEE).values
    assert np.median(coffee[300:380, 200:400]) > np.median(coffee[:40])
    astronaut = predict(EXAMPLES / "astronaut.jpg").values
    assert np.median(astronaut[300:500, 120:330]) > np.median(astronaut[:150, 380:])


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 1), "at least 32×32"), ((31, 200), "at least 32×32"), ((40, 401), "longer than 1:10")],
)
def test_pictures_too_small_or_too_long_are_refused(
    predict: NetworkPredictor, shape: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        predict(noise(*shape))


def test_other_arrays_are_refused(predict: NetworkPredictor) -> None:
    with pytest.raises(ValueError, match="uint8 RGB"):
        predict(np.zeros((64, 64, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="uint8 RGB"):
        predict(np.zeros((64, 64), np.uint8))  # type: ignore[arg-type]


def test_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no model is called 'huge': there are tiny"):
        openmidas.load("huge")


def test_sizes_and_devices_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="dpt_levit_224 takes 224×224 pixels only, not 256"):
        openmidas.load("dpt_levit_224", side_px=256)
    with pytest.raises(ValueError, match=r"tiny runs on cpu, cuda, .*openvino, not on 'mps'"):
        openmidas.load("tiny", device="mps")
    with pytest.raises(ValueError, match="dpt_levit_224 runs on cpu, cuda, mps, not on 'openvino'"):
        openmidas.load("dpt_levit_224", device="openvino")


def test_precision_and_compiling_are_of_pytorch() -> None:
    for running in ({"precision": "float16"}, {"compiles": True}):
        with pytest.raises(ValueError, match="tiny computes as it was exported"):
            openmidas.load("tiny", **running)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((480, 640), (256, 352)), ((640, 480), (352, 256)), ((375, 1242), (256, 832)), ((32, 32), (256, 256))],
)
def test_network_shape_keeps_the_aspect_in_multiples_of_32(
    shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert network_shape(shape, 256) == expected


def test_network_input_spans_minus_one_to_one_in_rgb_order(predict: NetworkPredictor) -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0] = 255
    pixels = to_network(image, (32, 32), predict.preset)
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels[0, :, 5, 5], [1, -1, -1])
