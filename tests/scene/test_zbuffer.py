"""The z-buffer: hand-made numbers, an independent ray caster, and the fast loops against the plain ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError
from openmidas.mesh import Mesh
from openmidas.scene.fragments import nearest, point_fragments, triangle_fragments
from openmidas.scene.rasterise import points_drawn, triangles_drawn
from openmidas.scene.zbuffer import Drawing, render_mesh, render_points, render_triangles

CAMERA = Camera.from_focal((24, 32), 20)
Soup = tuple[np.ndarray, np.ndarray, np.ndarray]


def triangle(*corners: tuple[float, float, float]) -> Soup:
    vertices = np.array(corners, np.float32).reshape(-1, 3)
    return vertices, np.arange(len(corners), dtype=np.int32).reshape(-1, 3), vertices.copy()


def plainly(soup: Soup, camera: Camera, near_m: float = 0.01, culls_back: bool = False) -> Drawing:
    return nearest(triangle_fragments(*soup, camera, near_m, culls_back), camera.shape)


def assert_same(fast: Drawing, plain: Drawing) -> None:
    assert (fast.index == plain.index).all()
    np.testing.assert_allclose(fast.depth, plain.depth, rtol=1e-5)
    np.testing.assert_allclose(fast.attributes, plain.attributes, rtol=1e-5, atol=1e-5)


@st.composite
def soups(draw: st.DrawFn) -> Soup:
    """Triangles in front of, behind and around the camera; on a coarse grid many touch, coincide or have no area."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    count = draw(st.integers(1, 40))
    vertices = rng.uniform((-4, -3, -2), (4, 3, 6), (count, 3))
    if draw(st.booleans()):
        vertices = np.rint(vertices)
    vertices[rng.random(count) < draw(st.sampled_from([0, 0.1]))] *= draw(
        st.sampled_from([np.nan, np.inf, 1e30, 1e5])
    )
    triangles = rng.integers(0, count, (draw(st.integers(0, 30)), 3))
    return vertices.astype(np.float32), triangles.astype(np.int32), rng.random((count, 3), np.float32)


@given(soups(), st.sampled_from([0.01, 0.7]), st.booleans(), st.floats(-1, 1))
def test_the_fast_loops_draw_what_the_plain_ones_draw(
    soup: Soup, near_m: float, culls_back: bool, step: float
) -> None:
    camera = CAMERA.moved((step, 0.1, step))
    assert_same(
        render_triangles(*soup, camera, near_m, culls_back), plainly(soup, camera, near_m, culls_back)
    )


def picture_mesh(shape: tuple[int, int], jitter: float = 0.0) -> tuple[Soup, Camera]:
    """A waved surface, a vertex for every pixel centre, and the camera that sees it so; attributes are the world's."""
    camera, rng = Camera.from_focal(shape, max(shape)), np.random.default_rng(0)
    pixels = camera.pixel_centres() + rng.uniform(-jitter, jitter, (shape[0] * shape[1], 2))
    vertices = camera.unproject(pixels, 3 + np.sin(pixels[:, 0] / 9) + np.cos(pixels[:, 1] / 7))
    corner = np.arange(len(vertices)).reshape(shape)
    a, b, c, d = (
        corner[rows, columns].ravel()
        for rows in (np.s_[:-1], np.s_[1:])
        for columns in (np.s_[:-1], np.s_[1:])
    )
    triangles = np.stack([a, c, b, b, c, d], axis=1).reshape(-1, 3).astype(np.int32)
    return (vertices.astype(np.float32), triangles, vertices.astype(np.float32)), camera


@pytest.mark.parametrize("step", [(0, 0, 0), (0.1, 0.05, 0.3), (0, 0, 3.5)])
def test_the_mesh_of_a_picture_is_drawn_alike(step: tuple[float, float, float]) -> None:
    soup, camera = picture_mesh((90, 130))
    assert_same(render_triangles(*soup, camera.moved(step)), plainly(soup, camera.moved(step)))


def test_the_mesh_of_a_picture_gives_the_depth_of_its_pixels() -> None:
    soup, camera = picture_mesh((60, 80))
    drawing = render_triangles(*soup, camera)
    # the last row and column of centres are bottom and right edges
    np.testing.assert_allclose(drawing.depth[:-1, :-1], soup[0][:, 2].reshape(60, 80)[:-1, :-1], rtol=1e-5)
    assert (drawing.index[-1] == -1).all()
    assert (drawing.index[:, -1] == -1).all()


