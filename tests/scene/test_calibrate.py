"""Focal length and shift from angles: found in rooms of which all is known, and 'not sure' where nothing tells."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rooms import SHAPE, metric, room

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap, with_near_far
from openmidas.scene.calibrate import Calibration, calibrate, far_of, find_planes, stated_focal_px


def as_predicted(truth: DepthMap, noise: float = 0) -> DepthMap:
    """What a network that erred by nothing but scale, shift and noise would say."""
    values = truth.values + np.random.default_rng(0).normal(
        0, noise * np.ptp(truth.values) + 1e-12, truth.shape
    )
    return DepthMap.from_values(300 * values - 40, "inverse_depth", "affine_invariant")


def shift_of(truth: DepthMap) -> float:
    return float(truth.values.min() / np.ptp(truth.values))


def held(interval: tuple[float, float], value: float) -> bool:
    # the grid's step, on either side
    return interval[0] / 1.03 <= value <= interval[1] * 1.03


def seen(focal_px: float, yaw_deg: float, pitch_deg: float, noise: float = 0) -> tuple[Calibration, float]:
    truth = room(Camera.from_focal(SHAPE, focal_px), yaw_deg, pitch_deg)
    return calibrate(as_predicted(truth, noise)), shift_of(truth)


@pytest.mark.parametrize("noise", [0, 0.005])
@pytest.mark.parametrize(("focal_px", "yaw_deg", "pitch_deg"), [(200, 20, -10), (200, 10, 5), (230, 30, -12)])
def test_a_room_of_four_planes_tells_focal_length_and_shift(
    focal_px: float, yaw_deg: float, pitch_deg: float, noise: float
) -> None:
    found, shift = seen(focal_px, yaw_deg, pitch_deg, noise)
    assert found.focal_px == pytest.approx(focal_px, rel=0.1)
    assert found.shift == pytest.approx(shift, rel=0.1)
    assert held(found.focal_interval_px, focal_px)
    assert held(found.shift_interval, shift)


def test_it_says_that_it_is_sure_when_a_room_tells_it() -> None:
    found, _ = seen(200, 20, -10)
    assert found.is_sure == (True, True)
    assert "not sure" not in found.words


@pytest.mark.parametrize(("focal_px", "yaw_deg", "pitch_deg"), [(300, 35, 12), (300, 20, -10), (450, 35, 12)])
def test_a_corner_of_three_planes_comes_within_15_percent_and_its_intervals_hold_the_truth(
    focal_px: float, yaw_deg: float, pitch_deg: float
) -> None:
    found, shift = seen(focal_px, yaw_deg, pitch_deg)
    assert found.focal_px == pytest.approx(focal_px, rel=0.15)
    assert found.shift == pytest.approx(shift, rel=0.15)
    assert held(found.focal_interval_px, focal_px)
    assert held(found.shift_interval, shift)


def test_a_room_seen_straight_on_tells_the_shift_and_not_the_focal_length() -> None:
    found, shift = seen(200, 0, 0)
    assert not found.is_sure[0]
    assert found.focal_interval_px[1] > 2 * found.focal_interval_px[0]
    assert held(found.shift_interval, shift)


def test_an_answer_that_few_planes_tell_lies_in_its_own_interval() -> None:
    found, _ = seen(549, 2, -9)
    low, high = found.shift_interval
    assert low <= found.shift <= high


@pytest.mark.parametrize("focal_px", [200, 300, 450])
def test_with_the_focal_length_given_two_planes_tell_the_shift(focal_px: float) -> None:
    truth = room(Camera.from_focal(SHAPE, focal_px), 50, 20)
    found = calibrate(as_predicted(truth), focal_px)
    assert found.focal_px == pytest.approx(focal_px)
    assert found.shift == pytest.approx(shift_of(truth), rel=0.15)
    assert held(found.shift_interval, shift_of(truth))
    assert "(given)" in found.words


def test_with_the_focal_length_given_a_corner_of_three_planes_makes_it_sure_of_the_shift() -> None:
    truth = room(Camera.from_focal(SHAPE, 300), 35, 12)
    found = calibrate(as_predicted(truth), 300)
    assert found.is_sure == (True, True)
    assert found.shift == pytest.approx(shift_of(truth), rel=0.05)


def test_a_metric_map_has_its_shift_and_leaves_the_focal_length() -> None:
    truth = room(Camera.from_focal(SHAPE, 300), 35, 12)
    found = calibrate(truth)
    assert found.shift == pytest.approx(shift_of(truth), rel=1e-5)
    assert found.focal_px == pytest.approx(300, rel=0.05)
    assert found.is_sure == (True, True)


def some_noise(width_px: int) -> DepthMap:
    import cv2

    noise = np.random.default_rng(1).normal(size=SHAPE)
    return DepthMap.from_values(
        cv2.GaussianBlur(noise, (0, 0), width_px), "inverse_depth", "affine_invariant"
    )


def frontal_wall() -> DepthMap:
    return as_predicted(metric(np.full(SHAPE, 3.0)).to_inverse_depth())


def one_floor() -> DepthMap:
    rows = np.broadcast_to(np.linspace(0, 1, SHAPE[0])[:, None], SHAPE)
    return DepthMap.from_values(rows, "inverse_depth", "affine_invariant")


@pytest.mark.parametrize(
    "depth_map", [frontal_wall(), one_floor(), *map(some_noise, (1, 5, 20, 60))], ids=lambda _: ""
)
def test_what_is_no_room_leaves_it_unsure_with_the_usual_60_degrees(depth_map: DepthMap) -> None:
    found = calibrate(depth_map)
    assert found.is_sure == (False, False)
    assert found.words.count("not sure") == 2
    assert found.focal_interval_px[1] > 1.4 * found.focal_interval_px[0]


def test_planes_over_a_small_part_of_the_picture_do_not_make_it_sure() -> None:
    truth = room(Camera.from_focal(SHAPE, 200), 20, -10)
    columns = np.arange(SHAPE[1])
    predicted = as_predicted(truth)
    patch = np.broadcast_to((columns > 90) & (columns < 200), SHAPE)
    found = calibrate(DepthMap(predicted.values, patch, "inverse_depth", "affine_invariant"))
    assert found.is_sure == (False, False)


def test_bent_walls_make_it_less_sure_and_not_wrong() -> None:
    truth = room(Camera.from_focal(SHAPE, 200), 20, -10)
    # what is far is drawn nearer together, as networks do
    bent = DepthMap(truth.values**1.35, truth.valid, "inverse_depth", "metric")
    straight, found = calibrate(as_predicted(truth)), calibrate(as_predicted(bent))
    assert found.focal_px == pytest.approx(200, rel=0.15)
    assert held(found.focal_interval_px, 200)
    assert held(found.shift_interval, shift_of(truth))
    assert np.ptp(found.focal_interval_px) > 2 * np.ptp(straight.focal_interval_px)


def test_the_sky_is_no_wall() -> None:
    rows = np.maximum(0, np.arange(SHAPE[0]) - 100)[:, None] * np.full(SHAPE[1], 0.01)
    planes = find_planes(DepthMap.from_values(rows, "inverse_depth", "affine_invariant"))
    assert len(planes.share) == 1


def test_planes_are_found_with_their_slopes_whatever_scale_and_shift() -> None:
    truth = room(Camera.from_focal(SHAPE, 300), 35, 12)
    planes = find_planes(as_predicted(truth))
    again = find_planes(truth)
    assert planes.share.sum() > 0.9
    np.testing.assert_allclose(planes.slopes, again.slopes, atol=1e-3)
    np.testing.assert_allclose(planes.levels, again.levels, atol=1e-3)


def test_shift_and_near_say_how_far_and_lead_back_to_the_true_map() -> None:
    truth = room(Camera.from_focal(SHAPE, 300), 35, 12)
    near_m = 1 / float(truth.values.max())
    far_m = far_of(shift_of(truth), near_m)
    assert far_m == pytest.approx(1 / float(truth.values.min()), rel=1e-4)
    found = with_near_far(as_predicted(truth), near_m, far_m)
    np.testing.assert_allclose(found.values, truth.values, rtol=1e-3)
    assert far_of(0, 2) == math.inf


def test_the_stated_field_of_view_comes_before_exif_and_exif_before_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 43
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (400, 300)).save(path, exif=exif)
    # 43 mm is nearly the film's diagonal, so the focal length nearly that of the map, half as large
    assert stated_focal_px((150, 200), path) == pytest.approx(250 * 43 / 43.27, rel=1e-3)
    assert stated_focal_px((150, 200), path, fov_deg=90) == pytest.approx(100)
    Image.new("RGB", (400, 300)).save(path)
    assert stated_focal_px((150, 200), path) is None
    assert stated_focal_px((150, 200)) is None
