"""Fog, light and slices: numbers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap, with_near_far
from openmidas.scene.effects import (
    FOG_RGB,
    cut_out,
    fogged,
    lit_at,
    lit_from,
    relit,
    slice_in_metres,
    slice_in_shares,
)
from openmidas.scene.light import to_light, to_srgb
from openmidas.scene.nearness import inverse_at_metres, inverse_at_share, shares, whole_inverse


def metric(depth: object) -> DepthMap:
    return DepthMap.from_values(np.array(depth, float), "depth", "metric")


def affine(values: object) -> DepthMap:
    return DepthMap.from_values(np.array(values, float), "inverse_depth", "affine_invariant")


def gray(level: int, shape: tuple[int, int]) -> np.ndarray:
    return np.full((*shape, 3), level, np.uint8)


def test_light_and_srgb_are_inverse_of_each_other():
    numbers = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_srgb(to_light(numbers)), numbers)
    np.testing.assert_allclose(to_light(numbers[[0, 188, 255]]), [0, 0.5029, 1], atol=1e-4)
    assert to_srgb(np.array([-1.0, 2.0], np.float32)).tolist() == [0, 255]


def test_at_the_visibility_a_twentieth_of_the_light_is_seen():
    image = gray(0, (1, 3))
    seen = fogged(image, metric([[1e-6, 50, 100]]), 50, (255, 255, 255))
    np.testing.assert_allclose(to_light(seen)[0, :, 0], [0, 1 - 0.05, 1 - 0.05**2], atol=0.005)


def test_the_sky_vanishes_in_fog():
    assert fogged(gray(90, (1, 2)), metric([[np.inf, 1]]), 20)[0, 0].tolist() == list(FOG_RGB)


def test_fog_needs_metres_and_says_how_to_state_them():
    with pytest.raises(ConventionError, match=r"state its near and far \(in metres\)"):
        fogged(gray(0, (1, 2)), affine([[0, 1]]), 20)
    fogged(gray(0, (1, 2)), with_near_far(affine([[0, 1]]), 1, 10), 20)
    with pytest.raises(ValueError, match="above 0"):
        fogged(gray(0, (1, 1)), metric([[1]]), 0)


def facing(*directions: tuple[float, float, float]) -> np.ndarray:
    normals = np.array([directions], np.float32)
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def test_light_follows_the_cosine_and_does_not_reach_what_is_turned_away():
    normals = facing((0, 0, -1), (1, 0, -1), (0, 0, 1))
    np.testing.assert_allclose(lit_from((0, 0, -5), normals), [[1, np.sqrt(0.5), 0]], atol=1e-6)


def test_what_is_met_head_on_keeps_its_brightness_and_what_is_not_has_the_ambient_share():
    lit = relit(gray(200, (1, 2)), np.array([[1.0, 0.0]]), 0.25)
    assert lit[0, 0].tolist() == [200, 200, 200]
    np.testing.assert_allclose(to_light(lit[0, 1]), to_light(np.full(3, 200, np.uint8)) * 0.25, atol=0.003)


def test_a_lamp_falls_with_the_square_of_the_distance():
    camera = Camera.from_focal((1, 3), 1e6)  # all three pixels look straight ahead
    lit = lit_at((0, 0, 0), facing(*[(0, 0, -1)] * 3), metric([[1, 2, 4]]), camera)
    np.testing.assert_allclose(lit, [[4, 1, 0.25]], rtol=1e-4)


def test_a_lamp_does_not_light_the_sky_or_what_is_unknown():
    camera = Camera.from_focal((1, 3), 1e6)
    normals = np.concatenate([facing((0, 0, -1), (0, 0, -1)), np.full((1, 1, 3), np.nan, np.float32)], axis=1)
    assert lit_at((0, 0, 0), normals, metric([[2, np.inf, np.nan]]), camera)[0].tolist() == [1, 0, 0]


def test_a_lamp_on_the_left_lights_what_faces_left():
    camera = Camera.from_focal((1, 2), 1e6)
    lit = lit_at((-5, 0, 2), facing((-1, 0, -0.1), (1, 0, -0.1)), metric([[2, 2]]), camera)
    assert lit[0, 0] > 0.9
    assert lit[0, 1] == 0


def test_impossible_light_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1"):
        relit(gray(0, (1, 1)), np.ones((1, 1)), 1.5)
    with pytest.raises(ValueError, match="direction"):
        lit_from((0, 0, 0), facing((0, 0, -1)))


def test_a_slice_in_metres_holds_what_lies_between():
    depth = metric([[1, 2, 3, 4, np.inf, np.nan]])
    assert slice_in_metres(depth, 2, 3)[0].tolist() == [0, 1, 1, 0, 0, 0]
    assert slice_in_metres(depth, 3, np.inf)[0].tolist() == [0, 0, 1, 1, 1, 0]


def test_a_soft_slice_fades_over_both_ends():
    depth = metric([[1, 1.75, 2, 2.25, 3, 4, np.inf]])
    np.testing.assert_allclose(
        slice_in_metres(depth, 2, 4, 1.0)[0], [0, 0.25, 0.5, 0.75, 1, 0.5, 0], atol=1e-6
    )
    np.testing.assert_allclose(slice_in_metres(depth, 2, np.inf, 1.0)[0, 4:], 1)


def test_a_slice_in_shares_needs_no_metres():
    assert slice_in_shares(affine([[-3, -2, -1, 0, 1]]), 0.5, 1)[0].tolist() == [0, 0, 1, 1, 1]
    with pytest.raises(ConventionError, match="give a share"):
        slice_in_metres(affine([[0, 1]]), 1, 2)
    with pytest.raises(ValueError, match="smaller to a larger"):
        slice_in_shares(affine([[0, 1]]), 0.5, 0.5)


def test_a_cut_out_is_the_picture_with_its_opacity():
    rgba = cut_out(gray(7, (1, 2)), np.array([[0.5, 1.0]]))
    assert rgba.tolist() == [[[7, 7, 7, 128], [7, 7, 7, 255]]]


def test_shares_go_from_the_farthest_to_the_nearest():
    depth = metric([[1, 2, np.inf]])
    np.testing.assert_allclose(shares(depth), [[1, 0.5, 0]])
    assert inverse_at_share(depth, 0.5) == pytest.approx(0.5)
    assert inverse_at_metres(depth, 4) == 0.25
    assert inverse_at_metres(depth, np.inf) == 0
    with pytest.raises(ConventionError, match="above 0"):
        inverse_at_metres(depth, 0)


def test_a_hole_is_as_far_as_the_farther_known_pixel_beside_it():
    inverse = affine([[np.nan, 3, np.nan, np.nan, 1, np.nan], [np.nan] * 6])
    assert whole_inverse(inverse).tolist() == [[3, 3, 1, 1, 1, 1], [1] * 6]
