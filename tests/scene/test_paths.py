"""Camera paths: what holds still on the screen, how far the camera goes, and that loops close."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError
from openmidas.scene.paths import PATHS, CameraPath, Shot, Step, camera_at, cameras_along, zoom_without_edges

CAMERA = Camera(np.array([[500, 2, 190], [0, 510, 160], [0, 0, 1.0]]), (300, 400), np.eye(4)).moved(
    (1, 2, 3), np.array([[0, 0, -1], [0, 1, 0], [1, 0, 0.0]])
)
SHOT = Shot(CAMERA, pivot_m=2, limits_m=(0.3, 0.2, 0.5))
PIXELS = np.array([[0, 0], [190, 160], [400, 300], [17, 250.0]])

names = pytest.mark.parametrize("name", list(PATHS))
names_of_loops = pytest.mark.parametrize("name", ["circle", "swing", "wiggle"])


def on_screen(camera: Camera, depth_m: float) -> np.ndarray:
    """Where the camera sees what the picture shows at `PIXELS`, if all of it were that deep."""
    return camera.project(CAMERA.unproject(PIXELS, np.full(len(PIXELS), depth_m)))[0]


def displacement_m(camera: Camera) -> np.ndarray:
    """(right, down, forward) of a camera in the axes of the picture's."""
    return CAMERA.world_to_camera[:3, :3] @ (camera.position - CAMERA.position)


@names
@given(progress=st.floats(0, 1))
def test_no_path_leaves_its_limits_nor_the_ellipsoid_between_them(name: str, progress: float) -> None:
    shares = displacement_m(camera_at(PATHS[name], progress, SHOT)) / SHOT.limits_m
    assert np.linalg.norm(shares) <= 1 + 1e-9


@names
def test_every_path_goes_as_far_as_it_may(name: str) -> None:
    shares = [displacement_m(camera) / SHOT.limits_m for camera in cameras_along(PATHS[name], SHOT)]
    assert max(np.linalg.norm(share) for share in shares) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["circle", "swing", "wiggle", "dolly-zoom"])
@given(progress=st.floats(0, 1))
def test_the_whole_pivot_plane_holds_still(name: str, progress: float) -> None:
    np.testing.assert_allclose(on_screen(camera_at(PATHS[name], progress, SHOT), 2), PIXELS, atol=1e-6)


def test_forwards_and_sideways_at_once_the_pivot_point_stays_and_its_plane_grows_around_it() -> None:
    path = CameraPath(lambda t: Step(right=0.6, down=0.3, forward=0.7), False, duration_s=1, frames_per_s=1)
    seen = on_screen(camera_at(path, 0, SHOT), 2)
    principal = PIXELS[1]
    np.testing.assert_allclose(seen - principal, (PIXELS - principal) * 2 / (2 - 0.7 * 0.5), atol=1e-9)


def test_nearer_things_move_against_the_camera_and_farther_ones_with_it() -> None:
    camera = camera_at(PATHS["swing"], 0.25, SHOT)
    np.testing.assert_allclose(displacement_m(camera), (0.3, 0, 0), atol=1e-9)
    # f d (1/pivot - 1/z) pixels
    np.testing.assert_allclose(on_screen(camera, 1)[:, 0] - PIXELS[:, 0], 500 * 0.3 * (1 / 2 - 1))
    np.testing.assert_allclose(on_screen(camera, 4)[:, 0] - PIXELS[:, 0], 500 * 0.3 * (1 / 2 - 1 / 4))


def test_no_path_turns_the_camera() -> None:
    for path in PATHS.values():
        for camera in cameras_along(replace(path, frames_per_s=4), SHOT):
            np.testing.assert_array_equal(camera.world_to_camera[:3, :3], CAMERA.world_to_camera[:3, :3])


def test_a_dolly_zoom_keeps_the_size_of_the_subject_and_enlarges_what_is_behind_it() -> None:
    whole = on_screen(camera_at(PATHS["dolly-zoom"], 1, SHOT), 1e9)
    first = on_screen(camera_at(PATHS["dolly-zoom"], 0, SHOT), 1e9)
    # half a metre back from two: the focal length is 2.5 / 2 of what it was
    np.testing.assert_allclose(np.ptp(whole, axis=0), 1.25 * np.ptp(first, axis=0))
    subject = [np.ptp(on_screen(camera_at(PATHS["dolly-zoom"], t, SHOT), 2), axis=0) for t in (0, 0.3, 1)]
    np.testing.assert_allclose(subject, [np.ptp(PIXELS, axis=0)] * 3)


@names_of_loops
def test_a_loop_closes_in_position_and_velocity(name: str) -> None:
    step, small = PATHS[name].step, 1e-5
    np.testing.assert_allclose(step(0), step(1), atol=1e-9)
    start, end = (np.subtract(step(t + small), step(t)) / small for t in (0, 1 - small))
    np.testing.assert_allclose(start, end, atol=1e-3)


