"""Stereo: the sign and the size of parallax, what hides what, and every layout."""

from __future__ import annotations

import numpy as np
import pytest

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.scene.stereo import (
    LAYOUTS,
    StereoScene,
    colour_anaglyph,
    dubois_anaglyph,
    gray_anaglyph,
    half_colour_anaglyph,
    left_view,
    right_view,
)

HEIGHT, WIDTH = 24, 200
RED, BLUE = (250, 0, 0), (0, 0, 250)


def inverse(values: np.ndarray) -> DepthMap:
    return DepthMap.from_values(values, "inverse_depth", "affine_invariant")


def a_square(
    first: int = 80, last: int = 120, nearness: float = 1.0, colour: tuple[int, int, int] = RED
) -> tuple[np.ndarray, np.ndarray]:
    """A black picture with a square, and its inverse depth: 0 with a pixel of 1 at the top right corner."""
    image, values = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH))
    image[4:20, first:last] = colour
    values[4:20, first:last] = nearness
    values[0, -1] = 1
    return image, values


def scene(
    image: np.ndarray, values: np.ndarray, divergence: float = 5.0, convergence: float = 0.0
) -> StereoScene:
    return StereoScene(image, inverse(values), divergence, convergence)


def middle_px(view: np.ndarray, channel: int = 0) -> float:
    """Where the light of a channel has its centre in the row through the middle."""
    row = view[HEIGHT // 2, :, channel].astype(float)
    return float(np.sum(row * (np.arange(WIDTH) + 0.5)) / np.sum(row))


def a_photo(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Smooth noise, and steps of depth."""
    rng = np.random.default_rng(seed)
    image = np.kron(rng.integers(0, 255, (HEIGHT // 4, WIDTH // 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    return image, np.kron(rng.random((HEIGHT // 8, WIDTH // 20)), np.ones((8, 20)))


@pytest.mark.parametrize("divergence", [1.0, 2.3, 3.7, 5.0])
@pytest.mark.parametrize("convergence", [0.0, 0.33, 1.0])
@pytest.mark.parametrize("nearness", [1.0, 0.6])
def test_parallax_is_the_share_of_the_width_that_was_asked_for(divergence, convergence, nearness):
    views = scene(*a_square(nearness=nearness), divergence, convergence)
    parallax = middle_px(left_view(views)) - middle_px(right_view(views))
    assert parallax == pytest.approx(divergence / 100 * WIDTH * (nearness - convergence), abs=0.1)
    assert middle_px(left_view(views)) + middle_px(right_view(views)) == pytest.approx(200, abs=0.1)


def test_what_lies_on_the_screen_is_in_the_same_place_in_both_views():
    views = scene(*a_square(nearness=0.4), 5, 0.4)
    left, right = left_view(views), right_view(views)
    np.testing.assert_array_equal(left[4:20, 80:120], right[4:20, 80:120])
    assert middle_px(left) == middle_px(right) == pytest.approx(100)


def test_without_divergence_both_views_are_the_picture():
    image, values = a_photo()
    for view in (left_view, right_view):
        np.testing.assert_array_equal(view(scene(image, values, 0)), image)


def test_the_mirrored_picture_gives_the_mirrored_views_swapped():
    image, values = a_photo()
    straight, mirrored = scene(image, values, 6, 0.5), scene(image[:, ::-1], values[:, ::-1], 6, 0.5)
    np.testing.assert_array_equal(left_view(mirrored), right_view(straight)[:, ::-1])
    np.testing.assert_array_equal(right_view(mirrored), left_view(straight)[:, ::-1])


def test_the_nearer_of_two_hides_the_farther():
    image, values = a_square(90, 110, 1.0, RED)
    image[4:20, 110:125], values[4:20, 110:125] = BLUE, 0.2
    left = left_view(scene(image, values, 10))
    # red moved 10 to the right, over blue, which moved 2
    row = left[HEIGHT // 2]
    assert (row[102:118, 0] > 240).all()
    assert (row[102:118, 2] < 20).all()
    assert (row[123:126, 2] > 240).all()


def test_a_pole_may_jump_over_what_is_behind_it():
    image, values = a_square(98, 102, 1.0, RED)
    image[4:20, 106:110] = BLUE  # on the background, beside the pole
    left = left_view(scene(image, values, 20))
    row = left[HEIGHT // 2]
    assert middle_px(left) == pytest.approx(120, abs=0.1)
    assert (row[107:109] == BLUE).all()


def test_what_comes_to_light_is_filled_from_the_farther_side():
    image, values = a_square(80, 120, 1.0, RED)
    image[values < 0.5] = BLUE
    left = left_view(scene(image, values, 10))
    # the square moved from 80 to 90: behind it is blue, and no red is smeared there
    assert (np.abs(left[8:16, 70:88].astype(int) - BLUE) < 3).all()


def test_an_edge_between_two_pixels_is_mixed_of_both():
    image, values = a_square(80, 120)
    row = left_view(scene(image, values, 2.25))[HEIGHT // 2, :, 0]  # moves by 2.25 px
    np.testing.assert_allclose(row[120:124], [250, 250, 250 / 4, 0], atol=6)


def test_a_slope_is_stretched_without_gaps():
    image = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    values = np.tile(np.linspace(0, 1, WIDTH), (HEIGHT, 1))
    for convergence in (0.0, 0.5, 1.0):
        for view in (left_view, right_view):
            assert (view(scene(image, values, 20, convergence)) == 200).all()


def test_holes_of_the_depth_map_are_as_far_as_the_farther_side():
    image, values = a_square(80, 120)
    values[4:20, 70:80] = np.nan
    full, holes = a_square(80, 120)[1], values
    np.testing.assert_array_equal(left_view(scene(image, full)), left_view(scene(image, holes)))


def test_metric_depth_gives_the_views_of_its_inverse():
    image, values = a_photo()
    metric = DepthMap.from_values(1 / (values + 0.1), "depth", "metric")
    np.testing.assert_array_equal(
        left_view(StereoScene(image, metric)), left_view(StereoScene(image, metric.to_inverse_depth()))
    )


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        ("side-by-side", (24, 400)),
        ("side-by-side-half", (24, 200)),
        ("top-bottom", (48, 200)),
        ("top-bottom-half", (24, 200)),
        ("cross-eyed", (24, 400)),
        ("anaglyph", (24, 200)),
        ("anaglyph-gray", (24, 200)),
        ("anaglyph-colour", (24, 200)),
        ("anaglyph-half-colour", (24, 200)),
        ("left", (24, 200)),
        ("right", (24, 200)),
        ("rgbd", (24, 400)),
    ],
)
def test_layouts_have_their_sizes(layout, shape):
    assert LAYOUTS[layout](scene(*a_photo())).shape == (*shape, 3)


def test_every_layout_is_listed_here():
    assert len(LAYOUTS) == 12


def test_layouts_put_the_views_where_their_names_say():
    views = scene(*a_photo())
    left, right = left_view(views), right_view(views)
    np.testing.assert_array_equal(LAYOUTS["side-by-side"](views), np.hstack([left, right]))
    np.testing.assert_array_equal(LAYOUTS["cross-eyed"](views), np.hstack([right, left]))
    np.testing.assert_array_equal(LAYOUTS["top-bottom"](views), np.vstack([left, right]))
    half = LAYOUTS["side-by-side-half"](views).astype(float)
    np.testing.assert_allclose(half[:, :100], (left[:, ::2].astype(float) + left[:, 1::2]) / 2, atol=0.51)


def test_half_layouts_of_odd_sizes_keep_the_size():
    image, values = (array[:23, :199] for array in a_photo())
    for layout in ("side-by-side-half", "top-bottom-half"):
        assert LAYOUTS[layout](scene(image, values)).shape == (23, 199, 3)


def test_rgbd_is_the_picture_beside_its_nearness():
    image, values = a_square(nearness=0.5)
    both = LAYOUTS["rgbd"](scene(image, values))
    np.testing.assert_array_equal(both[:, :WIDTH], image)
    assert both[12, WIDTH + 100].tolist() == [128, 128, 128]
    assert both[0, -1].tolist() == [255, 255, 255]


def test_the_gray_anaglyph_of_equal_views_is_gray():
    image = a_photo()[0]
    mixed = gray_anaglyph(image, image)
    np.testing.assert_array_equal(mixed[..., 0], mixed[..., 1])
    np.testing.assert_array_equal(mixed[..., 0], mixed[..., 2])


def test_the_colour_anaglyph_of_equal_views_is_the_view():
    image = a_photo()[0]
    np.testing.assert_array_equal(colour_anaglyph(image, image), image)


def test_the_half_colour_anaglyph_keeps_green_and_blue_of_the_right_view():
    left, right = a_photo(1)[0], a_photo(2)[0]
    mixed = half_colour_anaglyph(left, right)
    np.testing.assert_array_equal(mixed[..., 1:], right[..., 1:])
    np.testing.assert_array_equal(mixed[..., 0], gray_anaglyph(left, right)[..., 0])


@pytest.mark.parametrize("level", [0, 30, 128, 255])
def test_dubois_leaves_gray_gray(level):
    gray = np.full((2, 2, 3), level, np.uint8)
    assert np.abs(dubois_anaglyph(gray, gray).astype(int) - level).max() <= 1


def test_dubois_shows_the_left_view_in_red_and_the_right_in_cyan():
    white, black = np.full((1, 1, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)
    assert dubois_anaglyph(white, black)[0, 0].tolist() == [255, 0, 0]
    assert dubois_anaglyph(black, white)[0, 0].tolist() == [0, 255, 255]


def test_what_makes_no_stereo_is_refused():
    image, values = a_square()
    with pytest.raises(ValueError, match="percent of the width"):
        scene(image, values, -1)
    with pytest.raises(ValueError, match="share of nearness"):
        scene(image, values, 2, 1.5)
    with pytest.raises(ConventionError, match="its depth map"):
        scene(image[:, :-1], values)
    with pytest.raises(ConventionError, match="constant"):
        left_view(scene(image, np.ones_like(values)))
    with pytest.raises(ValueError, match="at most 32766 pixels wide"):
        left_view(scene(np.zeros((1, 32767, 3), np.uint8), np.arange(32767)[None]))


def test_the_smallest_picture_has_views():
    image = np.array([[[9, 9, 9], [200, 0, 0]]], np.uint8)
    assert left_view(scene(image, np.array([[0.0, 1.0]]), 20, 1))[0, 1].tolist() == [200, 0, 0]
