"""Normal maps: planes, a sphere, steps, and the colours of both conventions."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.files.errors import FileError
from openmidas.scene.normals import CONVENTIONS, normals_of, smoothed, to_normal_map, write_normal_map

SHAPE = (60, 80)
CAMERA = Camera.from_fov(SHAPE, 60)


def unit(vector: object) -> np.ndarray:
    return np.asarray(vector, float) / np.linalg.norm(vector)


def rays(camera: Camera = CAMERA) -> np.ndarray:
    pixels = camera.pixel_centres()
    return camera.unproject(pixels, np.ones(len(pixels))).reshape(*camera.shape, 3)


def plane(normal: object, distance: float = 3.0, camera: Camera = CAMERA) -> DepthMap:
    """The plane with that normal, through the point at `distance` on the optical axis."""
    normal = unit(normal)
    return DepthMap.from_values(normal[2] * distance / (rays(camera) @ normal), "depth", "metric")


def angle_deg(normals: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((normals * expected).sum(axis=-1), -1, 1)))


@pytest.mark.parametrize("normal", [(0, 0, -1), (0.5, 0, -1), (0, -1, -1), (-0.6, 0.9, -1.2)])
def test_a_plane_gives_its_normal(normal):
    assert angle_deg(normals_of(plane(normal), CAMERA), unit(normal)).max() < 0.5


def test_a_plane_with_noise_gives_its_normal_when_smoothed():
    camera = CAMERA.resize((240, 320))
    inverse = plane((0.3, -0.8, -1), 3, camera).to_inverse_depth().values
    noise = np.random.default_rng(0).normal(0, 0.0003, inverse.shape).astype(np.float32)
    noisy = DepthMap.from_values(inverse + noise, "inverse_depth", "metric")
    errors_deg = [np.median(angle_deg(normals_of(noisy, camera, px), unit((0.3, -0.8, -1)))) for px in (0, 5)]
    assert errors_deg[0] > 4
    assert errors_deg[1] < 1.5


def test_a_sphere_gives_the_directions_from_its_centre():
    centre, radius = np.array([0.1, 0, 4.0]), 1.2
    along = rays()
    length = np.linalg.norm(along, axis=-1)
    towards = (along @ centre) / length
    under = towards**2 - (centre @ centre - radius**2)
    depth = np.where(under > 0, (towards - np.sqrt(np.maximum(under, 0))) / length, np.nan)
    expected = (along * depth[..., None] - centre) / radius
    found = normals_of(DepthMap.from_values(depth, "depth", "metric"), CAMERA)
    inside = expected[..., 2] < -0.7
    assert inside.sum() > 300
    assert angle_deg(found, expected)[inside].max() < 5
    assert np.median(angle_deg(found, expected)[inside]) < 1.5


def test_a_step_does_not_leak_into_the_planes_beside_it():
    near, far = plane((0.4, 0, -1), 2), plane((0, -0.7, -1), 6)
    on_left = np.arange(SHAPE[1]) < 40
    both = DepthMap.from_values(np.where(on_left, near.values, far.values), "depth", "metric")
    normals = normals_of(both, CAMERA)
    assert angle_deg(normals[:, :40], unit((0.4, 0, -1))).max() < 0.5
    assert angle_deg(normals[:, 40:], unit((0, -0.7, -1))).max() < 0.5


def test_smoothing_keeps_steps_sky_and_holes():
    values = np.where(np.arange(SHAPE[1]) < 40, 1.0, 0.2) * np.ones(SHAPE)
    values[:10], values[20, 20] = 0, np.nan
    smooth = smoothed(DepthMap.from_values(values, "inverse_depth", "metric"), 3)
    np.testing.assert_array_equal(np.isnan(smooth.values), np.isnan(values))
    assert (smooth.values[:10] == 0).all()
    assert np.nanmax(np.abs(smooth.values - values)) < 0.02


def test_green_grows_upwards_in_opengl_and_downwards_in_directx():
    floor = normals_of(plane((0, -1, -1)), CAMERA)  # faces up, towards the viewer
    assert to_normal_map(floor, "opengl")[30, 40].tolist() == [128, 218, 218]
    assert to_normal_map(floor, "directx")[30, 40].tolist() == [128, 37, 218]
    facing_right = to_normal_map(normals_of(plane((1, 0, -1)), CAMERA))
    assert facing_right[30, 40].tolist() == [218, 128, 218]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_what_has_no_normal_faces_the_viewer(convention):
    nothing = np.full((1, 1, 3), np.nan, np.float32)
    assert to_normal_map(nothing, convention).tolist() == [[[128, 128, 255]]]
    assert to_normal_map(nothing, convention, 16).tolist() == [[[32768, 32768, 65535]]]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_written_map_reads_back_by_another_library(tmp_path: Path, bits):
    normals = normals_of(plane((0.3, -0.6, -1)), CAMERA)
    write_normal_map(tmp_path / "normals.png", normals, "opengl", bits)
    read = cv2.imread(str(tmp_path / "normals.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    np.testing.assert_array_equal(read, to_normal_map(normals, "opengl", bits))
    expected = unit((0.3, 0.6, 1))
    decoded = read / (2**bits - 1) * 2 - 1
    decoded /= np.linalg.norm(decoded, axis=-1, keepdims=True)
    assert angle_deg(decoded, expected).max() < (0.5 if bits == 8 else 0.05)


def test_what_has_no_normals_is_refused(tmp_path: Path):
    unknown = DepthMap.from_values(np.ones(SHAPE), "inverse_depth", "affine_invariant")
    with pytest.raises(ConventionError, match="near and far"):
        normals_of(unknown, CAMERA)
    with pytest.raises(ValueError, match="opengl or directx"):
        to_normal_map(np.zeros((1, 1, 3), np.float32), "vulkan")
    with pytest.raises(ValueError, match="8 or 16"):
        to_normal_map(np.zeros((1, 1, 3), np.float32), bits=12)
    with pytest.raises(FileError, match="does not exist"):
        write_normal_map(tmp_path / "no" / "n.png", np.zeros((1, 1, 3), np.float32))
