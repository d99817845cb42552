"""One picture by a rule, against plain loops, closed forms, and all that must not count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from openmidas.depth_map import Ambiguity, ConventionError, DepthMap, Quantity
from openmidas.evaluation.metrics import fitted_scores
from openmidas.evaluation.protocols import Crop, Rule
from openmidas.evaluation.scoring import COUNTED_METRICS, MAP_METRICS, fit, measure, score, score_group
from openmidas.training.datasets.entry import OrdinalPairs, View

RNG = np.random.default_rng(0)
DEPTH = np.exp(RNG.uniform(0, 3, (24, 32))).astype(np.float32)
ALL = (*COUNTED_METRICS, *(name for names in MAP_METRICS for name in names))
RULE = Rule("rooms", "nyu", ("AbsRel", "δ<1.25"), "inverse_depth", max_m=80, cap_m=80)
UNALIGNED = replace(RULE, alignment="none")


def depth_map(values: object, quantity: Quantity, ambiguity: Ambiguity, valid: Any = None) -> DepthMap:
    return DepthMap.from_values(np.asarray(values, np.float32), quantity, ambiguity, valid)


def affine(values: object) -> DepthMap:
    return depth_map(values, "inverse_depth", "affine_invariant")


def metres(values: object, valid: Any = None) -> DepthMap:
    return depth_map(values, "depth", "metric", valid)


def measured(prediction: DepthMap, target: DepthMap, rule: Rule, metrics: Sequence[str]) -> dict[str, float]:
    return measure(fit(prediction, target, rule), metrics)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["inverse_depth", "depth"]), st.booleans())
@settings(max_examples=60)
def test_scores_agree_with_plain_loops(seed: int, space: Quantity, cropped: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(4, 12)), int(rng.integers(4, 12))
    target = metres(np.exp(rng.uniform(-1, 3, shape)), rng.random(shape) < 0.8)
    prediction = depth_map(rng.normal(0, 3, shape), space, "affine_invariant")
    crop = Crop((1, shape[0] - 1), (2, shape[1]), "px") if cropped else None
    rule = replace(RULE, alignment=space, min_m=0.5, max_m=15, crop=crop)
    inside = np.zeros(shape, bool)
    inside[slice(1, -1) if cropped else slice(None), slice(2, None) if cropped else slice(None)] = True
    depth = target.values.astype(np.float64)
    counted = inside & target.valid & (depth > 0.5) & (depth < 15)
    if np.count_nonzero(counted) < 3:
        return
    fitted = reference.fitted_depth(prediction.values, depth, counted, space, (0.5, 80))
    expected = reference.metrics(fitted[counted], depth[counted])
    assert measured(prediction, target, rule, tuple(expected)) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert score(prediction, target, rule) == pytest.approx({name: expected[name] for name in rule.metrics})


def test_a_rule_without_a_cap_clamps_there_by_hand() -> None:
    # a line but for the last pixel, which the fit sends below zero; clamped, it is at 1 / 0.25 m
    truth, prediction = np.append(np.arange(1, 9) / 2, 0.5), np.append(np.arange(8.0), -3)
    slope, offset = np.polyfit(prediction, truth, 1)
    fitted = slope * prediction + offset
    assert fitted[-1] < 0
    expected = np.mean(np.abs(truth / np.maximum(fitted, 0.25) - 1))
    target = depth_map([truth], "inverse_depth", "metric")
    found = score(affine([prediction]), target, replace(RULE, max_m=math.inf, cap_m=None))
    assert found["AbsRel"] == pytest.approx(expected, rel=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_a_rule_without_a_cap_clamps_at_half_the_smallest_inverse_depth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, prediction = rng.uniform(0.1, 2, (6, 7)), affine(rng.normal(0, 1, (6, 7)))
    target = depth_map(truth, "inverse_depth", "scale_invariant", truth > 0.3)
    rule = replace(RULE, max_m=math.inf, cap_m=None)
    depth = 1 / target.values.astype(np.float64)
    fitted = reference.fitted_depth(
        prediction.values, depth, target.valid, "inverse_depth", (1e-6, 2 * depth[target.valid].max())
    )
    expected = reference.metrics(fitted[target.valid], depth[target.valid])
    found = score(prediction, target, rule)
    assert found == pytest.approx({name: expected[name] for name in rule.metrics}, rel=1e-9)
    assert tuple(fitted_scores(prediction, target)) == pytest.approx(tuple(found.values()), rel=1e-5)


# with few digits, and by powers of two, float32 holds every scale and shift exactly
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (32.0, 3.0), (1 / 64, -5.0), (-2.0, 1.0)])
@pytest.mark.parametrize("space", ["inverse_depth", "depth"])
def test_any_scale_and_shift_of_the_truth_scores_perfectly(
    space: Quantity, scale: float, shift: float
) -> None:
    values = np.random.default_rng(1).integers(8, 256, (24, 32)) / 64
    prediction = depth_map(scale * values + shift, space, "affine_invariant")
    scores = measured(prediction, depth_map(values, space, "metric"), replace(RULE, alignment=space), ALL)
    assert scores == pytest.approx(
        {name: float(name.startswith(("δ", "boundary"))) for name in ALL}, abs=1e-6
    )


def test_a_map_of_metres_that_is_a_tenth_too_far_scores_its_closed_form() -> None:
    z = DEPTH.astype(np.float64)
    assert measured(metres(1.1 * z), metres(z), UNALIGNED, tuple(COUNTED_METRICS)) == pytest.approx(
        {
            "AbsRel": 0.1,
            "SqRel": 0.01 * z.mean(),
            "RMSE": 0.1 * math.sqrt((z**2).mean()),
            "RMSE log": math.log(1.1),
            "log10": math.log10(1.1),
            "SILog": 0,
            "δ<1.25": 1,
            "δ<1.25²": 1,
            "δ<1.25³": 1,
            "% δ>1.25": 0,
            "ordinal error": 0,
        },
        rel=1e-6,
        abs=1e-5,
    )


def test_what_is_metric_is_fitted_where_the_rule_fits_and_taken_as_it_is_where_not() -> None:
    prediction, target = metres(1.3 * DEPTH), metres(DEPTH)
    assert score(prediction, target, RULE)["AbsRel"] == pytest.approx(0, abs=1e-6)
    assert score(prediction, target, UNALIGNED)["AbsRel"] == pytest.approx(0.3, abs=1e-6)
    inverse = depth_map(1 / (1.3 * DEPTH), "inverse_depth", "metric")
    assert score(inverse, target, UNALIGNED)["AbsRel"] == pytest.approx(0.3, abs=1e-6)


def test_affine_inverse_depth_is_fitted_in_inverse_depth_even_where_the_rule_says_depth() -> None:
    prediction = affine(3 / DEPTH - 1)
    assert score(prediction, metres(DEPTH), replace(RULE, alignment="depth"))["AbsRel"] < 1e-5
    curved = depth_map(1 / DEPTH, "inverse_depth", "scale_invariant")
    bent = replace(RULE, alignment="inverse_depth")
    assert score(depth_map(DEPTH + 3, "depth", "scale_invariant"), metres(DEPTH), bent)["AbsRel"] > 0.01
    assert score(curved, metres(DEPTH + 3), replace(RULE, alignment="depth"))["AbsRel"] < 1e-5


def test_caps_clamp_the_prediction_and_limits_choose_the_pixels() -> None:
    target = metres([[1.0, 2.0, 4.0, 50.0]])
    prediction = metres([[0.1, 2.0, 40.0, 1.0]])
    rule = replace(UNALIGNED, metrics=("AbsRel",), min_m=0.5, max_m=10, cap_m=8)
    # 50 m is beyond the limit; 0.1 m becomes 0.5 m, 40 m becomes 8 m
    assert score(prediction, target, rule)["AbsRel"] == pytest.approx((0.5 + 0 + 1) / 3)
    on_the_limit = metres([[0.5, 2.0, 4.0, 10.0]])
    assert score(prediction, on_the_limit, rule)["AbsRel"] == pytest.approx((0 + 1) / 2)


def test_sky_in_a_prediction_stands_at_the_cap() -> None:
    rule = replace(UNALIGNED, metrics=("AbsRel",), cap_m=8)
    assert score(metres([[np.inf, 2.0]]), metres([[4.0, 2.0]]), rule)["AbsRel"] == pytest.approx(0.5)


def test_only_what_the_crop_leaves_is_fitted_and_measured() -> None:
    wrong = 1 / DEPTH
    wrong[:, :8] = 7
    rule = replace(RULE, crop=Crop((0, 24), (8, 32), "px"))
    assert score(affine(wrong), metres(DEPTH), rule)["AbsRel"] < 1e-5
    assert score(affine(wrong), metres(DEPTH), RULE)["AbsRel"] > 0.1


def test_a_prediction_is_resized_as_the_protocol_says() -> None:
    small = np.random.default_rng(4).uniform(0.2, 1, (9, 12))
    truth = 1 / reference.resized(small, (24, 32))
    assert score(affine(small), metres(truth), RULE)["AbsRel"] == pytest.approx(0, abs=1e-6)


def test_boundaries_see_the_sky_at_the_cap_and_edges_need_a_whole_target() -> None:
    roof = np.full((12, 12), 5.0)
    roof[:5] = np.inf
    found = measured(
        metres(np.where(roof > 5, 80, roof)), metres(roof), UNALIGNED, ("boundary F1", "edge accuracy")
    )
    assert found == pytest.approx({"boundary F1": 1, "edge accuracy": 0})
    holes = metres(roof, np.arange(144).reshape(12, 12) != 100)
    roof[8, 4] = 2.0  # where nothing is known, an edge is neither right nor wrong
    assert measured(metres(roof), holes, UNALIGNED, ("boundary F1",)) == {"boundary F1": 1}
    with pytest.raises(ConventionError, match="everywhere"):
        measured(metres(roof), holes, UNALIGNED, ("edge accuracy",))


def test_a_cap_at_infinity_keeps_fitted_inverse_depth_from_0() -> None:
    rule = replace(RULE, max_m=math.inf, cap_m=math.inf)
    # inverse depth is the prediction and 1; the last one, of which nothing is known, would be behind the camera
    target = metres([[1.0, 0.5, 4.0]], np.array([[True, True, False]]))
    assert fit(affine([[0.0, 1.0, -9.0]]), target, rule).depth == pytest.approx(np.array([[1, 0.5, 1000]]))


def test_ordinal_pairs_need_no_fit() -> None:
    pairs = OrdinalPairs(np.array([[0, 0], [5, 7]]), np.array([[5, 7], [0, 0]]), np.array([1, 1]), (6, 8))
    rule = replace(RULE, metrics=("WHDR",), alignment="none")
    ramp = affine(np.arange(48).reshape(6, 8))
    assert score(ramp, pairs, rule) == {"WHDR": 0.5}
    assert score(ramp.resize((12, 16)), pairs, rule) == {"WHDR": 0.5}
    with pytest.raises(ConventionError, match="AbsRel"):
        score(ramp, pairs, RULE)


@pytest.mark.parametrize(
    ("space", "depth_m"), [("inverse_depth", 3 / (1 / 2 + 1 / 4 + 1 / 8)), ("depth", 14 / 3)]
)
def test_a_rule_may_score_a_constant_as_the_mean_of_what_is_fitted(space: Quantity, depth_m: float) -> None:
    target = metres([[2.0, 4.0, 8.0, 100.0]])  # the last one is farther than what counts
    prediction = depth_map(np.full((1, 4), 5.0), space, "affine_invariant")
    scores = score(prediction, target, replace(RULE, alignment=space, constant="mean"))
    assert scores["AbsRel"] == pytest.approx(np.mean([abs(depth_m / true - 1) for true in (2, 4, 8)]))


@pytest.mark.parametrize(
    ("prediction", "target", "changes", "problem"),
    [
        (affine(DEPTH), metres(DEPTH, np.zeros(DEPTH.shape, bool)), {}, "0 are valid"),
        (affine(DEPTH), metres(DEPTH), {"min_m": 70.0}, "between 70 and 80 m"),
        (affine(np.ones(DEPTH.shape)), metres(DEPTH), {}, "no scale can be fitted"),
        (affine(DEPTH), metres(DEPTH[:, :20]), {}, "24×32"),
        (affine(DEPTH.T), metres(DEPTH), {}, "32×24"),
        (affine(np.where(DEPTH > 10, np.nan, DEPTH)), metres(DEPTH), {}, "no finite value at"),
        (
            metres(np.where(DEPTH > 10, np.inf, DEPTH)),
            metres(DEPTH),
            {"alignment": "depth"},
            "no finite value",
        ),
        (affine(DEPTH), metres(DEPTH), {"alignment": "none"}, "metres"),
        (affine(DEPTH), affine(DEPTH), {}, "affine"),
        (affine(DEPTH), depth_map(DEPTH, "depth", "scale_invariant"), {}, "in metres"),
        (depth_map(DEPTH, "depth", "affine_invariant"), metres(DEPTH), {}, "affine"),
        (affine(DEPTH), metres(DEPTH), {"crop": Crop((0, 30), (0, 30), "px")}, "crop"),
        (affine(DEPTH), metres(DEPTH), {"metrics": ("WHDR",)}, "WHDR"),
        (affine(DEPTH), metres(DEPTH), {"fit": "group"}, "together"),
    ],
)
def test_a_picture_that_cannot_count_is_an_error_in_one_line(
    prediction: DepthMap, target: DepthMap, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConventionError, match=problem) as caught:
        score(prediction, target, replace(RULE, **changes))
    assert "\n" not in str(caught.value)


def wall_film(steps: int) -> tuple[list[DepthMap], list[View]]:
    """A slanted wall, seen from half a metre nearer every time."""
    intrinsics = np.array([[40.0, 0, 20], [0, 40, 15], [0, 0, 1]])
    rows, columns = np.mgrid[:30, :40] + 0.5
    slope = 1 - 0.3 * (columns - 20) / 40 - 0.2 * (rows - 15) / 40
    targets, views = [], []
    for k in range(steps):
        camera = np.eye(4)
        camera[2, 3] = -0.5 * k
        targets.append(metres((6 - 0.5 * k) / slope))
        views.append(View(intrinsics, camera))
    return targets, views


FILM = replace(RULE, fit="group", metrics=("AbsRel", "TAE"))


def test_a_film_has_one_scale_and_shift() -> None:
    targets, views = wall_film(3)
    steady = [affine(2 / target.values - 0.05) for target in targets]
    scores = score_group(steady, targets, FILM, views)
    assert [frame["AbsRel"] for frame in scores] == pytest.approx([0, 0, 0], abs=1e-5)
    assert len({frame["TAE"] for frame in scores}) == 1
    assert scores[0]["TAE"] < 2
    # each frame right by itself, but not by one scale
    drifting = [affine((2 - k % 2) / target.values) for k, target in enumerate(targets)]
    worse = score_group(drifting, targets, FILM, views)
    assert min(frame["AbsRel"] for frame in worse) > 0.02
    assert worse[0]["TAE"] > 10


def test_the_camera_of_a_film_goes_with_its_crop() -> None:
    targets, views = wall_film(3)
    predictions = [affine(1 / target.values) for target in targets]
    window = (2, 16, 28, 24)
    cropped = replace(FILM, crop=Crop((2, 30), (16, 40), "px"))
    (whole, *_), (part, *_) = (score_group(predictions, targets, rule, views) for rule in (FILM, cropped))
    # the pixels that points fall into are rounded; that is all there is
    assert part["TAE"] == pytest.approx(whole["TAE"], abs=0.1)
    parts = [[frame.crop(*window) for frame in film] for film in (predictions, targets)]
    assert score_group(*parts, FILM, views)[0]["TAE"] > 2 * part["TAE"]


def test_films_refuse_mixed_predictions_and_missing_cameras() -> None:
    targets, views = wall_film(2)
    mixed = [affine(1 / targets[0].values), targets[1]]
    with pytest.raises(ConventionError, match="together"):
        score_group(mixed, targets, replace(FILM, alignment="depth"), views)
    with pytest.raises(ConventionError, match="0 cameras"):
        score_group([affine(1 / target.values) for target in targets], targets, FILM)
