"""Blur by depth: what is sharp, what bleeds and what must not."""

from __future__ import annotations

import numpy as np
import pytest

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.scene.blur import blurred_by_depth
from openmidas.scene.light import to_light

SIZE = 120
EDGE = 60
RADIUS = 8.0


def affine(values: np.ndarray) -> DepthMap:
    return DepthMap.from_values(values, "inverse_depth", "affine_invariant")


def two_sides(
    left_depth: float, right_depth: float, left: int = 255, right: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its inverse depth, two halves that meet in the middle."""
    image, inverse = np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros((SIZE, SIZE))
    image[:, :EDGE], image[:, EDGE:] = left, right
    inverse[:, :EDGE], inverse[:, EDGE:] = left_depth, right_depth
    return image, inverse


def textured(part: np.ndarray) -> None:
    part[...] = np.random.default_rng(0).integers(0, 255, part.shape)


def light_across(image: np.ndarray) -> np.ndarray:
    return to_light(image)[SIZE // 2, :, 0]


def test_what_is_in_focus_before_a_blurred_background_stays_as_it_is():
    image, inverse = two_sides(1, 0)
    textured(image[:, :EDGE])
    blurred = blurred_by_depth(image, affine(inverse), 1.0, RADIUS)
    np.testing.assert_array_equal(blurred[:, :EDGE], image[:, :EDGE])


def test_nothing_sharp_bleeds_into_the_background():
    image, inverse = two_sides(1, 0)
    blurred = blurred_by_depth(image, affine(inverse), 1.0, RADIUS)
    assert blurred[:, EDGE + 2 :].max() == 0  # two pixels beside the edge belong to it


def test_the_background_is_blurred_over_the_radius():
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[EDGE : EDGE + 2, 30:32] = 255
    inverse = np.zeros((SIZE, SIZE))
    inverse[:, 100:] = 1
    light = to_light(blurred_by_depth(image, affine(inverse), 1.0, RADIUS))[..., 0]
    y, x = np.mgrid[:SIZE, :SIZE]
    mean_square = np.sum(light * ((x - 30.5) ** 2 + (y - EDGE - 0.5) ** 2)) / light.sum()
    assert np.sqrt(2 * mean_square) == pytest.approx(
        RADIUS, abs=0.6
    )  # of a disc, half the square of its radius
    assert np.sum(light * x) / light.sum() == pytest.approx(30.5, abs=0.1)


@pytest.mark.parametrize("radius", [1.0, 3.0, 8.0, 13.0, 40.0])
def test_light_is_kept(radius):
    image = np.zeros((240, 240, 3), np.uint8)
    image[110:130, 110:130] = 255
    inverse = np.zeros((240, 240))
    inverse[:, 239] = 1
    light = to_light(blurred_by_depth(image, affine(inverse), 1.0, radius))
    assert light[..., 0].sum() == pytest.approx(400, rel=0.03)


def test_a_blurred_foreground_spreads_over_the_sharp_background():
    image, inverse = two_sides(1, 0)
    blurred = light_across(blurred_by_depth(image, affine(inverse), 0.0, RADIUS))
    assert blurred[EDGE - 12] == pytest.approx(1, abs=0.02)
    assert blurred[EDGE + 14] == 0
    assert blurred[EDGE - 2] > 0.5 > blurred[EDGE + 1]
    assert (np.diff(blurred) < 0.01).all()
    assert np.abs(np.diff(blurred)).max() < 0.15


def test_behind_a_blurred_foreground_the_background_stays_sharp():
    image, inverse = two_sides(1, 0)
    textured(image[:, EDGE:])
    blurred = blurred_by_depth(image, affine(inverse), 0.0, RADIUS)
    np.testing.assert_array_equal(blurred[:, EDGE + 14 :], image[:, EDGE + 14 :])


def test_a_floor_of_one_colour_keeps_it_from_near_to_far():
    image = np.full((SIZE, SIZE, 3), 140, np.uint8)
    floor = np.tile(np.linspace(0, 1, SIZE)[:, None], SIZE)
    for sharp_at in (0.0, 0.4, 1.0):
        blurred = blurred_by_depth(image, affine(floor), sharp_at, 20)
        assert np.abs(blurred.astype(int) - 140).max() <= 1


def test_large_pictures_are_blurred_in_bands_without_seams():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (1300, 40, 3), dtype=np.uint8)
    inverse = np.tile(np.linspace(0, 1, 40), (1300, 1))
    whole = blurred_by_depth(image, affine(inverse), 0.5, 6.0)
    part = blurred_by_depth(image[400:700], affine(inverse[400:700]), 0.5, 6.0)
    np.testing.assert_allclose(whole[440:660].astype(int), part[40:260], atol=1)  # rounding


def test_mixing_is_done_in_light():
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[:, ::2] = 255
    inverse = np.zeros((SIZE, SIZE))
    inverse[0, 0] = 1
    assert blurred_by_depth(image, affine(inverse), 1.0, 10)[80, 80, 0] == pytest.approx(188, abs=4)


def test_without_blur_the_picture_comes_back():
    image, inverse = two_sides(1, 0)
    np.testing.assert_array_equal(blurred_by_depth(image, affine(inverse), 0.5, 0), image)
    np.testing.assert_array_equal(blurred_by_depth(image, affine(inverse * 0), 0, 9), image)


def test_what_makes_no_blur_is_refused():
    image, inverse = two_sides(1, 0)
    with pytest.raises(ValueError, match="0 pixels or more"):
        blurred_by_depth(image, affine(inverse), 0, -1)
    with pytest.raises(ConventionError, match="its depth map"):
        blurred_by_depth(image[1:], affine(inverse), 0, 1)
