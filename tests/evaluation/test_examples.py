"""Which pictures of a run are shown, and what their colours say."""

from __future__ import annotations

import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.evaluation.examples import (
    NOTHING,
    by_distance,
    depth_error,
    ordinal_panels,
    panels,
    ranked,
    spread,
)
from openmidas.evaluation.panels import TWO_SIDED, Scale, side_by_side
from openmidas.evaluation.protocols import Crop
from openmidas.evaluation.scoring import Fitted
from openmidas.files.heatmap import INVALID_RGB
from openmidas.training.datasets.entry import OrdinalPairs


def fitted(depth: list[list[float]], truth: list[list[float]]) -> Fitted:
    true = np.array(truth)
    return Fitted(np.array(depth), true, np.isfinite(true), (1e-6, 80.0))


def test_best_median_and_worst_by_hand() -> None:
    scores = [("a", 3.0), ("b", 1.0), ("c", 4.0), ("d", 2.0)]
    assert ranked(scores, False) == {"best": ("b", 1.0), "median": ("d", 2.0), "worst": ("c", 4.0)}
    assert ranked(scores, True) == {"best": ("c", 4.0), "median": ("a", 3.0), "worst": ("b", 1.0)}


def test_of_few_pictures_none_is_shown_twice() -> None:
    assert ranked([("a", 1.0)], False) == {"best": ("a", 1.0)}
    assert ranked([("a", 1.0), ("b", 0.0)], False) == {"best": ("b", 0.0), "worst": ("a", 1.0)}


def test_pictures_that_stand_for_all_are_evenly_spread_over_the_scores() -> None:
    scores = [(str(n), float(n)) for n in reversed(range(17))]
    assert spread(scores) == [str(n) for n in range(0, 17, 2)]
    assert spread(scores[:3]) == ["14", "15", "16"]


def test_the_error_has_a_sign_and_only_where_it_counts() -> None:
    error = depth_error(fitted([[2.0, 3.0, 5.0]], [[4.0, 2.0, np.nan]]))
    np.testing.assert_array_equal(error, [[-0.5, 0.5, np.nan]])


def test_errors_by_distance_by_hand() -> None:
    one = by_distance(fitted([[2.0, 1.5, 12.0]], [[1.1, 1.2, 10.0]]))
    both = one + by_distance(fitted([[5.0]], [[10.0]])) + NOTHING
    assert both.pictures == 2
    depths_m, means = both.means()
    np.testing.assert_allclose(depths_m, [2**0.25, 2**3.25])  # middles of 1 ... √2 and 8 ... 8√2
    np.testing.assert_allclose(means, [(0.9 / 1.1 + 0.25) / 2, (0.2 + 0.5) / 2])


def test_too_far_is_red_too_near_is_blue_and_what_does_not_count_is_gray() -> None:
    truth = DepthMap.from_values(np.array([[2.0, 2.0, 2.0, np.nan]]), "depth", "metric")
    maps = fitted([[4.0, 1.0, 2.0, 2.0]], [[2.0, 2.0, 2.0, np.nan]])
    picture, prediction, target, error = panels(np.zeros((1, 4, 3), np.uint8), maps, truth, None)
    (far, near, right, unknown) = error.pixels[0].tolist()
    assert far == list(TWO_SIDED[-1])
    assert near == list(TWO_SIDED[0])
    assert right == list(TWO_SIDED[4])
    assert unknown == list(INVALID_RGB)
    assert picture.pixels.shape == prediction.pixels.shape == target.pixels.shape
    assert prediction.scale is target.scale


def test_the_picture_is_cropped_as_the_maps_are() -> None:
    image = np.arange(100, dtype=np.uint8).reshape(10, 10)[..., None].repeat(3, axis=2)
    target = DepthMap.from_values(np.ones((10, 10)), "depth", "metric")
    part = fitted([[1.0, 2.0]], [[1.0, 2.0]])
    shown = panels(image, part, target, Crop((3, 4), (5, 7), "px"))[0]
    assert shown.pixels[..., 0].tolist() == [[35, 36]]


def test_sparse_targets_stay_to_be_seen_when_they_get_smaller() -> None:
    truth = np.full((300, 1200), np.nan)
    truth[::3, ::3] = 2.0
    target = DepthMap.from_values(truth, "depth", "metric")
    maps = Fitted(np.full(truth.shape, 2.0), truth, np.isfinite(truth), (1e-6, 80.0))
    shown = panels(np.zeros((300, 1200, 3), np.uint8), maps, target, None)[2].pixels
    assert shown.shape[:2] == (100, 400)
    assert not (shown == INVALID_RGB).all(axis=-1).any()


def test_the_nearer_point_of_a_pair_is_white_and_the_other_black() -> None:
    pairs = OrdinalPairs(np.array([[10, 10]]), np.array([[40, 50]]), np.array([-1]), (60, 80))
    prediction = DepthMap.from_values(np.eye(60, 80), "inverse_depth", "affine_invariant")
    gray = np.full((60, 80, 3), 120, np.uint8)
    for panel in ordinal_panels(gray, prediction, pairs):
        assert panel.pixels[10, 10].tolist() == [0, 0, 0]
        assert panel.pixels[40, 50].tolist() == [255, 255, 255]


def test_a_scale_goes_evenly_through_its_colours() -> None:
    scale = Scale(0.0, 2.0, ((0, 0, 0), (100, 0, 0), (100, 200, 0)), "{:g}".format)
    painted = scale.paint(np.array([[0.0, 0.5, 1.0, 1.5, 2.0, -9.0, 9.0]]))
    assert painted[0].tolist() == [
        [0, 0, 0], [50, 0, 0], [100, 0, 0], [100, 100, 0], [100, 200, 0], [0, 0, 0], [100, 200, 0],
    ]  # fmt: skip
    assert scale.ticks(3) == [(0.0, "0"), (0.5, "1"), (1.0, "2")]


@pytest.mark.parametrize("height_px", [40, 200])
def test_panels_stand_side_by_side_at_one_height(height_px: int) -> None:
    truth = DepthMap.from_values(np.ones((30, 60)), "depth", "metric")
    maps = Fitted(np.ones((30, 60)), np.ones((30, 60)), np.ones((30, 60), bool), (1e-6, 80.0))
    strip = side_by_side(panels(np.zeros((30, 60, 3), np.uint8), maps, truth, None), height_px)
    assert strip.shape[0] < height_px + 60
    assert strip.shape[1] > 4 * 2 * height_px
