"""Heatmaps: order, direction, holes and the colours of OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jaxtyping import TypeCheckError

from openmidas.depth_map import DepthMap
from openmidas.files import FileError, read_image, to_heatmap, write_heatmap
from openmidas.files.heatmap import INVALID_RGB

COLORMAPS = ["inferno", "magma", "turbo", "gray"]


def inverse(values) -> DepthMap:
    return DepthMap.from_values(values, "inverse_depth", "affine_invariant")


def ramp() -> DepthMap:
    return inverse(np.linspace(-3, 5, 256).reshape(1, 256))


def luminance(rgb: np.ndarray) -> np.ndarray:
    return rgb @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("colormap", ["inferno", "magma", "gray"])
def test_near_is_bright_and_far_when_asked_for(colormap):
    shades = luminance(to_heatmap(ramp(), colormap))[0]
    assert np.all(np.diff(shades) >= -0.5)
    assert shades[-1] > shades[0] + 150
    turned = luminance(to_heatmap(ramp(), colormap, near_bright=False))[0]
    assert np.abs(turned - shades[::-1]).max() < 4  # one of 256 colours, where a value lies between two


def test_turbo_is_red_where_near():
    near, far = to_heatmap(ramp(), "turbo")[0, -20], to_heatmap(ramp(), "turbo")[0, 20]
    assert near[0] > 150 > near[2]
    assert far[2] > 120 > far[0]


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_the_ends_have_the_colours_of_the_map(colormap):
    names = {"inferno": cv2.COLORMAP_INFERNO, "magma": cv2.COLORMAP_MAGMA, "turbo": cv2.COLORMAP_TURBO}
    ends = np.array([[0, 255]], np.uint8)
    rgb = cv2.applyColorMap(ends, names[colormap])[:, :, ::-1] if colormap in names else ends[:, :, None]
    assert np.array_equal(to_heatmap(ramp(), colormap)[0, [0, -1]], np.broadcast_to(rgb, (1, 2, 3))[0])


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(0, 1e6, width=32)
    )
)
def test_order_is_kept(values):
    shades = to_heatmap(inverse(values), "gray")[:, :, 0].astype(int).reshape(-1)
    assert np.all(np.diff(shades[np.argsort(values, axis=None)]) >= 0)


@pytest.mark.parametrize("values", [[-3e38, 0, 3e38], [0, 1.4e-45, 2.8e-45], [1e8, 1e8 + 8, 1e8 + 16]])
def test_numbers_at_the_ends_of_float32_show(values):
    low, middle, high = to_heatmap(inverse([values]), "gray")[0, :, 0]
    assert (low, high) == (0, 255)
    assert middle in (127, 128)


def test_scale_and_shift_do_not_show():
    values = np.random.default_rng(0).random((30, 40))
    plain = to_heatmap(inverse(values)).astype(int)
    assert np.abs(plain - to_heatmap(inverse(1000 * values - 7))).max() <= 6  # one of 256 colours at most


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_pixels_that_are_not_valid_have_a_colour_of_their_own(colormap):
    values = np.linspace(0, 1, 400).reshape(20, 20)
    values[3, 4] = np.nan
    heatmap = to_heatmap(inverse(values), colormap)
    assert np.array_equal(np.argwhere((heatmap == INVALID_RGB).all(axis=2)), [[3, 4]])


def test_metric_depth_shows_through_inverse_depth():
    metres = DepthMap.from_values([[1.0, 2.0, 4.0, np.inf]], "depth", "metric")
    shades = to_heatmap(metres, "gray")[0, :, 0]
    assert np.abs(shades - 255 * np.array([1, 0.5, 0.25, 0])).max() <= 3


def test_affine_invariant_depth_shows_near_bright_too():
    depths = DepthMap.from_values([[-1.0, 0.0, 1.0, np.inf]], "depth", "affine_invariant")
    shades = to_heatmap(depths, "gray")[0, :, 0].astype(int)
    assert shades[0] > shades[1] > shades[2] == shades[3]


def test_a_few_stray_pixels_do_not_take_all_the_colours():
    values = np.random.default_rng(0).random((100, 100))
    values[0, :20] = 1e6
    shades = to_heatmap(inverse(values), "gray")[1:, :, 0]
    assert shades.max() - shades.min() > 240


def test_two_values_show_even_when_one_is_rare():
    values = np.zeros((100, 100))
    values[0, 0] = 1
    assert set(np.unique(to_heatmap(inverse(values), "gray"))) == {0, 255}


def test_a_constant_map_has_the_middle_colour_and_an_empty_one_none():
    assert np.all(to_heatmap(inverse(np.full((3, 3), 7.0)), "gray") == 127)
    assert np.all(to_heatmap(inverse(np.full((3, 3), np.nan))) == INVALID_RGB)


def test_png_is_exact_and_jpeg_close(tmp_path):
    smooth = cv2.resize(np.random.default_rng(0).random((4, 5)), (200, 150))
    heatmap = to_heatmap(inverse(smooth), "turbo")
    write_heatmap(tmp_path / "a.png", inverse(smooth), "turbo")
    write_heatmap(tmp_path / "a.jpg", inverse(smooth), "turbo")
    assert np.array_equal(read_image(tmp_path / "a.png"), heatmap)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - heatmap).mean() < 4


def test_other_suffixes_and_colormaps_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"written as \.png or \.jpg"):
        write_heatmap(tmp_path / "a.gif", ramp())
    with pytest.raises((ValueError, TypeCheckError), match=r"unknown colormap 'jet'|Type-check"):
        to_heatmap(ramp(), "jet")
    with pytest.raises(FileError, match="at most 65500 pixels"):
        write_heatmap(tmp_path / "a.jpg", inverse(np.zeros((1, 65_501))))
