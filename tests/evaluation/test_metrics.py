"""The zero-shot protocol's scores against hand-made numbers."""

from __future__ import annotations

import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.evaluation.folder import Measured, scores_by_set
from openmidas.evaluation.metrics import fitted_scores

TARGET = np.random.default_rng(0).uniform(0.1, 2.0, (24, 32)).astype(np.float32)
ALL = np.ones(TARGET.shape, bool)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (40.0, 3.0), (0.01, -5.0)])
def test_any_scale_and_shift_of_the_truth_scores_perfectly(scale: float, shift: float) -> None:
    abs_rel, delta1 = fitted_scores(scale * TARGET + shift, TARGET, ALL)
    assert abs_rel == pytest.approx(0, abs=1e-4)
    assert delta1 == 1


def test_scores_by_hand() -> None:
    # a flat prediction is fitted to the mean inverse depth, 0.75 1/m: z = 4/3 m where truth is 1 m and 2 m
    target = np.array([[1.0, 0.5]], np.float32)
    abs_rel, delta1 = fitted_scores(np.ones((1, 2), np.float32), target, np.ones((1, 2), bool))
    assert abs_rel == pytest.approx((1 / 3 + 1 / 3) / 2)
    assert delta1 == 0


def test_fit_is_clamped_at_half_the_smallest_inverse_depth() -> None:
    # the line through the other points sends the last pixel below zero; clamped, its depth is 2 / 0.5 = 4 m
    target = np.array([[2.0, 1.5, 1.0, 0.5]], np.float32)
    prediction = np.array([[2.0, 1.5, 1.0, -3.0]], np.float32)
    slope, offset = np.polyfit(prediction[0], target[0], 1)
    fitted = np.maximum(slope * prediction + offset, 0.25)
    expected = float(np.mean(np.abs(target / fitted - 1)))
    assert fitted_scores(prediction, target, np.ones((1, 4), bool)).abs_rel == pytest.approx(expected)


def test_pixels_without_truth_do_not_count() -> None:
    wrong = TARGET.copy()
    wrong[:, :8] = 50.0
    assert fitted_scores(wrong, TARGET, ALL).abs_rel > 0.1
    assert fitted_scores(wrong, TARGET, np.arange(32)[None, :].repeat(24, 0) >= 8).abs_rel < 1e-4


def test_every_set_weighs_the_same() -> None:
    def truth(image: np.ndarray) -> DepthMap:
        return DepthMap.from_values(image[..., 0], "inverse_depth", "affine_invariant")

    ramp = np.tile(np.arange(10, 42, dtype=np.uint8), (24, 1))
    image = np.stack([ramp] * 3, axis=-1)
    good, bad = ramp.astype(np.float32), TARGET
    pictures = [Measured("a", image, good), Measured("a", image, good), Measured("b", image, bad)]
    scores = scores_by_set(truth, pictures)
    assert scores["a"].abs_rel == pytest.approx(0, abs=1e-4)
    assert scores["mean"].abs_rel == pytest.approx(scores["b"].abs_rel / 2, abs=1e-4)
