import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from openmidas.alignment import align, fit_scale_shift
from openmidas.depth_map import ConventionError, DepthMap

nan, inf = math.nan, math.inf
METHODS = ("least_squares", "robust", "ransac")
every_method = pytest.mark.parametrize("method", METHODS)
without_deadline = settings(deadline=None, max_examples=30)


def predicted(values, ambiguity="affine_invariant", quantity="inverse_depth"):
    return DepthMap.from_values(values, quantity, ambiguity)


def metric(values, quantity="inverse_depth"):
    return DepthMap.from_values(values, quantity, "metric")


def noise(seed, shape=(24, 32)):
    return np.random.default_rng(seed).random(shape, np.float32)


def close(value):
    return pytest.approx(value, rel=1e-4, abs=1e-4)


SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.floats(0.125, 8)
SHIFTS = st.floats(0, 4)


@every_method
@without_deadline
@given(SEEDS, SCALES, SHIFTS)
def test_align_recovers_scale_and_shift(method, seed, scale, shift):
    prediction = noise(seed)
    target = metric(scale * prediction + shift)
    assert fit_scale_shift(predicted(prediction), target, method) == (close(scale), close(shift))
    aligned = align(predicted(prediction), target, method)
    assert (aligned.quantity, aligned.ambiguity) == ("inverse_depth", "metric")
    np.testing.assert_allclose(aligned.values, target.values, rtol=1e-4, atol=1e-4)


@every_method
@without_deadline
@given(SEEDS, SCALES, st.floats(-4, 4))
def test_what_is_aligned_does_not_depend_on_the_predictions_scale_and_shift(method, seed, scale, shift):
    prediction, target = noise(seed), metric(noise(seed + 1) + 0.5)
    ours = align(predicted(prediction), target, method)
    theirs = align(predicted(scale * prediction.astype(np.float64) + shift), target, method)
    np.testing.assert_allclose(ours.values, theirs.values, atol=2e-3)


@every_method
@without_deadline
@given(SEEDS, SCALES)
def test_scale_invariant_predictions_get_a_scale_alone(method, seed, scale):
    prediction = noise(seed) + 0.25
    target = metric(scale * prediction)
    for ours in (
        predicted(prediction, "scale_invariant"),
        predicted(1 / prediction, "scale_invariant", "depth"),
    ):
        assert fit_scale_shift(ours, target, method) == (close(scale), 0)
        np.testing.assert_allclose(align(ours, target, method).values, target.values, rtol=1e-4)


@every_method
def test_metric_predictions_stay_in_their_metres(method):
    prediction, target = metric([[1.0, 2.0, inf]], "depth"), metric([[9.0, 1.0, 1.0]])
    assert align(prediction, target, method) == metric([[1.0, 0.5, 0.0]])
    assert align(prediction, predicted([[9.0, 1.0, 1.0]], "scale_invariant"), method).ambiguity == "metric"
    assert fit_scale_shift(prediction, target, method) == (1, 0)


@given(SEEDS)
def test_least_squares_is_what_numpy_finds(seed):
    prediction, goal = noise(seed), noise(seed + 1)
    columns = np.stack([prediction.ravel(), np.ones(prediction.size)], axis=1)
    expected = np.linalg.lstsq(columns, goal.ravel(), rcond=None)[0]
    assert fit_scale_shift(predicted(prediction), metric(goal)) == pytest.approx(tuple(expected), rel=1e-5)
    expected = np.linalg.lstsq(columns[:, :1], goal.ravel(), rcond=None)[0]
    assert fit_scale_shift(predicted(prediction, "scale_invariant"), metric(goal)) == pytest.approx(
        (expected[0], 0), rel=1e-5
    )


def test_least_squares_bears_a_large_offset():
    ramp = np.arange(64.0).reshape(8, 8)
    assert fit_scale_shift(predicted(2.0**20 + ramp), metric(ramp))[0] == pytest.approx(1, rel=1e-9)


def test_robust_by_hand():
    # medians 2 and 10, mean absolute deviations 1.2 and 7.2
    prediction, target = predicted([[0.0, 1, 2, 3, 4]]), metric([[4.0, 4, 10, 16, 28]])
    scale, shift = fit_scale_shift(prediction, target, "robust")
    assert (scale, shift) == (pytest.approx(6), pytest.approx(-2))
    # fitted at 0 is -2, which no inverse depth can be
    assert align(prediction, target, "robust").values.tolist() == [pytest.approx([0, 4, 10, 16, 22])]
    ratios = fit_scale_shift(
        predicted([[1.0, 1, 2, 0]], "scale_invariant"), metric([[3.0, 5, 20, 7]]), "robust"
    )
    assert ratios == (5, 0)


@without_deadline
@given(SEEDS, SCALES, SHIFTS, st.sampled_from(["affine_invariant", "scale_invariant"]))
def test_ransac_bears_two_fifths_of_outliers_and_least_squares_does_not(seed, scale, shift, ambiguity):
    prediction = noise(seed) + 0.1
    shift = shift if ambiguity == "affine_invariant" else 0
    goal = scale * prediction + shift
    wrong = noise(seed + 1) < 0.4
    goal[wrong] = 20 * noise(seed + 2)[wrong] ** 4
    fit = fit_scale_shift(predicted(prediction, ambiguity), metric(goal), "ransac")
    assert fit == (pytest.approx(scale, abs=0.05), pytest.approx(shift, abs=0.05))
    least = fit_scale_shift(predicted(prediction, ambiguity), metric(goal))
    off = [abs(s - scale) + abs(t - shift) for s, t in (fit, least)]
    assert off[0] < off[1]


