"""The layered scene: nothing missing in front, nothing joined across a jump, nothing of the front behind."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
import pytest
from cards import CARD, FAR_M, GREEN, NEAR_M, card_before_wall, wall
from hypothesis import given, settings
from hypothesis import strategies as st

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.mesh import Mesh
from openmidas.scene.layers import (
    _groups_at_corners,
    as_map,
    build_scene,
    grid_surface,
    twice_as_large,
    whole_inverse_depth,
)
from openmidas.scene.reconstruct import depth_cuts
from openmidas.scene.zbuffer import render_triangles

JOINED = np.zeros((8, 9), bool), np.zeros((7, 10), bool)


def steps(seed: int) -> np.ndarray:
    """Inverse depth of a few overlapping rectangles."""
    rng = np.random.default_rng(seed)
    inverse = np.full((24, 30), 0.2, np.float32)
    for _ in range(4):
        top, left = rng.integers(0, 20, 2)
        inverse[top : top + rng.integers(1, 12), left : left + rng.integers(1, 12)] = rng.choice(
            [0.3, 0.45, 0.7, 1]
        )
    return inverse


def beneath_the_card(mesh: Mesh, camera: Camera) -> np.ndarray:
    pixels, _ = camera.project(mesh.vertices.astype(float))
    return (abs(pixels - (60, 45)) < (19, 14)).all(axis=1)


def colours_beneath_the_card(mesh: Mesh, camera: Camera) -> np.ndarray:
    assert mesh.uv is not None
    assert mesh.texture is not None
    height, width = mesh.texture.shape[:2]
    x, y = np.minimum(mesh.uv * (width, height), (width - 1, height - 1)).astype(int).T
    return mesh.texture[y, x][beneath_the_card(mesh, camera)].astype(int)


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_every_pixel_is_covered_at_its_own_depth_from_where_the_picture_was_taken(seed: int) -> None:
    inverse, camera = steps(seed), Camera.from_focal((24, 30), 30)
    surface = grid_surface(inverse, depth_cuts(as_map(inverse)))
    nothing = np.zeros((len(surface.corners_px), 1), np.float32)
    drawing = render_triangles(surface.vertices(camera), surface.triangles, nothing, camera)
    assert (drawing.index >= 0).all()
    np.testing.assert_allclose(drawing.depth, 1 / inverse, rtol=1e-4)


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_no_triangle_reaches_over_a_jump(seed: int) -> None:
    inverse = steps(seed)
    surface = grid_surface(inverse, depth_cuts(as_map(inverse)))
    corners = surface.inverse_depth[surface.triangles]
    assert (corners.max(axis=1) <= corners.min(axis=1) * 1.06).all()


def test_pixels_around_a_corner_belong_together_when_a_way_leads_from_one_to_the_other() -> None:
    for top, bottom, left, right in product([False, True], repeat=4):
        groups = _groups_at_corners(np.array([[top], [bottom]]), np.array([[left, right]]))[:, 1, 1]
        joined = {(0, 1): not top, (2, 3): not bottom, (0, 2): not left, (1, 3): not right}
        reach = np.eye(4, dtype=bool)
        for (one, other), is_joined in joined.items():
            reach[one, other] = reach[other, one] = is_joined
        together = np.linalg.matrix_power(reach.astype(int), 4) > 0
        assert (together == (groups[:, None] == groups)).all()


def test_a_plane_stays_a_plane() -> None:
    y, x = np.mgrid[:8, :10] + 0.5
    surface = grid_surface((0.1 + 0.01 * x + 0.02 * y).astype(np.float32), JOINED)
    inside = (surface.corners_px > 0).all(axis=1) & (surface.corners_px < (10, 8)).all(axis=1)
    expected = 0.1 + surface.corners_px[inside] @ (0.01, 0.02)
    np.testing.assert_allclose(surface.inverse_depth[inside], expected, rtol=1e-5)


def test_a_whole_grid_shares_its_corners() -> None:
    surface = grid_surface(np.ones((8, 10), np.float32), JOINED)
    assert len(surface.corners_px) == 9 * 11
    assert len(surface.triangles) == 2 * 8 * 10


def test_triangles_face_who_took_the_picture() -> None:
    image, depth_map, camera = card_before_wall()
    scene = build_scene(image, depth_map, camera)
    for mesh in (scene.surface, scene.background):
        a, b, c = mesh.vertices[mesh.triangles].transpose(1, 0, 2)
        assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0).all()


def test_four_pixels_of_the_larger_picture_make_one_of_the_picture() -> None:
    image = np.random.default_rng(0).integers(60, 190, (20, 30, 3)).astype(np.uint8)
    large = twice_as_large(image).reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(large - image).max() <= 3


def test_the_background_lies_under_the_card_at_the_walls_depth_and_has_nothing_of_its_red() -> None:
    image, depth_map, camera = card_before_wall()
    mesh = build_scene(image, depth_map, camera).background
    depth = mesh.vertices[beneath_the_card(mesh, camera), 2]
    assert len(depth) > 400
    np.testing.assert_allclose(depth, FAR_M, rtol=0.02)
    assert np.abs(colours_beneath_the_card(mesh, camera) - GREEN).max() <= 8


def test_a_wall_alone_hides_nothing() -> None:
    assert len(build_scene(*wall()).background.triangles) == 0


def test_the_sky_is_far_behind_everything_and_a_hole_as_deep_as_what_is_beside_it() -> None:
    depth = np.array([[2.0, 2.0, np.nan, 5.0, np.inf]])
    inverse = whole_inverse_depth(DepthMap.from_values(depth, "depth", "metric"))
    assert inverse[0, 2] in (np.float32(0.5), np.float32(0.2))
    assert 0 < inverse[0, 4] <= 0.02


def test_the_card_grows_by_the_pixels_that_show_both_it_and_the_wall() -> None:
    image, depth_map, camera = card_before_wall()
    mesh = build_scene(image, depth_map, camera).surface
    pixels, depth = camera.project(mesh.vertices.astype(float))
    near = depth < 1.5 * NEAR_M
    rows, columns = CARD
    np.testing.assert_allclose(pixels[near].min(axis=0), (columns.start - 2, rows.start - 2), atol=1e-3)
    np.testing.assert_allclose(pixels[near].max(axis=0), (columns.stop + 2, rows.stop + 2), atol=1e-3)


def test_what_does_not_belong_together_is_refused() -> None:
    image, depth_map, camera = card_before_wall()
    with pytest.raises(ConventionError, match="one size"):
        build_scene(image[1:], depth_map, camera)
    sky = DepthMap.from_values(np.full(image.shape[:2], np.inf), "depth", "metric")
    with pytest.raises(ConventionError, match="nothing but sky"):
        build_scene(image, sky, camera)


def test_the_cards_blurred_edge_does_not_colour_what_is_behind_it() -> None:
    image, depth_map, camera = card_before_wall()
    mesh = build_scene(cv2.GaussianBlur(image, (0, 0), 2), depth_map, camera).background
    assert np.abs(colours_beneath_the_card(mesh, camera) - GREEN).max() <= 8
