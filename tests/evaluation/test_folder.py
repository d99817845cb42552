"""A folder of measured pictures, and the scores that training logs, against hand-made numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openmidas.depth_map import Ambiguity, ConventionError, DepthMap
from openmidas.evaluation.folder import Measured, read_measured, scores_by_set
from openmidas.evaluation.metrics import fitted_scores

TRUTH = np.random.default_rng(0).uniform(0.1, 2.0, (24, 32)).astype(np.float32)


def inverse_depth(values: object, ambiguity: Ambiguity, valid: object = None) -> DepthMap:
    return DepthMap.from_values(np.asarray(values, np.float32), "inverse_depth", ambiguity, valid)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (40.0, 3.0), (0.01, -5.0)])
def test_any_scale_and_shift_of_the_truth_scores_perfectly(scale: float, shift: float) -> None:
    scores = fitted_scores(
        inverse_depth(scale * TRUTH + shift, "affine_invariant"), inverse_depth(TRUTH, "metric")
    )
    assert scores.abs_rel == pytest.approx(0, abs=1e-4)
    assert scores.delta1 == 1


def test_scores_by_hand() -> None:
    # two levels are fitted to their means: 0.75 1/m where truth is 1 m and 2 m, and exactly 0.25 1/m, 4 m
    target = inverse_depth([[1.0, 0.5, 0.25]], "metric")
    scores = fitted_scores(inverse_depth([[7.0, 7.0, 3.0]], "affine_invariant"), target)
    assert scores.abs_rel == pytest.approx((1 / 3 + 1 / 3 + 0) / 3)
    assert scores.delta1 == pytest.approx(1 / 3)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_is_scored_as_the_mean_of_the_inverse_depth(value: float) -> None:
    # whatever the scale, least squares leave it the shift alone: 1.75 / 3 1/m, so 12/7 m
    target = inverse_depth([[1.0, 0.5, 0.25, 9.0]], "metric", [[True, True, True, False]])
    scores = fitted_scores(inverse_depth(np.full((1, 4), value), "affine_invariant"), target)
    assert scores.abs_rel == pytest.approx((5 / 7 + 1 / 7 + 4 / 7) / 3)
    assert scores.delta1 == pytest.approx(1 / 3)


def test_a_constant_with_holes_is_not_scored() -> None:
    target = inverse_depth([[1.0, 0.5, 0.25]], "metric")
    with pytest.raises(ConventionError, match="above 0 and finite"):
        fitted_scores(inverse_depth([[7.0, np.nan, 7.0]], "affine_invariant"), target)


def test_fit_is_clamped_at_half_the_smallest_inverse_depth() -> None:
    # a line but for the last pixel, which the fit sends below zero; clamped, it is at 1 / 0.25 m
    truth, prediction = np.append(np.arange(1, 9) / 2, 0.5), np.append(np.arange(8.0), -3)
    slope, offset = np.polyfit(prediction, truth, 1)
    fitted = slope * prediction + offset
    assert fitted[-1] < 0
    expected = np.mean(np.abs(truth / np.maximum(fitted, 0.25) - 1))
    scores = fitted_scores(inverse_depth([prediction], "affine_invariant"), inverse_depth([truth], "metric"))
    assert scores.abs_rel == pytest.approx(expected, rel=1e-5)


def test_pixels_without_truth_do_not_count() -> None:
    wrong = TRUTH.copy()
    wrong[:, :8] = 50.0
    known = np.arange(32)[None, :].repeat(24, 0) >= 8
    prediction = inverse_depth(wrong, "affine_invariant")
    assert fitted_scores(prediction, inverse_depth(TRUTH, "metric")).abs_rel > 0.1
    assert fitted_scores(prediction, inverse_depth(TRUTH, "metric", known)).abs_rel < 1e-4


def test_sky_is_no_truth_to_measure_by() -> None:
    sky = np.where(TRUTH < 0.3, 0, TRUTH)
    known = inverse_depth(TRUTH, "metric", TRUTH >= 0.3)
    prediction = inverse_depth(np.sqrt(TRUTH), "metric")
    assert fitted_scores(prediction, inverse_depth(sky, "metric")) == fitted_scores(prediction, known)


def test_every_set_weighs_the_same() -> None:
    ramp = np.tile(np.arange(10, 42, dtype=np.uint8), (24, 1))
    image = np.stack([ramp] * 3, axis=-1)
    good, bad = inverse_depth(ramp, "metric"), inverse_depth(TRUTH, "metric")
    pictures = [Measured("a", image, good), Measured("a", image, good), Measured("b", image, bad)]
    scores = scores_by_set(lambda image: inverse_depth(image[..., 0], "affine_invariant"), pictures)
    assert scores["a"].abs_rel == pytest.approx(0, abs=1e-4)
    assert scores["b"].abs_rel > 0.1
    assert scores["mean"].abs_rel == pytest.approx(scores["b"].abs_rel / 2, abs=1e-4)


def test_folder_gives_pictures_targets_and_their_meaning(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("name,set,target\none,rooms,metric\ntwo,still,disparity\n")
    values = np.where(TRUTH > 1, TRUTH, 0).astype(np.float16)
    for name in ("one", "two"):
        Image.new("RGB", (32, 24), (10, 20, 30)).save(tmp_path / f"{name}.webp", lossless=True)
        np.savez(tmp_path / f"{name}_target.npz", inverse_depth=values)
    one, two = read_measured(tmp_path)
    assert (one.set_name, one.target.ambiguity, two.target.ambiguity) == (
        "rooms",
        "metric",
        "scale_invariant",
    )
    assert one.image[0, 0].tolist() == [10, 20, 30]
    np.testing.assert_array_equal(one.target.valid, values > 0)
