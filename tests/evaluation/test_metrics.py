"""Metrics against hand-made numbers, closed forms, and the plain loops of reference.py."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import feature

from openmidas.depth_map import Ambiguity, ConventionError, DepthMap, Quantity
from openmidas.evaluation.boundaries import boundary_scores, depth_edges, edge_errors
from openmidas.evaluation.metrics import PIXEL_METRICS, Depths, boundary_f1, silog
from openmidas.evaluation.ordinal import ordinal_error, whdr
from openmidas.evaluation.scoring import COUNTED_METRICS, MAP_METRICS
from openmidas.evaluation.temporal import temporal_alignment_error
from openmidas.training.datasets.entry import OrdinalPairs, View

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(st.integers(2, 9), st.integers(2, 9))
CAMERA = np.array([[20.0, 0, 16], [0, 20, 12], [0, 0, 1]])


def random_depth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.exp(rng.uniform(-2, 4, shape))


def measured(depths: Depths) -> dict[str, float]:
    return {name: metric(depths) for name, metric in PIXEL_METRICS.items()}


@given(SEEDS, st.integers(1, 40))
def test_pixel_metrics_agree_with_plain_loops(seed: int, count: int) -> None:
    true, noise = random_depth(rng := np.random.default_rng(seed), (count,)), rng.normal(0, 0.3, count)
    predicted = true * np.exp(noise)
    assert measured(Depths(predicted, true)) == pytest.approx(
        reference.metrics(predicted, true), rel=1e-9, abs=1e-9
    )


def test_metrics_of_a_constant_factor_are_its_closed_form() -> None:
    true = random_depth(np.random.default_rng(0), (1000,))
    found = measured(Depths(1.1 * true, true))
    assert found == pytest.approx(
        {
            "AbsRel": 0.1,
            "SqRel": 0.01 * true.mean(),
            "RMSE": 0.1 * math.sqrt((true**2).mean()),
            "RMSE log": math.log(1.1),
            "log10": math.log10(1.1),
            "SILog": 0,
            "δ<1.25": 1,
            "δ<1.25²": 1,
            "δ<1.25³": 1,
            "% δ>1.25": 0,
        },
        abs=1e-6,
    )


@pytest.mark.parametrize(
    ("factor", "within"),
    [(1.2, (1, 1, 1)), (1.3, (0, 1, 1)), (1 / 1.3, (0, 1, 1)), (1.6, (0, 0, 1)), (2.0, (0, 0, 0))],
)
def test_deltas_count_factors_both_ways(factor: float, within: tuple[int, int, int]) -> None:
    found = measured(Depths(np.array([factor]), np.array([1.0])))
    assert (found["δ<1.25"], found["δ<1.25²"], found["δ<1.25³"]) == within
    assert found["% δ>1.25"] == 100 * (1 - within[0])


def test_silog_by_hand_takes_the_whole_mean_away() -> None:
    # logarithms 0 and ln 4: half of ln 4 from their mean, in percent
    assert silog(Depths(np.array([1.0, 4.0]), np.array([1.0, 1.0]))) == pytest.approx(100 * math.log(2))


@pytest.mark.parametrize(
    ("predicted", "true"), [([], []), ([0.0], [1.0]), ([1.0], [np.inf]), ([np.nan], [1.0])]
)
def test_depths_without_an_error_are_refused(predicted: list[float], true: list[float]) -> None:
    with pytest.raises(ConventionError) as caught:
        Depths(np.array(predicted), np.array(true))
    assert "\n" not in str(caught.value)


@given(SEEDS, SIZES)
@settings(max_examples=40)
def test_boundaries_agree_with_plain_loops(seed: int, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    true = np.exp(rng.normal(0, 0.12, shape))
    predicted = true * np.exp(rng.normal(0, 0.05, shape))
    true[rng.random(shape) < 0.1] = np.nan
    try:
        found = boundary_scores(predicted, true)
    except ConventionError:
        return
    assert found == pytest.approx(reference.boundaries(predicted, true), rel=1e-9, abs=1e-9)


def step(*edges: int, width: int = 12) -> np.ndarray:
    """Depth twice as large from every edge on."""
    return np.tile(2.0 ** sum(np.arange(width) >= edge for edge in edges), (5, 1))


def test_precision_and_recall_are_the_right_way_round() -> None:
    # of two predicted edges one is true, and it is all there is
    assert boundary_scores(step(4, 8), step(4)) == pytest.approx((1 / 2, 1, 2 / 3))
    assert boundary_scores(step(4), step(4, 8)) == pytest.approx((1, 1 / 2, 2 / 3))


def test_boundaries_weigh_thresholds_by_their_size() -> None:
    # the false step of 1.15 is an edge at 1.05 ... 1.15 less one rounding, where precision is a half
    predicted = step(4)
    predicted[:, 8:] *= 1.16
    thresholds = np.linspace(1.05, 1.25, 10)
    precision = np.where(thresholds < 1.16, 0.5, 1.0) @ thresholds / thresholds.sum()
    assert boundary_scores(predicted, step(4)).precision == pytest.approx(precision)


def test_an_edge_is_nearer_on_the_side_that_it_is_in_truth() -> None:
    assert boundary_scores(step(4)[:, ::-1], step(8)) == (0, 0, 0)


def test_boundaries_ignore_scale_and_need_an_edge() -> None:
    truth = random_depth(np.random.default_rng(1), (8, 9))
    assert boundary_scores(7 * truth, truth) == pytest.approx((1, 1, 1))
    with pytest.raises(ConventionError, match="edge"):
        boundary_scores(np.ones((4, 5)), np.ones((4, 5)))


def test_boundary_f1_counts_edges_in_place_only() -> None:
    values = np.full((20, 30), 0.5, np.float32)
    values[:, 15:] = 1.0
    truth = depth_map(values, "inverse_depth", "metric")
    assert boundary_f1(depth_map(3 * values + 1), truth) == 1
    assert boundary_f1(depth_map(np.roll(values, 1, axis=1)), truth) < 0.7
    ramp = np.clip((np.arange(30) - 5) / 20, 0, 1)[None, :].repeat(20, 0)
    assert boundary_f1(depth_map(ramp), truth) == 0


@given(SEEDS, st.tuples(st.integers(3, 25), st.integers(3, 25)))
@settings(max_examples=30)
def test_edge_errors_agree_with_plain_loops(seed: int, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    found, true = rng.random((2, *shape)) < rng.choice([0.002, 0.03], (2, 1, 1))
    true[0, 0] = True
    assert edge_errors(found, true) == pytest.approx(reference.edge_errors(found, true), rel=1e-9, abs=1e-9)


def line(*columns: int) -> np.ndarray:
    edges = np.zeros((20, 60), bool)
    edges[:, columns] = True
    return edges


@pytest.mark.parametrize(
    ("found", "errors"),
    [
        ((13,), (3, 3)),
        ((13, 40), (3, 3)),  # one that is ten pixels or more from any true edge is no answer to it
        ((13, 20), (3, 3)),
        ((9, 13), (2, 1)),
        ((25,), (10, 10)),
        ((), (10, 10)),
    ],
)
def test_edge_errors_by_hand(found: tuple[int, ...], errors: tuple[float, float]) -> None:
    assert edge_errors(line(*found), line(10)) == pytest.approx(errors)


def test_edges_that_are_missed_count_as_ten_pixels() -> None:
    assert edge_errors(line(10), line(10, 40)) == pytest.approx((0, 5))
    with pytest.raises(ConventionError, match="edge"):
        edge_errors(line(10), line())


def test_depth_edges_are_within_a_pixel_of_those_of_the_published_detector() -> None:
    rows, columns = np.mgrid[:120, :160]
    depth = 3 + columns / 80 + rows / 300
    for top, left, size, near in ((10, 12, 40, 1.2), (50, 70, 60, 0.7), (30, 110, 25, 2.5)):
        depth[top : top + size, left : left + size] -= near
    depth[(rows - 90) ** 2 + (columns - 30) ** 2 < 400] = 1.0
    stretched = (depth - depth.min()) / np.ptp(depth)
    published = feature.canny(stretched, sigma=2**0.5, low_threshold=0.1, high_threshold=0.2)
    ours = depth_edges(depth)
    # the two break ties of equally steep pixels differently, and steps as sharp as these are full of them
    assert abs(int(ours.sum()) - int(published.sum())) < 0.1 * published.sum()
    assert max(edge_errors(ours, published)) < 0.35
    for one, other in ((ours, published), (published, ours)):
        assert cv2.dilate(other.astype(np.uint8), np.ones((3, 3)))[one].mean() > 0.99
    assert not depth_edges(np.full((9, 9), 2.0)).any()
    with pytest.raises(ConventionError, match="everywhere"):
        depth_edges(np.where(depth > 3, np.nan, depth))


def depth_map(
    values: object, quantity: Quantity = "inverse_depth", ambiguity: Ambiguity = "affine_invariant"
) -> DepthMap:
    return DepthMap.from_values(np.asarray(values, np.float32), quantity, ambiguity)


def pairs(relation: list[int], shape: tuple[int, int] = (2, 3)) -> OrdinalPairs:
    """The upper and the lower pixel of each column."""
    columns = np.arange(len(relation))
    first, second = (np.stack([np.full(len(relation), row), columns], axis=1) for row in (0, 1))
    return OrdinalPairs(first, second, np.array(relation), shape)


def test_whdr_counts_pairs_in_another_order() -> None:
    values = [[3.0, 1.0, 2.0], [1.0, 3.0, 2.0]]
    # the first is nearer, the second is nearer, and a tie where there is none
    assert whdr(depth_map(values), pairs([1, -1, -1])) == pytest.approx(1 / 3)
    assert whdr(depth_map(values, "depth"), pairs([1, -1, 1])) == 1
    assert whdr(depth_map(values), pairs([-1, 1, 1])) == 1


@pytest.mark.parametrize("quantity", ["depth", "inverse_depth"])
def test_whdr_knows_equal_depths_by_a_ratio(quantity: Quantity) -> None:
    values = depth_map([[1.0, 1.09, 1.2], [1.0, 1.0, 1.0]], quantity, "metric")
    nearer = 1 if quantity == "inverse_depth" else -1
    assert whdr(values, pairs([0, 0, nearer]), equal_ratio=1.1) == 0
    assert whdr(values, pairs([nearer, nearer, 0]), equal_ratio=1.1) == 1


def test_whdr_refuses_what_it_cannot_judge() -> None:
    values = depth_map(np.arange(6).reshape(2, 3))
    for prediction, target, ratio, problem in (
        (values, pairs([1, 0, 1]), None, "equal"),
        (values, pairs([1, 0, 1]), 1.1, "affine"),
        (values, pairs([1], (3, 3)), None, "2×3"),
        (values, pairs([]), None, "0 pairs"),
        (depth_map([[np.nan, 1, 1], [1, 2, 3]]), pairs([1, 1, 1]), None, "no value"),
    ):
        with pytest.raises(ConventionError, match=problem):
            whdr(prediction, target, ratio)


def test_ordinal_error_agrees_with_plain_loops() -> None:
    rng = np.random.default_rng(3)
    true = np.exp(rng.normal(0, 0.1, 200))
    predicted = true * np.exp(rng.normal(0, 0.05, 200))
    drawn = np.random.default_rng(0).integers(200, size=(2, 50_000))
    wrong = [
        reference.relation(predicted[i], predicted[j], 1.03) != reference.relation(true[i], true[j], 1.03)
        for i, j in drawn.T
    ]
    assert ordinal_error(Depths(predicted, true)) == pytest.approx(np.mean(wrong), rel=1e-9)
    assert ordinal_error(Depths(5 * true, true)) == 0


def seen_from(z_m: float, x_m: float = 0.0) -> View:
    """A camera at (x_m, 0, z_m) that looks along z."""
    world_to_camera = np.eye(4)
    world_to_camera[:3, 3] = -x_m, 0, -z_m
    return View(CAMERA, world_to_camera)


def test_a_film_of_a_wall_that_comes_nearer_holds_together() -> None:
    views = [seen_from(0), seen_from(0.5), seen_from(1)]
    walls = [np.full((24, 32), depth_m) for depth_m in (4.0, 3.5, 3.0)]
    assert temporal_alignment_error(walls, views) == pytest.approx(0, abs=1e-9)
    # a depth that stays is half a metre wrong, of 4 m, both ways
    assert temporal_alignment_error([walls[0]] * 3, views) == pytest.approx(12.5)


def test_of_two_points_in_a_pixel_the_nearer_is_seen() -> None:
    # from 2 m back, a camera sees half as large: each pixel gets four points, of which some are 1 m nearer
    mixed = np.full((24, 32), 4.0)
    mixed[::2, ::2] = 3.0
    far = np.full((24, 32), 6.0)
    there = 1 - 5 / 6  # where a pixel of both is seen, it is 5 m away instead of 6
    error = temporal_alignment_error([mixed, far], [seen_from(0), seen_from(-2)])
    assert error > 100 * there * 0.2


def test_what_is_behind_a_camera_is_not_seen() -> None:
    near, far = np.full((24, 32), 10.0), np.full((24, 32), 5.0)
    near[:, :16] = 4.0
    views = [seen_from(0), seen_from(5)]
    cameras = [view.world_to_camera for view in views]
    expected = reference.temporal_error([near, far], CAMERA, cameras)
    assert temporal_alignment_error([near, far], views) == pytest.approx(expected, rel=1e-9)


@given(SEEDS)
@settings(max_examples=6)
def test_temporal_error_agrees_with_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    depths = [rng.uniform(2, 3, (8, 10)) for _ in range(3)]
    intrinsics = np.array([[9.0, 0, 5.2], [0, 8, 4.1], [0, 0, 1]])
    cameras = []
    for _ in depths:
        turned, _ = np.linalg.qr(np.eye(3) + rng.normal(0, 0.05, (3, 3)))
        turned *= np.sign(np.diag(turned))
        cameras.append(np.block([[turned, rng.normal(0, 0.2, (3, 1))], [np.zeros((1, 3)), np.ones((1, 1))]]))
    found = temporal_alignment_error(depths, [View(intrinsics, camera) for camera in cameras])
    assert found == pytest.approx(reference.temporal_error(depths, intrinsics, cameras), rel=1e-9)


def test_temporal_error_refuses_frames_that_share_nothing() -> None:
    wall = np.full((24, 32), 4.0)
    with pytest.raises(ConventionError, match="nothing in common"):
        temporal_alignment_error([wall, wall], [seen_from(0), seen_from(0, x_m=100)])
    with pytest.raises(ConventionError, match="1 frames"):
        temporal_alignment_error([wall], [seen_from(0)])


def test_the_page_of_metrics_names_them_all() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf8")
    for name in (*COUNTED_METRICS, *(name for names in MAP_METRICS for name in names), "WHDR", "TAE"):
        assert f"\n| {name} |" in page