@pytest.mark.parametrize("jitter", [0, 0.5, 40])
def test_neighbours_neither_overlap_nor_leave_holes(jitter: float) -> None:
    """Around a jittered middle lie quads that reach beyond the picture: every pixel has one fragment, no more."""
    (vertices, triangles, attributes), camera = picture_mesh((9, 12), 0)
    x, y = np.meshgrid(np.linspace(-50, 150, 12), np.linspace(-60, 130, 9))
    rng = np.random.default_rng(0)
    places = np.stack([x, y], axis=2)
    # a cell is 18 pixels wide: corners moved by less than a third of it leave no triangle turned over
    places[1:-1, 1:-1] += rng.uniform(-1, 1, (7, 10, 2)) * min(jitter, 6)
    camera = Camera.from_focal((70, 90), 100)
    vertices = camera.unproject(places.reshape(-1, 2), np.full(len(vertices), 5.0)).astype(np.float32)
    fragments = triangle_fragments(vertices, triangles, attributes, camera)
    assert np.bincount(fragments.pixel, minlength=70 * 90).tolist() == [1] * (70 * 90)


def ray_cast(soup: Soup, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """(pixels, triangles): depth of each triangle's plane along each ray, and how far inside it is (0: the edge)."""
    rays = camera.unproject(camera.pixel_centres(), np.ones(camera.shape[0] * camera.shape[1]))
    rays -= camera.position
    corners = soup[0].astype(float)[soup[1]] - camera.position
    volumes = np.stack([rays @ np.cross(corners[:, k - 2], corners[:, k - 1]).T for k in range(3)], axis=2)
    whole = np.linalg.det(corners)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = whole / volumes.sum(axis=2)
        return depth, (volumes / volumes.sum(axis=2, keepdims=True)).min(axis=2)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(-2, 2))
def test_a_ray_caster_sees_the_same(seed: int, step: float) -> None:
    """Pixels whose ray passes close to an edge, or where two triangles are as near as rounding, are left out."""
    rng, near_m = np.random.default_rng(seed), 0.05
    vertices = rng.uniform((-4, -3, -2), (4, 3, 6), (18, 3)).astype(np.float32)
    soup = vertices, np.arange(18, dtype=np.int32).reshape(-1, 3), vertices
    camera = CAMERA.moved((step, 0, 0))
    depth, inside = ray_cast(soup, camera)
    seen = np.where((inside > 0) & (depth > near_m), depth, np.inf)
    drawing = render_triangles(*soup, camera, near_m)
    first, second = np.sort(seen, axis=1)[:, :2].T
    clear = (np.abs(inside) > 1e-2).all(axis=1) & (np.abs(depth - near_m) > 1e-2).all(axis=1)
    clear &= (second > 1.05 * first) | np.isinf(first)
    expected = np.where(np.isfinite(first), seen.argmin(axis=1), -1)
    assert (drawing.index.ravel()[clear] == expected[clear]).all()
    # corners are rounded to 4096ths of a pixel, which along a steep triangle is much in depth
    close = clear & np.isfinite(first) & (inside[np.arange(len(depth)), seen.argmin(axis=1)] > 0.1)
    np.testing.assert_allclose(drawing.depth.ravel()[close], first[close], rtol=2e-2)


def floor(height: float = 1.0) -> Soup:
    """A floor below the camera that goes on far behind it and far ahead: its triangles cross the near plane."""
    return triangle(
        *((-500, height, -500), (500, height, -500), (500, height, 500)),
        *((-500, height, -500), (500, height, 500), (-500, height, 500)),
    )


def test_a_floor_that_passes_below_the_camera_is_cut_not_dropped() -> None:
    drawing = render_triangles(*floor(), CAMERA)
    below = np.arange(24)[12:] + 0.5 - 12  # rows below the horizon, their middles
    expected = np.repeat(20 / below[:, None], 32, axis=1)
    np.testing.assert_allclose(drawing.depth[12:], expected, rtol=1e-3)
    assert (drawing.index[:12] == -1).all()
    # attributes are the world's coordinates
    np.testing.assert_allclose(drawing.attributes[12:, :, 2], expected, rtol=1e-3)
    np.testing.assert_allclose(drawing.attributes[12:, :, 1], 1, rtol=1e-5)


