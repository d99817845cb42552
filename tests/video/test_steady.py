"""Steady depth: flicker gone where the film stands still, cuts taken at once, errors never add up."""

import numpy as np

from openmidas.depth_map import DepthMap
from openmidas.video.steady import SPAN, Steadier

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
SCENE = np.linspace(0, 1, 48 * 64, dtype=np.float32).reshape(48, 64)


def depth_map(values):
    return DepthMap.from_values(values.astype(np.float32), "inverse_depth", "affine_invariant")


def steadied(images, maps, frames_per_s=25):
    steadier = Steadier(frames_per_s)
    return [steadier(image, depth_map(values)).values for image, values in zip(images, maps, strict=True)]


def test_a_still_film_whose_scale_and_shift_flicker_comes_out_constant():
    flickering = [SCENE * RNG.uniform(50, 150) + RNG.uniform(0, 30) for _ in range(30)]
    found = np.stack(steadied([IMAGE] * 30, flickering))
    assert np.ptp(found, axis=0).max() < 1e-3
    np.testing.assert_allclose(np.percentile(found, (0.5, 99.5)), SPAN, atol=0.01)


def test_something_that_comes_near_changes_the_range_of_its_frame_but_not_the_rest():
    """Stretching every frame over its own range, as single pictures are, makes the walls move."""
    images, maps = [], []
    for number in range(20):
        image, values = IMAGE.copy(), SCENE.copy()
        image[:12, :12] = RNG.integers(0, 256, (12, 12, 3))
        values[:12, :12] = 1 + number / 10
        images.append(image)
        maps.append(values * 70 + 5)
    found = steadied(images, maps)
    still = (slice(12, None), slice(12, None))
    alone = [
        Steadier(25)(image, depth_map(values)).values for image, values in zip(images, maps, strict=True)
    ]
    moved, moved_alone = (np.abs(frames[-1][still] - frames[0][still]).max() for frames in (found, alone))
    assert moved_alone > 0.3
    assert moved < 0.5 * moved_alone


def test_after_a_cut_the_new_scene_has_its_own_range_at_once():
    other = 255 - IMAGE // 2
    found = steadied([IMAGE // 8, other], [SCENE * 10, SCENE[::-1] * 900 + 40])
    np.testing.assert_allclose(np.percentile(found[1], (0.5, 99.5)), SPAN, atol=1e-3)


def test_errors_do_not_add_up_over_a_long_film():
    maps = [SCENE + RNG.normal(0, 0.05, SCENE.shape) for _ in range(600)]
    found = steadied([IMAGE] * 600, maps)
    low, high = np.percentile(np.stack(found[-20:]), (5, 95))
    assert -0.15 < low < high < 1.15
    assert high - low > 0.6


def test_where_all_moves_the_range_follows_slowly():
    images = [np.roll(IMAGE // 4, 7 * number, axis=1) for number in range(2)]
    found = steadied(images, [SCENE, SCENE * 2])
    low, high = np.percentile(found[1], (0.5, 99.5))
    assert 1.8 < high - low < 2  # the line of the frame before, and a little of the own


def test_a_constant_frame_and_one_without_a_valid_pixel_do_no_harm():
    nothing = np.full_like(SCENE, np.nan)
    found = steadied([IMAGE] * 4, [SCENE, np.full_like(SCENE, 7), nothing, SCENE * 3])
    assert np.isfinite(found[1]).all()
    assert np.isnan(found[2]).all()
    assert np.isfinite(found[3]).all()


def test_holes_stay_holes():
    values = SCENE.copy()
    values[3, 5] = np.nan
    found = steadied([IMAGE] * 2, [SCENE, values])
    assert np.argwhere(np.isnan(found[1])).tolist() == [[3, 5]]
