"""A network that contradicts itself is caught, one that does not is left alone; and what that says of its errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.alignment import align
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.evaluation.consistency import LOOKS, Look, consistency
from openmidas.files.images import read_image
from openmidas.models import load
from openmidas.training.synthetic import FAMILIES, render

SHAPE = (75, 100)
EXAMPLES = Path(__file__).parents[2] / "examples"
Predict = Callable[[np.ndarray], DepthMap]


def answer(values: np.ndarray) -> DepthMap:
    return DepthMap.from_values(values, "inverse_depth", "affine_invariant")


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, (*SHAPE, 3), dtype=np.uint8)


def by_red(image: np.ndarray) -> DepthMap:
    """Sees the truth, pixel by pixel, on a scale of its own for every picture."""
    scale, shift = 1 + image.mean() / 50, image[0, 0, 1] / 7
    return answer(scale * image[..., 0] + shift)


def ranks(values: np.ndarray) -> np.ndarray:
    return values.ravel().argsort().argsort()


def in_turn(*maps: Sequence[Sequence[float] | np.ndarray]) -> Predict:
    """Answers that have nothing to do with what is shown."""
    left = iter(maps)
    return lambda image: answer(np.array(next(left)))


def test_who_sees_the_truth_on_any_scale_agrees_with_himself_everywhere() -> None:
    found = consistency(by_red, noise())
    assert found.disagreement.shape == SHAPE
    assert found.disagreement.max() < 1e-5
    assert (found.order_flips, found.answer) == (0, by_red(noise()))


def test_metric_depth_is_judged_as_well() -> None:
    def depth(image: np.ndarray) -> DepthMap:
        return DepthMap.from_values(image[0, 0, 1] / image[..., 0].astype(float), "depth", "metric")

    assert consistency(depth, noise()).disagreement.max() < 1e-5


def test_an_answer_of_another_size_is_brought_to_what_was_shown() -> None:
    smooth = np.add.outer(np.arange(75), np.arange(100))[..., None].repeat(3, 2).astype(np.uint8)
    found = consistency(lambda image: answer(image[::5, ::5, 0].astype(float)), smooth)
    assert found.answer.shape == SHAPE
    assert found.median < 0.03


def test_two_answers_by_hand() -> None:
    # both have median 2 and mean absolute deviation 1.2, so the fit leaves them as they are
    looks = (Look((0, 1), (0, 1), False), Look((0, 1), (0, 1), True))
    mirrored = [[3, 4, 2, 1, 0]]
    found = consistency(in_turn([[0, 1, 2, 3, 4]], mirrored), np.zeros((1, 5, 3), np.uint8), looks)
    span = 3.5 - 0.04  # from the 1st to the 99th percentile of their median 0, 1, 2, 3.5, 3.5
    np.testing.assert_allclose(found.disagreement, np.array([[0, 0, 0, 1, 1]]) / span, rtol=1e-5)
    # of 25 ordered pairs the last two pixels make 2
    assert found.order_flips == pytest.approx(2 / 25, abs=0.005)


def test_pixels_as_far_as_each_other_have_no_order_to_change() -> None:
    looks = (Look((0, 1), (0, 1), False), Look((0, 1), (0, 1), False))
    ramp, wave = np.arange(100.0), np.tile([0.3, -0.3], 50)
    small = consistency(in_turn([ramp + 2 * wave], [ramp - 2 * wave]), np.zeros((1, 100, 3), np.uint8), looks)
    large = consistency(in_turn([ramp + 9 * wave], [ramp - 9 * wave]), np.zeros((1, 100, 3), np.uint8), looks)
    assert small.order_flips == 0
    assert large.order_flips > 0


def test_around_the_picture_stands_its_mirror_image() -> None:
    shown: list[np.ndarray] = []

    def remembered(image: np.ndarray) -> DepthMap:
        shown.append(image)
        return by_red(image)

    image = noise()
    consistency(remembered, image, (LOOKS[0], Look((-0.2, 1.2), (-0.1, 1.1), False)))
    expected = cv2.copyMakeBorder(image, 15, 15, 10, 10, cv2.BORDER_REFLECT)
    np.testing.assert_array_equal(shown[1], expected)


def test_whoever_answers_by_place_is_caught_in_the_mirror() -> None:
    def left_is_near(image: np.ndarray) -> DepthMap:
        return answer(np.repeat(np.arange(image.shape[1], 0, -1.0)[None], len(image), axis=0))

    found = consistency(left_is_near, noise())
    assert found.median > 0.1
    assert found.order_flips > 0.5


def test_what_is_made_up_anew_each_time_stands_out() -> None:
    image = noise()
    image[20:40, 30:60, 2] = 255  # where blue is full, the answer is made up
    image[..., 2] = np.where(image[..., 2] == 255, 255, 0)
    chance = np.random.default_rng(0)

    def sometimes_made_up(shown: np.ndarray) -> DepthMap:
        made_up = chance.uniform(0, 255, shown.shape[:2])
        return answer(np.where(shown[..., 2] == 255, made_up, shown[..., 0]))

    disagreement = consistency(sometimes_made_up, image).disagreement
    inside = image[..., 2] == 255
    assert np.median(disagreement[inside]) > 10 * np.median(disagreement[~inside])


def test_pixels_that_only_one_look_shows_have_no_disagreement() -> None:
    looks = (Look((0, 1), (0, 1), False), Look((0, 1), (0, 0.5), True))
    known = np.isfinite(consistency(by_red, noise(), looks).disagreement)
    assert not known[:, 50:].any()
    assert known[:, :49].all()


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_is_brought_back_to_the_pixel(look: Look) -> None:
    plain = Look((0, 1), (0, 1), False)
    assert np.nanmax(consistency(by_red, noise(), (plain, look)).disagreement) < 1e-5


@pytest.mark.parametrize(
    ("predict", "words"),
    [
        (lambda image: answer(np.ones(image.shape[:2])), "as far"),
        (lambda image: answer(np.full(image.shape[:2], np.nan)), "no valid pixel"),
        (
            lambda image: DepthMap.from_values(image[..., 0] * 1.0, "depth", "affine_invariant"),
            "affine-invariant depth",
        ),
    ],
)
def test_nothing_to_compare_is_said(predict: Predict, words: str) -> None:
    with pytest.raises(ConventionError, match=words):
        consistency(predict, noise())


def test_where_the_network_disagrees_with_itself_it_is_wrong_more_often() -> None:
    # rank correlation of disagreement and error, pixel by pixel; over 100 such scenes it was 0.30
    predict, textures = load(threads=1), [read_image(path) for path in sorted(EXAMPLES.glob("*.jpg"))]
    correlations = []
    for seed in range(10):
        image, truth = render(list(FAMILIES)[seed % len(FAMILIES)], 930_000 + seed, (180, 240), textures)
        error = np.abs(align(predict(image), truth).values - truth.values)
        found = consistency(predict, image)
        correlations.append(np.corrcoef(ranks(found.disagreement), ranks(error))[0, 1])
    assert np.mean(correlations) > 0.15