def test_nothing_nearer_than_the_near_plane_is_drawn() -> None:
    drawing = render_triangles(*floor(), CAMERA, near_m=3)
    assert (drawing.depth >= 2.99).all()
    assert (drawing.index[19:] == -1).all()  # 20 / 7.5 = 2.7 m
    assert (drawing.index[12:18] >= 0).all()


def test_the_middle_of_a_slanted_triangle_has_the_harmonic_depth() -> None:
    # corners at 1 m and 3 m whose pixels are (6, 12) and (26, 12): half way between, 1/z is the mean
    soup = triangle((-0.5, 0, 1), (1.5, -0.6, 3), (1.5, 0.6, 3))
    drawing = render_triangles(*soup, Camera.from_focal((24, 32), 20).moved((0.025, 0.025, 0)))
    assert drawing.depth[11, 15] == pytest.approx(1.5, rel=0.02)
    assert drawing.attributes[11, 15, 2] == pytest.approx(drawing.depth[11, 15], rel=1e-6)


def test_a_triangle_seen_from_behind_is_left_out_when_asked() -> None:
    front = triangle((-1, 1, 3), (1, 1, 3), (0, -1, 3))  # counter-clockwise on the screen
    back = front[0], front[1][:, ::-1], front[2]
    counts = [
        [(render_triangles(*soup, CAMERA, culls_back=culls).index >= 0).sum() for culls in (False, True)]
        for soup in (front, back)
    ]
    assert counts[0][0] == counts[0][1] == counts[1][0] > 50
    assert counts[1][1] == 0


def test_the_nearer_of_two_is_seen_and_of_equally_near_ones_the_first() -> None:
    corners = ((-1, 1, 3), (1, 1, 3), (0, -1, 3))
    far = tuple((2 * x, 2 * y, 6) for x, y, _ in corners)
    drawing = render_triangles(*triangle(*far, *corners, *corners), CAMERA)
    assert set(drawing.index.ravel().tolist()) == {-1, 1}


@pytest.mark.parametrize(
    "corners",
    [
        (),
        ((-1, 1, -3), (1, 1, -3), (0, -1, -3)),
        ((-1, 1, 3), (1, 1, 3), (0, np.nan, 3)),
        ((-1, 1, 3), (1, 1, np.inf), (0, -1, 3)),
        ((-1, 1, 3), (0, 1, 3), (1, 1, 3)),
        ((0, 0, 3), (0, 0, 3), (0, 0, 3)),
        ((90, 1, 3), (91, 1, 3), (90, -1, 3)),
    ],
    ids=["none", "behind", "not a number", "infinite", "a line", "a point", "outside"],
)
def test_nothing_to_see_is_nothing_drawn(corners: tuple[tuple[float, float, float], ...]) -> None:
    drawing = render_triangles(*triangle(*corners), CAMERA)
    assert (drawing.index == -1).all()
    assert np.isposinf(drawing.depth).all()
    assert (drawing.attributes == 0).all()


def test_depth_alone_needs_no_attributes() -> None:
    vertices, triangles, _ = floor()
    assert render_triangles(vertices, triangles, np.zeros((6, 0), np.float32), CAMERA).attributes.shape == (
        24,
        32,
        0,
    )


def test_what_does_not_fit_together_is_refused() -> None:
    vertices, triangles, attributes = floor()
    with pytest.raises(ConventionError, match="attributes of 5 vertices for 6"):
        render_triangles(vertices, triangles, attributes[1:], CAMERA)
    for wrong in (triangles + 1, triangles - 1):
        with pytest.raises(ConventionError, match="not among the 6"):
            render_triangles(vertices, wrong, attributes, CAMERA)
    with pytest.raises(ConventionError, match="near plane"):
        render_triangles(vertices, triangles, attributes, CAMERA, near_m=0)


