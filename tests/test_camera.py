"""Camera: hand-made numbers, and what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError

SHAPE = (300, 400)


def turned(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])


def test_the_optical_axis_meets_the_middle_of_the_picture() -> None:
    pixels, depth = Camera.from_focal(SHAPE, 500).project(np.array([[0, 0, 7.0]]))
    assert pixels.tolist() == [[200, 150]]
    assert depth.tolist() == [7]


def test_right_and_down_are_positive() -> None:
    pixels, _ = Camera.from_focal(SHAPE, 500).project(np.array([[1.0, 2.0, 10.0]]))
    assert pixels.tolist() == [[250, 250]]


def test_what_is_not_in_front_has_no_pixel() -> None:
    pixels, depth = Camera.from_focal(SHAPE, 500).project(np.array([[0, 0, -1.0], [0, 0, 0]]))
    assert np.isnan(pixels).all()
    assert depth.tolist() == [-1, 0]


def test_field_of_view_of_hand_made_numbers() -> None:
    np.testing.assert_allclose(Camera.from_focal((200, 600), 100).fov_deg, (90, np.degrees(2 * np.arctan(3))))


@pytest.mark.parametrize(("side", "index"), [("height", 0), ("width", 1), ("longer", 1)])
def test_a_field_of_view_spans_the_side_that_is_named(side: str, index: int) -> None:
    assert Camera.from_fov(SHAPE, 60, side).fov_deg[index] == pytest.approx(60)  # type: ignore[arg-type]


@given(st.floats(-1, 1), st.floats(0.1, 100), st.integers(0, 10**6))
def test_unproject_is_the_inverse_of_project(angle: float, distance: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    camera = Camera.from_focal(SHAPE, 300).moved(rng.normal(size=3), turned(angle))
    pixels, depth = rng.uniform(0, 400, (5, 2)), rng.uniform(0.1, distance + 0.1, 5)
    found, found_depth = camera.project(camera.unproject(pixels, depth))
    np.testing.assert_allclose(found, pixels, atol=1e-6)
    np.testing.assert_allclose(found_depth, depth, rtol=1e-9)


def test_moving_forward_brings_the_point_nearer_and_position_says_where_it_stands() -> None:
    camera = Camera.from_focal(SHAPE, 300).moved((1, 0, 2))
    assert camera.position.tolist() == [1, 0, 2]
    assert camera.project(np.array([[1, 0, 5.0]]))[1].tolist() == [3]


def test_a_turned_camera_moves_along_its_own_axes() -> None:
    half_turn = Camera.from_focal(SHAPE, 300).moved((0, 0, 0), turned(np.pi / 2))
    before = half_turn.world_to_camera[2, :3]
    np.testing.assert_allclose(half_turn.moved((0, 0, 2)).position, 2 * before, atol=1e-12)


def test_looking_at_puts_the_target_in_the_middle() -> None:
    camera = Camera.from_focal(SHAPE, 300).moved((0.5, -0.2, 0.1)).looking_at((0.3, 0.1, 4))
    pixels, depth = camera.project(np.array([[0.3, 0.1, 4]]))
    np.testing.assert_allclose(pixels, [[200, 150]])
    assert depth[0] > 0
    np.testing.assert_allclose(camera.position, (0.5, -0.2, 0.1))


@pytest.mark.parametrize("target", [(0, 0, 0), (0, 1, 0)])
def test_looking_at_nothing_in_particular_is_refused(target: tuple[float, ...]) -> None:
    with pytest.raises(ConventionError, match="cannot look"):
        Camera.from_focal(SHAPE, 300).looking_at(target)


def test_resizing_and_cropping_keep_what_a_pixel_sees() -> None:
    camera, point = Camera.from_focal(SHAPE, 300), np.array([[0.2, 0.1, 2.0]])
    whole = camera.project(point)[0]
    np.testing.assert_allclose(camera.resize((150, 800)).project(point)[0], whole * (2, 0.5))
    np.testing.assert_allclose(camera.crop(10, 20, 50, 60).project(point)[0], whole - (20, 10))


def test_pixel_centres_go_row_by_row() -> None:
    assert Camera.from_focal((1, 2), 1).pixel_centres().tolist() == [[0.5, 0.5], [1.5, 0.5]]


@pytest.mark.parametrize(
    ("intrinsics", "transform", "problem"),
    [
        (np.diag([0, 1, 1]), np.eye(4), "above 0"),
        (np.eye(3) * np.nan, np.eye(4), "finite"),
        (np.eye(3), 2 * np.eye(4), "rotation and a translation"),
        (np.eye(3), np.diag([-1, 1, 1, 1]), "rotation and a translation"),
        (np.eye(3), np.eye(3), "shape"),
    ],
)
def test_what_is_no_camera_is_refused(intrinsics: np.ndarray, transform: np.ndarray, problem: str) -> None:
    with pytest.raises(ConventionError, match=problem):
        Camera(intrinsics, SHAPE, transform)


def test_a_camera_cannot_be_changed_from_outside() -> None:
    intrinsics = np.eye(3)
    camera = Camera(intrinsics, SHAPE, np.eye(4))
    intrinsics[0, 0] = 9
    assert camera.intrinsics[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        camera.intrinsics[0, 0] = 2


def test_impossible_field_of_view_or_picture_is_refused() -> None:
    with pytest.raises(ConventionError, match="180"):
        Camera.from_fov(SHAPE, 180)
    with pytest.raises(ConventionError, match="pixels"):
        Camera.from_focal((0, 5), 3)