def test_ransac_is_not_taken_in_by_a_sky_that_fits_anything():
    prediction = noise(0)
    goal = 2 * prediction
    goal[12:] = prediction[12:] = 0
    goal[:4] = 5
    goal[:12] += 0.02 * noise(1)[:12]
    assert fit_scale_shift(predicted(prediction), metric(goal), "ransac")[0] == pytest.approx(2, abs=0.1)


def test_ransac_gives_the_same_every_time():
    # two lines of equal weight: which pixels are drawn decides
    across, rough, up = (noise(seed, (100, 100)) for seed in range(3))
    goal = np.where(up < 0.5, across, 1 - across) + 0.2 * rough
    prediction, target = predicted(across), metric(goal)
    fits = {fit_scale_shift(prediction, target, "ransac") for _ in range(3)}
    assert len(fits) == 1


@pytest.mark.parametrize("method", ["least_squares", "ransac"])
def test_a_prediction_against_its_target_gets_a_negative_scale(method):
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    assert fit_scale_shift(predicted(-ramp), metric(ramp), method) == (close(-1), close(0))


@every_method
def test_only_pixels_valid_in_both_are_fitted(method):
    prediction = np.array([[0.0, 1.0, 2.0, 3.0, nan, 50.0]])
    goal = np.array([[1.0, 3.0, 5.0, 7.0, 99.0, nan]])
    assert fit_scale_shift(predicted(prediction), metric(goal), method) == (close(2), close(1))
    aligned = align(predicted(prediction), metric(goal), method)
    np.testing.assert_allclose(aligned.values, [[1, 3, 5, 7, nan, 101]], rtol=1e-5)
    assert aligned.valid.tolist() == [[True, True, True, True, False, True]]


@every_method
def test_a_depth_target_is_fitted_in_inverse_depth_with_its_sky(method):
    prediction, target = predicted([[0.0, 0.25, 0.5, 1.0]]), metric([[inf, 2.0, 1.0, 0.5]], "depth")
    assert fit_scale_shift(prediction, target, method) == (close(2), close(0))
    assert align(prediction, target, method).to_depth().values[0, 1:].tolist() == pytest.approx([2, 1, 0.5])


def test_fitted_values_below_zero_become_the_sky():
    aligned = align(predicted([[0.0, 1.0, 2.0, 3.0]]), metric([[nan, 0.5, 2.0, 3.5]]))
    assert aligned.values.tolist() == [[0, 0.5, 2, 3.5]]


@every_method
def test_a_prediction_of_another_size_gets_the_targets(method):
    across, down = np.meshgrid(np.arange(16) + 0.5, np.arange(12) + 0.5)
    plane = across + down
    goal = 3 * plane + 1
    # the outermost pixels have nothing beyond them to blend with, so they fit no plane
    goal[[0, -1]] = goal[:, [0, -1]] = nan
    coarse = predicted(plane.reshape(6, 2, 8, 2).mean(axis=(1, 3)))
    assert fit_scale_shift(coarse, metric(goal), method) == (close(3), close(1))
    aligned = align(coarse, metric(goal), method)
    assert aligned.shape == (12, 16)
    np.testing.assert_allclose(aligned.values[1:-1, 1:-1], goal[1:-1, 1:-1], rtol=1e-4)


def test_a_target_up_to_scale_gives_a_map_up_to_scale():
    target = DepthMap.from_values([[1.0, 3.0]], "inverse_depth", "scale_invariant")
    assert align(predicted([[0.0, 1.0]]), target) == target


@every_method
@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (predicted([[1.0, 1.0]]), metric([[1.0, 2.0]]), "1 at every valid pixel"),
        (predicted([[1.0, nan]]), metric([[1.0, 2.0]]), "1 pixels are valid in both"),
        (predicted([[1.0, nan]]), metric([[nan, 2.0]]), "0 pixels are valid in both"),
        (predicted([[nan]], "scale_invariant"), metric([[2.0]]), "0 pixels are valid in both"),
        (predicted([[0.0, 0.0]], "scale_invariant"), metric([[1.0, 2.0]]), "0 at every valid pixel"),
        (predicted([[1.0, 2.0]]), predicted([[1.0, 2.0]]), "affine"),
        (predicted([[1.0, 2.0]], quantity="depth"), metric([[1.0, 2.0]]), "affine-invariant depth"),
        (predicted([[3.0]]), metric([[1.0, 2.0]]), "3 at every valid pixel"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_one_line(prediction, target, message, method):
    for fit in (align, fit_scale_shift):
        with pytest.raises(ConventionError, match=message) as raised:
            fit(prediction, target, method)
        assert "\n" not in str(raised.value)


def test_unknown_methods_are_answered_with_the_known():
    with pytest.raises(ConventionError, match="'median' is not one of least_squares, robust, ransac"):
        align(predicted([[1.0, 2.0]]), metric([[1.0, 2.0]]), "median")


@every_method
@without_deadline
@given(st.lists(st.floats(0, 1e6, width=32), min_size=4, max_size=12), SEEDS)
def test_any_prediction_gives_a_depth_map_or_a_convention_error(method, values, seed):
    prediction = predicted([values])
    target = metric(noise(seed, (1, len(values))))
    assume(np.ptp(values) > 1e-3)
    aligned = align(prediction, target, method)
    assert aligned.valid.all()
    assert aligned.values.min() >= 0
