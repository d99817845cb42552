"""Depth to points and surfaces: planes stay planes, and nothing joins what does not belong together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rooms import metric, plane

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.mesh import Mesh
from openmidas.scene.reconstruct import SKY_BEYOND, depth_cuts, surface_normals, to_mesh, to_points

SHAPE = (24, 32)
CAMERA = Camera.from_fov(SHAPE, 60)


def step(near_m: float = 2, far_m: float = 3) -> np.ndarray:
    """A box before a wall, seen straight on."""
    depth = np.full(SHAPE, float(far_m))
    depth[8:16, 10:20] = near_m
    return depth


def corners(mesh: Mesh) -> np.ndarray:
    return mesh.vertices[mesh.triangles]


def outward(mesh: Mesh) -> np.ndarray:
    a, b, c = corners(mesh).astype(float).transpose(1, 0, 2)
    return np.cross(b - a, c - a)


def test_a_plane_becomes_two_flat_triangles_a_quad() -> None:
    mesh = to_mesh(plane(CAMERA, (0.3, -0.2, 1), 2), CAMERA)
    assert len(mesh.vertices) == 24 * 32
    assert len(mesh.triangles) == 2 * 23 * 31
    np.testing.assert_allclose(mesh.vertices @ (0.3, -0.2, 1), 2, rtol=1e-5)


@given(st.integers(0, 10**6))
def test_vertices_and_points_project_back_to_their_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    camera = CAMERA.moved(rng.normal(size=3)).looking_at((*rng.normal(size=2), 9))
    depth_map = metric(rng.uniform(1, 5, SHAPE))
    for vertices in (to_mesh(depth_map, camera).vertices, to_points(depth_map, camera).points):
        pixels, depth = camera.project(vertices)
        np.testing.assert_allclose(pixels, camera.pixel_centres(), atol=1e-3)
        np.testing.assert_allclose(depth, depth_map.values.ravel(), rtol=1e-4)


def test_triangles_face_the_viewer_and_turn_counter_clockwise_on_the_screen() -> None:
    mesh = to_mesh(metric(step()), CAMERA)
    assert (np.sum(outward(mesh) * corners(mesh)[:, 0], axis=1) < 0).all()
    (ax, ay), (bx, by), (cx, cy) = CAMERA.project(mesh.vertices)[0][mesh.triangles].transpose(1, 2, 0)
    # y points down, so a turn that looks counter-clockwise has a negative area
    assert ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < 0).all()


def test_no_triangle_joins_a_box_to_the_wall_behind_it() -> None:
    mesh = to_mesh(metric(step()), CAMERA)
    assert np.ptp(corners(mesh)[..., 2], axis=1).max() == 0
    # all quads, less the ring of those that hold pixels of both, whose four corners keep a triangle of the wall
    assert len(mesh.triangles) == 2 * (23 * 31 - (9 * 11 - 7 * 9)) + 4


@pytest.mark.parametrize("scale", [1e-3, 1, 1e4])
def test_cutting_knows_no_unit(scale: float) -> None:
    right, below = depth_cuts(metric(step(2 * scale, 3 * scale)))
    assert right.sum() == 2 * 8
    assert below.sum() == 2 * 10


@pytest.mark.parametrize("grazing_deg", [0, 30, 60, 80, 85])
def test_a_slanted_floor_stays_whole_up_to_the_picture_s_edge(grazing_deg: float) -> None:
    angle = np.radians(grazing_deg)
    depth_map = plane(CAMERA, (0, np.sin(angle), np.cos(angle)), 1)
    mesh = to_mesh(depth_map, CAMERA)
    rows = depth_map.valid[:, 0].sum()
    assert rows > 10
    assert len(mesh.triangles) == 2 * (rows - 1) * 31


def test_a_floor_stays_whole_up_to_its_horizon() -> None:
    camera = Camera.from_focal((100, 40), 80)
    floor = plane(camera, (0, 1, 0), 1.6)
    below_horizon = floor.values[floor.valid].reshape(-1, 40)
    assert below_horizon[0, 0] / below_horizon[1, 0] == pytest.approx(3)
    assert len(to_mesh(floor, camera).triangles) == 2 * (len(below_horizon) - 1) * 39


def test_someone_on_the_floor_is_cut_from_it_but_not_at_the_feet() -> None:
    camera = Camera.from_focal((100, 40), 80)
    depth = np.minimum(plane(camera, (0, 1, 0), 1.6).values, 30)
    depth[~np.isfinite(depth)] = 30
    # stands at 4 m, up to above the horizon
    depth[20:82, 15:25] = 4
    right, below = depth_cuts(metric(depth))
    assert right[20:70, [14, 24]].all()
    assert below[19, 15:25].all()
    assert not below[81, 15:25].any()
    assert not right[82:].any()


@pytest.mark.parametrize("width_px", [1, 2, 4, 7])
def test_a_soft_edge_is_cut_however_its_slope_looks_from_near(width_px: int) -> None:
    inverse = np.interp(np.arange(40), [16, 16 + width_px], [1.0, 0.2])
    soft = DepthMap.from_values(np.tile(inverse, (5, 1)), "inverse_depth", "metric")
    assert depth_cuts(soft)[0][:, 16 : 16 + width_px].all()
    assert to_mesh(soft, Camera.from_fov((5, 40), 60)).triangles.shape == (2 * 4 * (39 - width_px), 3)


@pytest.mark.parametrize("nearer", [np.s_[:9, :9], np.s_[:9, 9:], np.s_[9:, :9], np.s_[9:, 9:]])
def test_a_quad_with_one_nearer_corner_keeps_the_triangle_of_the_other_three(
    nearer: tuple[slice, slice],
) -> None:
    depth = np.full((18, 18), 3.0)
    depth[nearer] = 1
    mesh = to_mesh(metric(depth), Camera.from_fov((18, 18), 60))
    middle = {8 * 18 + 8, 8 * 18 + 9, 9 * 18 + 8, 9 * 18 + 9}
    kept = [middle.intersection(triangle) for triangle in mesh.triangles.tolist()]
    assert [corner for corner in kept if len(corner) == 3] == [
        {corner for corner in middle if depth.flat[corner] == 3}
    ]


def test_a_quad_is_split_along_the_smaller_step() -> None:
    for higher, diagonal in (([0, 3], {1, 2}), ([1, 2], {0, 3}), ([3], {1, 2}), ([2], {0, 3})):
        depth = np.ones(4)
        depth[higher] = 1.02, *[1.01] * (len(higher) - 1)
        first, second = to_mesh(metric(depth.reshape(2, 2)), Camera.from_fov((2, 2), 60)).triangles
        assert {*first} & {*second} == diagonal


def test_what_is_not_valid_has_no_vertex_and_no_triangle() -> None:
    depth = step(3)
    depth[5, 6] = np.nan
    mesh, cloud = to_mesh(metric(depth), CAMERA), to_points(metric(depth), CAMERA)
    assert len(mesh.vertices) == len(cloud.points) == 24 * 32 - 1
    # of four quads around the hole, a triangle is left in each
    assert len(mesh.triangles) == 2 * 23 * 31 - 4
    right, below = depth_cuts(metric(depth))
    assert right[5, 5:7].all()
    assert below[4:6, 6].all()


def test_sky_is_a_backdrop_of_the_mesh_and_no_point_of_the_cloud() -> None:
    depth = step()
    depth[:4] = np.inf
    mesh = to_mesh(metric(depth), CAMERA)
    assert mesh.vertices[: 4 * 32, 2] == pytest.approx(3 * SKY_BEYOND)
    assert np.ptp(corners(mesh)[..., 2], axis=1).max() == pytest.approx(0, abs=1e-5)
    assert len(to_points(metric(depth), CAMERA).points) == 20 * 32


def test_nothing_but_sky_has_no_surface_but_an_empty_cloud() -> None:
    with pytest.raises(ConventionError, match="nothing but sky"):
        to_mesh(metric(np.full(SHAPE, np.inf)), CAMERA)
    assert len(to_points(metric(np.full(SHAPE, np.inf)), CAMERA).points) == 0


def test_the_texture_is_the_picture_at_the_pixels_centres() -> None:
    image = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
    mesh, cloud = to_mesh(metric(step()), CAMERA, image), to_points(metric(step()), CAMERA, image)
    assert mesh.uv is not None
    assert mesh.texture is not None
    x, y = (mesh.uv * (32, 24)).T
    np.testing.assert_allclose(np.stack([x, y], axis=1), CAMERA.pixel_centres(), atol=1e-5)
    np.testing.assert_array_equal(mesh.texture[y.astype(int), x.astype(int)], cloud.colours)


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 10**6))
def test_normals_of_a_plane_are_its_own_and_face_the_viewer(a: float, b: float, seed: int) -> None:
    normal = np.array([a, b, 1.0])
    depth_map = plane(CAMERA, (a, b, 1), 2)
    away = -normal / np.linalg.norm(normal)
    found = surface_normals(depth_map, CAMERA)[depth_map.valid]
    # a hundredth of a degree
    np.testing.assert_allclose(found, np.broadcast_to(away, found.shape), atol=2e-4)
    moved = CAMERA.moved((1, 2, 3)).looking_at(np.random.default_rng(seed).normal(size=3))
    world = to_points(depth_map, moved).normals
    np.testing.assert_allclose(world @ moved.world_to_camera[:3, :3].T, found, atol=1e-5)


def test_normals_do_not_look_across_a_cut() -> None:
    np.testing.assert_allclose(
        surface_normals(metric(step()), CAMERA), np.broadcast_to([0, 0, -1], (*SHAPE, 3))
    )


def test_an_affine_invariant_map_and_another_size_are_refused() -> None:
    affine = DepthMap.from_values(1 / step(), "inverse_depth", "affine_invariant")
    for make in (to_mesh, to_points):
        with pytest.raises(ConventionError, match="align it to a target"):
            make(affine, CAMERA)
        with pytest.raises(ConventionError, match="24×32, its camera 24×33"):
            make(metric(step()), Camera.from_fov((24, 33), 60))
    with pytest.raises(ConventionError, match="the picture is 24×33"):
        to_points(metric(step()), CAMERA, np.zeros((24, 33, 3), np.uint8))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_a_single_row_has_points_and_no_triangle(shape: tuple[int, int]) -> None:
    camera, depth_map = Camera.from_fov(shape, 60), metric(np.ones(shape))
    assert to_mesh(depth_map, camera).triangles.shape == (0, 3)
    assert to_points(depth_map, camera).points.shape == (shape[0] * shape[1], 3)