@pytest.mark.parametrize("name", ["dolly-zoom", "ken-burns"])
def test_what_does_not_loop_is_at_rest_at_both_ends(name: str) -> None:
    step, small = PATHS[name].step, 1e-5
    for t in (0, 1 - small):
        np.testing.assert_allclose(np.subtract(step(t + small), step(t)) / small, 0, atol=1e-3)
    assert not PATHS[name].loops


def test_a_loop_leaves_out_its_last_frame_and_another_path_reaches_its_end() -> None:
    loop = cameras_along(replace(PATHS["swing"], duration_s=1, frames_per_s=8), SHOT)
    steps = np.diff([displacement_m(camera)[0] for camera in [*loop, loop[0]]])
    np.testing.assert_allclose(abs(steps[0]), abs(steps[-1]))
    way = cameras_along(replace(PATHS["dolly-zoom"], duration_s=1, frames_per_s=8), SHOT)
    assert (len(loop), len(way)) == (8, 8)
    np.testing.assert_allclose(displacement_m(way[-1]), (0, 0, -0.5), atol=1e-9)


def test_a_wiggle_shows_the_middle_the_right_the_middle_and_the_left() -> None:
    sides = [displacement_m(camera)[0] for camera in cameras_along(PATHS["wiggle"], SHOT)]
    np.testing.assert_allclose(sides, [0, 0.3, 0, -0.3], atol=1e-9)


def test_the_shortest_clip_is_one_frame_of_where_the_path_starts() -> None:
    for path in PATHS.values():
        (camera,) = cameras_along(replace(path, duration_s=0.001), SHOT)
        np.testing.assert_array_equal(camera.intrinsics, camera_at(path, 0, SHOT).intrinsics)


def test_a_pan_to_the_right_ends_at_the_right_edge() -> None:
    path = CameraPath(lambda t: Step(zoom=2, pan=1), loops=False, duration_s=1, frames_per_s=1)
    still = replace(SHOT, limits_m=(0, 0, 0))
    seen = on_screen(camera_at(path, 0, still), 2)
    np.testing.assert_allclose(seen[2], (400, 2 * (300 - 150) + 150))
    np.testing.assert_allclose(np.ptp(seen, axis=0), 2 * np.ptp(PIXELS, axis=0))


def test_ken_burns_shows_nothing_beyond_the_edges_when_the_camera_stands_still() -> None:
    still = replace(SHOT, limits_m=(0, 0, 0))
    assert zoom_without_edges(PATHS["ken-burns"], still, 1, math.inf) == 1


@names
@pytest.mark.parametrize("depths_m", [(1, 4), (1.5, math.inf)])
def test_the_zoom_without_edges_is_enough_and_no_less_would_be(
    name: str, depths_m: tuple[float, float]
) -> None:
    path, middle = replace(PATHS[name], frames_per_s=8), np.array([200, 150])
    camera = Camera.from_focal((300, 400), 500)
    shot = Shot(camera, pivot_m=2, limits_m=(0.06, 0.05, 0.2))
    zoom = zoom_without_edges(path, shot, *depths_m)
    rooms = []
    for seen in cameras_along(path, replace(shot, zoom=zoom)):
        for depth_m in (depths_m[0], min(depths_m[1], 1e6)):
            corners = camera.unproject(np.array([[0, 0], [400, 300.0]]), np.full(2, depth_m))
            rooms.append(np.abs(seen.project(corners)[0] - middle) / middle)
    assert np.min(rooms) >= 1 - 1e-6
    assert zoom == 1 or np.min(rooms) == pytest.approx(1, abs=1e-5)


def test_no_zoom_hides_edges_that_cross_the_whole_picture() -> None:
    assert zoom_without_edges(PATHS["swing"], Shot(CAMERA, 2, (0.5, 0, 0)), 0.5, 2) == math.inf


@pytest.mark.parametrize(
    ("pivot_m", "limits_m", "zoom", "problem"),
    [
        (2, (-0.1, 0, 0), 1, "metres, 0 or more"),
        (2, (0, math.nan, 0), 1, "metres, 0 or more"),
        (0.5, (0, 0, 0.5), 1, "beyond the 0.5 m"),
        (math.inf, (0, 0, 0), 1, "beyond"),
        (2, (0, 0, 0), 0.9, "1 or more, not 0.9"),
        (2, (0, 0, 0), math.inf, "1 or more, not inf"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    pivot_m: float, limits_m: tuple[float, float, float], zoom: float, problem: str
) -> None:
    with pytest.raises(ConventionError, match=problem):
        Shot(CAMERA, pivot_m, limits_m, zoom)


def test_depths_that_the_camera_may_run_into_are_refused() -> None:
    with pytest.raises(ConventionError, match=r"beyond the 0\.5 m"):
        zoom_without_edges(PATHS["swing"], SHOT, 0.4, 3)
    with pytest.raises(ConventionError, match="from 3 to 2"):
        zoom_without_edges(PATHS["swing"], SHOT, 3, 2)
