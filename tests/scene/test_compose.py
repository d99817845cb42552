"""Composing by depth: the z-buffer's test on a photograph."""

from __future__ import annotations

import numpy as np
import pytest

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.mesh import Mesh
from openmidas.scene.compose import Placement, with_mesh, with_picture
from openmidas.scene.nearness import inverse_at_metres, inverse_at_share

SHAPE = (60, 80)
GREEN = (0, 255, 0)


def a_wall_and_a_post() -> tuple[np.ndarray, DepthMap]:
    """Gray, 10 m away; before it, in columns 30 to 40, a red post at 2 m."""
    image, depth = np.full((*SHAPE, 3), 120, np.uint8), np.full(SHAPE, 10.0)
    image[:, 30:40], depth[:, 30:40] = (200, 0, 0), 2
    return image, DepthMap.from_values(depth, "depth", "metric")


def green(height: int = 20, width: int = 40) -> np.ndarray:
    return np.full((height, width, 4), (*GREEN, 255), np.uint8)


def laid(
    depth_m: float, picture: np.ndarray | None = None, at: tuple[float, float] = (35, 30), scale: float = 1.0
):
    image, depth_map = a_wall_and_a_post()
    placement = Placement(inverse_at_metres(depth_map, depth_m), at, scale)
    return image, with_picture(image, depth_map, green() if picture is None else picture, placement)


def is_green(pixels: np.ndarray) -> np.ndarray:
    return (pixels == GREEN).all(axis=-1)


def test_between_the_post_and_the_wall_the_post_hides_the_picture():
    image, composed = laid(5)
    assert is_green(composed[20:40, 16:29]).all()
    assert is_green(composed[20:40, 41:54]).all()
    np.testing.assert_array_equal(composed[:, 31:39], image[:, 31:39])


def test_before_the_post_nothing_hides_it_and_behind_the_wall_everything():
    image, before = laid(1)
    assert is_green(before[20:40, 15:55]).all()
    np.testing.assert_array_equal(before[:20], image[:20])
    np.testing.assert_array_equal(laid(11)[1], image)


def test_the_edge_of_what_hides_it_is_soft_and_within_two_pixels():
    row = laid(5)[1][30, 28:34]
    partly = (row[:, 1] > 0) & (row[:, 1] < 255)
    assert partly.any()
    assert partly.sum() <= 2


def test_a_picture_goes_where_it_is_put_to_a_part_of_a_pixel():
    opaque = laid(1, green(10, 10), (20.5, 30))[1].astype(float)
    assert is_green(opaque[26:34, 17:24].astype(np.uint8)).all()
    left, right = opaque[30, 15, 1], opaque[30, 25, 1]
    assert left == right
    assert 120 < left < 255


@pytest.mark.parametrize("scale", [0.25, 0.5, 2.0])
def test_scale_is_the_photographs_pixels_for_each_of_the_pictures(scale):
    image, depth_map = a_wall_and_a_post()
    placement = Placement(inverse_at_metres(depth_map, 1), (40, 30), scale)
    composed = with_picture(image * 0, depth_map, green(20, 20), placement)
    rows, columns = np.nonzero(composed[..., 1] >= 187)  # half of the light
    assert len(rows) == pytest.approx((20 * scale) ** 2, rel=0.5)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == (40, 30)


def test_transparent_parts_leave_the_photograph():
    picture = green()
    picture[:, :20, 3] = 0
    image, composed = laid(1, picture)
    np.testing.assert_array_equal(composed[:, :34], image[:, :34])


def test_half_opacity_mixes_in_light():
    picture = np.full((20, 40, 4), (255, 255, 255, 128), np.uint8)
    image, depth_map = a_wall_and_a_post()
    composed = with_picture(image * 0, depth_map, picture, Placement(1.0, (35, 30)))
    assert np.abs(composed[25:35, 20:50].astype(int) - 188).max() <= 1


def test_a_picture_standing_on_a_floor_is_cut_where_it_meets_it():
    rows = np.linspace(0, 1, SHAPE[0])
    floor = DepthMap.from_values(np.tile(rows[:, None], SHAPE[1]), "inverse_depth", "affine_invariant")
    image = np.zeros((*SHAPE, 3), np.uint8)
    picture = green(60, 20)
    composed = with_picture(image, floor, picture, Placement(inverse_at_share(floor, 0.5), (40, 30)))
    assert is_green(composed[:29, 35:45]).all()
    assert (composed[31:] == 0).all()


def a_card(depth_m: float) -> Mesh:
    """A green square of two triangles that faces the camera, as wide as half of the picture."""
    camera = Camera.from_fov(SHAPE, 60)
    corners = camera.unproject(np.array([[20, 15], [60, 15], [60, 45], [20, 45.0]]), np.full(4, depth_m))
    triangles = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
    return Mesh(corners.astype(np.float32), triangles, np.tile(np.uint8([GREEN]), (4, 1)))


def test_a_mesh_stands_between_what_is_nearer_and_what_is_farther():
    image, depth_map = a_wall_and_a_post()
    composed = with_mesh(image, depth_map, a_card(5), Camera.from_fov(SHAPE, 60))
    assert is_green(composed[17:43, 22:29]).all()
    assert is_green(composed[17:43, 41:58]).all()
    np.testing.assert_array_equal(composed[:, 31:39], image[:, 31:39])
    np.testing.assert_array_equal(composed[:14], image[:14])
    np.testing.assert_array_equal(with_mesh(image, depth_map, a_card(12), Camera.from_fov(SHAPE, 60)), image)


def test_what_cannot_be_composed_is_refused():
    image, depth_map = a_wall_and_a_post()
    with pytest.raises(ConventionError, match="its depth map"):
        with_picture(image[1:], depth_map, green(), Placement(1, (0, 0)))
    with pytest.raises(ValueError, match="scale"):
        with_picture(image, depth_map, green(), Placement(1, (0, 0), 0))
    with pytest.raises(ConventionError, match="the camera's picture"):
        with_mesh(image, depth_map, a_card(1), Camera.from_fov((10, 10), 60))
    unknown = DepthMap.from_values(depth_map.values, "inverse_depth", "affine_invariant")
    with pytest.raises(ConventionError, match="near and far"):
        with_mesh(image, unknown, a_card(1), Camera.from_fov(SHAPE, 60))
