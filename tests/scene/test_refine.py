"""Edges where the picture has them, no pixel between surfaces, and the sky where it belongs."""

from __future__ import annotations

import numpy as np
import pytest
from rooms import metric, plane

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.scene.reconstruct import depth_cuts
from openmidas.scene.refine import find_sky, snap_depth, with_sky, without_flying_pixels

SHAPE = (40, 64)


def ramp(middle_px: float = 32, width_px: float = 6) -> DepthMap:
    """Two surfaces and a soft edge between them, as networks draw it."""
    ends = [middle_px - width_px / 2, middle_px + width_px / 2]
    row = np.interp(np.arange(64) + 0.5, ends, [1.0, 0.25])
    return DepthMap.from_values(np.tile(row, (40, 1)), "inverse_depth", "metric")


def two_colours(edge_px: int = 32) -> np.ndarray:
    image = np.full((*SHAPE, 3), (200, 60, 40), np.uint8)
    image[:, edge_px:] = (40, 90, 200)
    return image


@pytest.mark.parametrize("edge_px", [30, 32, 34])
def test_a_soft_edge_is_cut_where_the_picture_has_its_edge(edge_px: int) -> None:
    snapped = snap_depth(ramp(), two_colours(edge_px))
    right, _ = depth_cuts(snapped)
    assert right[20].nonzero()[0].tolist() == [edge_px - 1]


def test_a_large_picture_s_edge_is_snapped_though_it_is_wider_than_one_snapping_reaches() -> None:
    row = np.interp(np.arange(2560), [1280 - 40, 1280 + 40], [1.0, 0.25])
    soft = DepthMap.from_values(np.tile(row, (32, 1)), "inverse_depth", "metric")
    image = np.full((32, 2560, 3), (200, 60, 40), np.uint8)
    image[:, 1300:] = (40, 90, 200)
    snapped = snap_depth(soft, image)
    assert snapped.values[16, 1299] - snapped.values[16, 1300] > 0.3
    assert depth_cuts(without_flying_pixels(snapped))[0][16].nonzero()[0].tolist() == [1299]


def test_snapping_keeps_holes_sky_and_meaning() -> None:
    values = ramp().values.copy()
    values[:6], values[20, 20] = 0, np.nan
    snapped = snap_depth(DepthMap.from_values(values, "inverse_depth", "metric"), two_colours())
    assert (snapped.values[:6] == 0).all()
    assert not snapped.valid[20, 20]
    assert (snapped.values[6:][snapped.valid[6:]] > 0.2).all()
    affine = DepthMap.from_values(ramp().values - 5, "inverse_depth", "affine_invariant")
    assert snap_depth(affine, two_colours()).ambiguity == "affine_invariant"


def test_snapping_needs_a_picture_of_the_same_size() -> None:
    with pytest.raises(ConventionError, match="40×63"):
        snap_depth(ramp(), two_colours()[:, 1:])


@pytest.mark.parametrize("width_px", [2, 4, 6])
def test_pixels_between_surfaces_join_the_nearest_one(width_px: int) -> None:
    clean = without_flying_pixels(ramp(32, width_px))
    right, _ = depth_cuts(clean)
    assert right.sum(axis=1).tolist() == [1] * 40
    assert np.abs(right[20].nonzero()[0] - 31.5).max() <= 1
    assert clean.values[:, :28] == pytest.approx(1)
    assert clean.values[:, 36:] == pytest.approx(0.25)


@pytest.mark.parametrize("level", [2.0, 0.1])
def test_a_pole_and_a_slit_are_not_taken_for_flying_pixels(level: float) -> None:
    values = np.full(SHAPE, 0.5)
    values[:, 30] = level
    depth_map = DepthMap.from_values(values, "inverse_depth", "metric")
    assert without_flying_pixels(depth_map) == depth_map


def test_a_floor_has_no_flying_pixels() -> None:
    floor = plane(Camera.from_focal((100, 40), 80), (0, 1, 0), 1.6)
    assert without_flying_pixels(floor) == floor.to_inverse_depth()


def test_flying_pixels_do_not_fill_holes() -> None:
    values = ramp().values.copy()
    values[10] = np.nan
    clean = without_flying_pixels(DepthMap.from_values(values, "inverse_depth", "metric"))
    assert not clean.valid[10].any()
    assert clean.valid.sum() == 39 * 64


def landscape() -> tuple[DepthMap, np.ndarray]:
    """A floor under a plain sky that its map puts as far as the end of the floor, and a rough hedge before both."""
    inverse = np.maximum(np.arange(40) - 19, 1)[:, None] * np.full(64, 0.02)
    image = np.full((*SHAPE, 3), (120, 170, 230), np.uint8)
    noise = np.random.default_rng(0).integers(0, 120, (*SHAPE, 1), np.uint8)
    image[20:] = noise[20:]
    image[12:20, :20] = noise[12:20, :20]
    return DepthMap.from_values(inverse, "inverse_depth", "metric"), image


def test_the_sky_is_what_is_far_smooth_and_reaches_the_top() -> None:
    depth_map, image = landscape()
    sky = find_sky(depth_map, image)
    assert sky[:10].all()
    assert sky[12:17, 24:].all()
    assert not sky[14:20, :18].any()
    assert not sky[23:].any()


def test_what_is_near_or_below_is_no_sky_however_smooth() -> None:
    depth_map, image = landscape()
    upside_down = DepthMap(depth_map.values[::-1], depth_map.valid, "inverse_depth", "metric")
    assert not find_sky(upside_down, image).any()
    assert not find_sky(upside_down, image[::-1]).any()


def test_sky_is_infinitely_far_and_valid() -> None:
    sky = np.zeros(SHAPE, bool)
    sky[:3] = True
    depth = np.full(SHAPE, 2.0)
    depth[0] = np.nan
    found = with_sky(metric(depth), sky).to_depth()
    assert np.isinf(found.values[:3]).all()
    assert found.valid.all()
    assert (found.values[3:] == 2).all()


def test_a_map_without_a_zero_has_no_sky() -> None:
    with pytest.raises(ConventionError, match="near and far"):
        with_sky(
            DepthMap.from_values(np.ones(SHAPE), "inverse_depth", "affine_invariant"), np.ones(SHAPE, bool)
        )
