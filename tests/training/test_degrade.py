"""Degraded truth: each sensor's noise, holes and ambiguity are as stated, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.training.annotations import annotated
from openmidas.training.datasets.entry import OrdinalPairs
from openmidas.training.synthetic.degrade import (
    DEGRADATIONS,
    FOCAL,
    LIDAR_NOISE_M,
    LIDAR_RANGE_M,
    PAIR_RATIO,
    PAIRS_WRONG,
    RGBD_BASELINE_M,
    RGBD_RANGE_M,
    RGBD_STEP_PX,
    half_occluded,
    lidar,
    ordinal_pairs,
    rgbd,
    stereo,
    structure_from_motion,
)
from openmidas.training.synthetic.worlds import family_world

SHAPE = (96, 128)
WORLDS = [family_world(family, 4, SHAPE) for family in ("room", "street")]
NOISE_IMAGE = np.random.default_rng(0).integers(60, 200, (*SHAPE, 3), dtype=np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(depth_m: float) -> DepthMap:
    return DepthMap.from_values(np.full(SHAPE, depth_m), "depth", "metric")


def slope(near_m: float = 2.0, far_m: float = 6.0) -> DepthMap:
    """Farther from left to right."""
    return DepthMap.from_values(
        np.tile(np.linspace(near_m, far_m, SHAPE[1]), (SHAPE[0], 1)), "depth", "metric"
    )


def as_values(target: DepthMap | OrdinalPairs) -> list[np.ndarray]:
    if isinstance(target, DepthMap):
        return [target.values, target.valid]
    return [target.first, target.second, target.relation]


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_same_random_numbers_give_the_same_and_the_truth_is_left_alone(name: str) -> None:
    for world in WORLDS:
        before, picture = world.depth_map.values.copy(), world.image.copy()
        first, again = (DEGRADATIONS[name](world.depth_map, world.image, rng(5)) for _ in range(2))
        for a, b in zip(as_values(first), as_values(again), strict=True):
            np.testing.assert_array_equal(a, b)
        assert first.shape == SHAPE
        np.testing.assert_array_equal(world.depth_map.values, before)
        np.testing.assert_array_equal(world.image, picture)


@pytest.mark.parametrize(
    ("name", "ambiguity"),
    [
        ("lidar", "metric"),
        ("rgbd", "metric"),
        ("stereo", "affine_invariant"),
        ("sfm", "scale_invariant"),
        ("rendered", "metric"),
    ],
)
def test_every_depth_becomes_a_training_sample_with_its_ambiguity(name: str, ambiguity: str) -> None:
    world = WORLDS[0]
    sample = annotated(world.image, DEGRADATIONS[name](world.depth_map, world.image, rng()))
    assert sample.ambiguity == ambiguity
    assert 0.02 < sample.valid.mean() <= 1


@pytest.mark.parametrize("name", ["lidar", "rgbd", "stereo", "sfm"])
@pytest.mark.parametrize("number", range(len(WORLDS)))
def test_aligned_to_the_truth_most_of_it_is_right(name: str, number: int) -> None:
    world = WORLDS[number]
    degraded = DEGRADATIONS[name](world.depth_map, world.image, rng(1)).to_inverse_depth()
    shifts = degraded.ambiguity == "affine_invariant"
    truth = world.depth_map
    aligned = degraded if degraded.ambiguity == "metric" else align_robustly(degraded, truth, shifts)
    error = np.abs(aligned.values - truth.values)[degraded.valid] / np.median(truth.values)
    assert np.median(error) < 0.05


def align_robustly(degraded: DepthMap, truth: DepthMap, shifts: bool) -> DepthMap:
    """Least squares without the worst tenth."""
    first = fitted(degraded, truth, degraded.valid, shifts)
    error = np.where(degraded.valid, np.abs(first - truth.values), np.inf)
    kept = error <= np.quantile(error[degraded.valid], 0.9)
    return DepthMap.from_values(fitted(degraded, truth, kept, shifts), "inverse_depth", "affine_invariant")


def fitted(degraded: DepthMap, truth: DepthMap, valid: np.ndarray, shifts: bool) -> np.ndarray:
    x, y = degraded.values[valid].astype(float), truth.values[valid].astype(float)
    columns = np.stack([x, np.full_like(x, float(shifts))], axis=1)
    (scale, shift), *_ = np.linalg.lstsq(columns, y, rcond=None)
    return degraded.values * scale + shift


def test_lidar_has_lines_apart_within_its_range_and_two_centimetres_of_noise() -> None:
    scan = lidar(flat(10.0), NOISE_IMAGE, rng())
    share = scan.valid.mean(axis=1)
    assert 0.05 < scan.valid.mean() < 0.4
    assert (share == 0).any()
    assert scan.values[scan.valid].std() == pytest.approx(LIDAR_NOISE_M, rel=0.1)
    assert scan.values[scan.valid].mean() == pytest.approx(10, abs=0.01)
    for beyond in (LIDAR_RANGE_M[0] - 0.1, LIDAR_RANGE_M[1] + 1, np.inf):
        assert not lidar(flat(beyond), NOISE_IMAGE, rng()).valid.any()


def test_lidar_loses_more_on_the_dark() -> None:
    half = np.full((*SHAPE, 3), 200, np.uint8)
    half[:, :64] = 5
    valid = lidar(flat(10.0), half, rng()).valid
    assert valid[:, :64].sum() < 0.7 * valid[:, 64:].sum()


def test_rgbd_noise_grows_with_the_square_of_depth_and_comes_in_steps() -> None:
    baseline_px = RGBD_BASELINE_M * FOCAL * max(SHAPE)
    for depth_m in (1.0, 4.0):
        measured = rgbd(flat(depth_m), NOISE_IMAGE, rng())
        steps = baseline_px / measured.values[measured.valid].astype(float) / RGBD_STEP_PX
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
        step_m = depth_m**2 * RGBD_STEP_PX / baseline_px
        sigma = 0.0012 + 0.0019 * (depth_m - 0.4) ** 2
        assert np.abs(measured.values[measured.valid] - depth_m).max() < step_m + 5 * sigma
    fine = rgbd(slope(0.5, 1.5), NOISE_IMAGE, rng())
    assert np.nanmedian(np.abs(fine.values - slope(0.5, 1.5).values)) < 0.03


def test_rgbd_has_holes_out_of_range_beside_edges_and_on_black_and_glare() -> None:
    assert not rgbd(flat(RGBD_RANGE_M[1] + 2), NOISE_IMAGE, rng()).valid.any()
    step = np.full(SHAPE, 4.0)
    step[:, 64:] = 1.0
    truth = DepthMap.from_values(step, "depth", "metric")
    lost = ~rgbd(truth, NOISE_IMAGE, rng()).valid
    # the near half hides 6.48 pixels of the far one from the projector, and a pixel of either side is at the edge
    assert lost[:, 58:65].all(axis=0).all()
    assert lost[:, 30:54].mean() < 0.1
    assert lost[:, 70:].mean() < 0.1
    odd = NOISE_IMAGE.copy()
    odd[:40], odd[-40:] = 0, 255
    valid = rgbd(flat(2.0), odd, rng()).valid
    assert valid[:40].mean() < 0.15
    assert valid[-40:].mean() < 0.15
    assert valid[45:50, 20:].mean() > 0.8


def test_the_near_half_hides_as_many_pixels_as_their_disparities_differ() -> None:
    disparity = np.full((2, 32), 1.0)
    disparity[:, 16:] = 6.0
    hidden = half_occluded(disparity)
    # 1 pixel leaves the picture on the left; from 16 - (6 - 1) on, the near half is in the way
    expected = np.zeros(32, bool)
    expected[0] = True
    expected[11:16] = True
    np.testing.assert_array_equal(hidden, np.tile(expected, (2, 1)))


def test_the_far_is_not_seen_through_the_gaps_of_a_near_slope() -> None:
    disparity = np.full((1, 32), 1.0)
    # lands at 10, 12, 14
    disparity[0, 20:23] = (10, 9, 8)
    assert half_occluded(disparity)[0, 11:16].all()


def test_nothing_of_a_level_or_sloping_wall_is_half_occluded() -> None:
    disparity = np.tile(np.linspace(2, 9, 64), (3, 1))
    assert not half_occluded(disparity)[:, 12:].any()
    assert not half_occluded(disparity[:, ::-1])[:, 12:].any()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_stereo_without_its_errors_is_the_inverse_depth_up_to_scale_and_shift(seed: int) -> None:
    truth = slope()
    matched = stereo(truth, NOISE_IMAGE, rng(seed))
    aligned = align_robustly(matched, truth.to_inverse_depth(), shifts=True)
    error = np.abs(aligned.values - truth.to_inverse_depth().values)
    assert np.nanmedian(error) < 0.004
    assert matched.values[:, 40].mean() > np.nanmean(matched.values[:, 120])


def test_stereo_shifts_differ_and_sky_is_valid_at_the_shift() -> None:
    world = WORLDS[1]
    sky = world.depth_map.values == 0
    maps = [stereo(world.depth_map, world.image, rng(seed)) for seed in range(6)]
    inner = sky & ~half_occluded(np.where(sky, 0.0, 12.0))
    shifts = []
    for matched in maps:
        low, high = np.quantile(matched.values[inner & matched.valid], (0.2, 0.8))
        assert low == high
        shifts.append(low)
    assert min(shifts) < -0.2
    assert max(shifts) > 0.2


def test_stereo_is_wrong_in_patches_where_the_picture_is_smooth() -> None:
    smooth = NOISE_IMAGE.copy()
    smooth[:, :64] = 90
    truth = slope(2, 4)
    wrong = np.zeros(SHAPE)
    for seed in range(8):
        aligned = align_robustly(stereo(truth, smooth, rng(seed)), truth.to_inverse_depth(), shifts=True)
        wrong += np.nan_to_num(np.abs(aligned.values - truth.to_inverse_depth().values)) > 0.03
    assert 0.02 < wrong[:, 16:60].mean() / 8 < 0.15
    assert wrong[:, 70:].mean() / 8 < 0.01


def test_stereo_lets_near_things_grow_by_a_pixel() -> None:
    step = np.full(SHAPE, 4.0)
    step[:, :64] = 1.0
    matched = stereo(DepthMap.from_values(step, "depth", "metric"), NOISE_IMAGE, rng()).values
    far, near, grown, beyond = (np.nanmedian(matched[:, column]) for column in (100, 40, 64, 65))
    assert abs(grown - near) < 0.05 * (near - far)
    assert abs(beyond - far) < 0.05 * (near - far)


def test_structure_from_motion_knows_no_sky_and_prefers_texture() -> None:
    world = WORLDS[1]
    known = structure_from_motion(world.depth_map, world.image, rng()).valid
    assert not known[world.depth_map.values == 0].any()
    plain = NOISE_IMAGE.copy()
    plain[:, :64] = 90
    valid = structure_from_motion(flat(3.0), plain, rng()).valid
    assert valid[:, :60].mean() < 0.5 * valid[:, 70:].mean()


def test_structure_from_motion_knows_nothing_of_the_far() -> None:
    depth = np.full(SHAPE, 1.0)
    depth[:, 100:] = 9.0
    truth = DepthMap.from_values(depth, "depth", "metric")
    assert not structure_from_motion(truth, NOISE_IMAGE, rng()).valid[:, 100:].any()
    depth[:, 100:] = 7.0
    truth = DepthMap.from_values(depth, "depth", "metric")
    assert structure_from_motion(truth, NOISE_IMAGE, rng()).valid[:, 100:].any()


def test_structure_from_motion_has_another_scale_each_time_and_a_few_outliers() -> None:
    truth = slope(2, 20)
    maps = [structure_from_motion(truth, NOISE_IMAGE, rng(seed)) for seed in range(5)]
    ratios = [m.values[m.valid] / truth.values[m.valid] for m in maps]
    scales = [float(np.median(r)) for r in ratios]
    assert max(scales) > 1.5 * min(scales)
    wrong = np.mean([np.mean(np.abs(r / s - 1) > 0.06) for r, s in zip(ratios, scales, strict=True)])
    assert 0.01 < wrong < 0.025


def test_pairs_say_which_is_nearer_but_for_one_in_twenty() -> None:
    world = WORLDS[1]
    pairs = ordinal_pairs(world.depth_map, world.image, rng(), count=20_000)
    inverse = world.depth_map.values.astype(float)
    a, b = inverse[tuple(pairs.first.T)], inverse[tuple(pairs.second.T)]
    true = np.where(a > PAIR_RATIO * b, 1, np.where(b > PAIR_RATIO * a, -1, 0))
    assert np.mean(pairs.relation != true) == pytest.approx(PAIRS_WRONG, abs=0.006)
    assert set(np.unique(pairs.relation)) == {-1, 0, 1}
    assert (pairs.first != pairs.second).any(axis=1).all()


def test_pairs_are_only_of_valid_pixels() -> None:
    valid = np.zeros(SHAPE, bool)
    valid[3, 4], valid[70, 80] = True, True
    truth = DepthMap.from_values(np.full(SHAPE, 2.0), "depth", "metric", valid)
    pairs = ordinal_pairs(truth, NOISE_IMAGE, rng(), count=50)
    assert {tuple(p) for p in np.concatenate([pairs.first, pairs.second])} == {(3, 4), (70, 80)}


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_empty_and_all_sky_truth_are_no_special_case(name: str) -> None:
    nothing = DepthMap.from_values(np.ones(SHAPE), "depth", "metric", np.zeros(SHAPE, bool))
    sky = DepthMap.from_values(np.zeros(SHAPE), "inverse_depth", "metric")
    empty = DEGRADATIONS[name](nothing, NOISE_IMAGE, rng())
    if isinstance(empty, DepthMap):
        assert not empty.valid.any()
    else:
        assert len(empty.relation) == 0
    assert DEGRADATIONS[name](sky, NOISE_IMAGE, rng()).shape == SHAPE


@pytest.mark.parametrize("name", [n for n in DEGRADATIONS if n != "rendered"])
def test_truth_that_is_not_metric_or_of_another_size_is_refused(name: str) -> None:
    inverse = WORLDS[0].depth_map.values
    with pytest.raises(ConventionError, match="metric"):
        DEGRADATIONS[name](
            DepthMap.from_values(inverse, "inverse_depth", "scale_invariant"), NOISE_IMAGE, rng()
        )
    with pytest.raises(ConventionError, match="64×64"):
        DEGRADATIONS[name](WORLDS[0].depth_map, np.zeros((64, 64, 3), np.uint8), rng())
