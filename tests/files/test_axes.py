"""Turning the axes: what a rotation is, and what its quaternion does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmidas.camera import Camera
from openmidas.files.axes import camera_in_viewer_axes, quaternion, to_viewer_axes

ANGLES = st.one_of(st.floats(-np.pi, np.pi), st.sampled_from([0.0, np.pi, -np.pi, 1e-9, np.pi - 1e-9]))


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def turned(quaternion: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A vector turned by a unit quaternion (w, x, y, z)."""
    w, imaginary = quaternion[0], quaternion[1:]
    cross = 2 * np.cross(imaginary, vector)
    return vector + w * cross + np.cross(imaginary, cross)


@given(st.integers(0, 10**6), ANGLES)
def test_a_quaternion_turns_as_its_rotation_does(seed, angle):
    axis, vector = np.random.default_rng(seed).normal(size=(2, 3))
    matrix = rotation(axis, angle)
    found = quaternion(matrix)
    np.testing.assert_allclose(turned(found, vector), matrix @ vector, atol=1e-7)
    assert found[0] >= 0
    assert np.linalg.norm(found) == pytest.approx(1)


def test_quaternions_by_hand():
    quarter = np.sqrt(0.5)
    np.testing.assert_allclose(quaternion(np.eye(3)), [1, 0, 0, 0])
    about_z = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(quaternion(about_z), [quarter, 0, 0, quarter], atol=1e-15)


def test_a_camera_moves_with_the_points_it_sees():
    camera = Camera.from_fov((4, 6), 50).moved((1, 2, 3), rotation(np.array([1, 2, -1]), 0.7))
    points = camera.unproject(camera.pixel_centres(), np.full(24, 5.0)).astype(np.float32)
    to_world, position = camera_in_viewer_axes(camera)
    # right, up and backward, as a camera of glTF counts
    inside = (to_viewer_axes(points) - position) @ to_world
    np.testing.assert_allclose(inside[:, 2], -5, rtol=1e-6)
    assert inside[0, 0] < 0 < inside[0, 1]


def test_turning_twice_changes_nothing():
    vectors = np.array([[1, -2, 3], [0, 0, 0]], np.float32)
    assert np.array_equal(to_viewer_axes(to_viewer_axes(vectors)), vectors)
    assert not np.signbit(to_viewer_axes(vectors)[1]).any()