def test_any_number_of_threads_and_of_callers_draws_the_same() -> None:
    soup, camera = picture_mesh((90, 130))
    moved = camera.moved((0.1, 0, 0.2))
    one = triangles_drawn(*soup, moved, 0.01, False, 1)
    with ThreadPoolExecutor(4) as pool:
        several = [pool.submit(triangles_drawn, *soup, moved, 0.01, False, 3) for _ in range(8)]
    for drawing in (task.result() for task in several):
        assert (drawing.index == one.index).all()
        assert (drawing.depth == one.depth).all()
        assert (drawing.attributes == one.attributes).all()


@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.5, 1, 2.3]), st.booleans())
def test_points_are_drawn_alike(seed: int, radius_px: float, is_disc: bool) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform((-4, -3, -1), (4, 3, 6), (40, 3)).astype(np.float32)
    points[rng.random(40) < 0.1] = np.nan
    points[20:25] = points[10:15]
    colours = rng.random((40, 3), np.float32)
    plain = nearest(point_fragments(points, colours, CAMERA, radius_px, 0.01, is_disc), CAMERA.shape)
    assert_same(render_points(points, colours, CAMERA, radius_px, 0.01, is_disc), plain)
    assert_same(points_drawn(points, colours, CAMERA, 0.01, radius_px, is_disc, 3), plain)


def test_a_point_is_drawn_in_the_pixel_it_is_in() -> None:
    pixels = np.array([[3.5, 4.5], [10.01, 7.99], [31.99, 23.5], [32.01, 5]])
    points = CAMERA.unproject(pixels, np.array([1, 2, 3, 4.0])).astype(np.float32)
    drawing = render_points(points, np.arange(4, dtype=np.float32)[:, None], CAMERA)
    assert np.argwhere(drawing.index >= 0).tolist() == [[4, 3], [7, 10], [23, 31]]
    assert drawing.depth[7, 10] == 2
    assert drawing.attributes[23, 31] == 2


def test_splats_have_the_size_and_form_that_was_asked_for() -> None:
    point, colour = np.array([[0.025, 0.025, 1]], np.float32), np.ones((1, 1), np.float32)  # (16.5, 12.5)
    square, disc = (
        render_points(point, colour, CAMERA, 2.5, is_disc=is_disc).index >= 0 for is_disc in (False, True)
    )
    assert np.argwhere(square).min(axis=0).tolist() == [10, 14]
    assert square.sum() == 25
    assert disc.sum() == 21  # without the four corners, whose centres are 2.8 away


def test_a_nearer_splat_hides_a_farther_one() -> None:
    points = np.array([[0, 0, 2], [0, 0, 1], [0, 0, 1]], np.float32)
    assert set(render_points(points, points, CAMERA, 2).index.ravel().tolist()) == {-1, 1}


def quad(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """A rectangle that just fills a picture at focal length 20, one metre away."""
    height, width = shape
    x, y = width / 40, height / 40
    corners = np.array([[-x, -y, 1], [x, -y, 1], [-x, y, 1], [x, y, 1]], np.float32)
    uv = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    return {"vertices": corners, "triangles": np.array([[0, 2, 1], [1, 2, 3]], np.int32), "uv": uv}


def test_a_texture_that_fills_the_picture_comes_back_as_it_is() -> None:
    texture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    image, drawing = render_mesh(Mesh(**quad((24, 32)), texture=texture), CAMERA, culls_back=True)
    assert (image == texture).all()
    np.testing.assert_allclose(drawing.attributes[12, 16], (16.5 / 32, 12.5 / 24), rtol=1e-6)


def test_a_mesh_with_colours_is_drawn_in_them_and_the_rest_is_black() -> None:
    parts = quad((12, 16))
    colours = np.full((4, 3), (200, 100, 7), np.uint8)
    image, drawing = render_mesh(Mesh(parts["vertices"], parts["triangles"], colours), CAMERA)
    assert (image[drawing.index >= 0] == (200, 100, 7)).all()
    assert (drawing.index >= 0).sum() == 12 * 16
    assert (image[drawing.index < 0] == 0).all()


def test_a_mesh_of_no_colour_is_refused() -> None:
    parts = quad((12, 16))
    with pytest.raises(ConventionError, match="texture or colours"):
        render_mesh(Mesh(parts["vertices"], parts["triangles"]), CAMERA)
