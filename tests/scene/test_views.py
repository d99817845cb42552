"""Views from elsewhere: the photograph from where it was taken, and from beside it what geometry says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from cards import CARD, FAR_M, FOCAL_PX, GREEN, NEAR_M, RED, SHAPE, card_before_wall

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError
from openmidas.scene.layers import build_scene
from openmidas.scene.views import displaced, render_view


def is_like(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(picture.astype(int) - colour).max(axis=2) <= 12


def test_from_where_it_was_taken_the_view_is_the_photograph() -> None:
    image, depth_map, camera = card_before_wall()
    noise = np.random.default_rng(0).integers(0, 256, (45, 60, 3)).astype(np.uint8)
    image = cv2.resize(noise, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
    difference = render_view(build_scene(image, depth_map, camera), camera).astype(float) - image
    edge = np.zeros(SHAPE, np.uint8)
    edge[CARD] = 1
    away = cv2.morphologyEx(edge, cv2.MORPH_GRADIENT, np.ones((11, 11), np.uint8)) == 0
    assert 10 * np.log10(255**2 / np.mean(difference[away] ** 2)) > 38
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 30


def test_the_card_moves_by_its_parallax_and_leaves_wall_behind() -> None:
    image, depth_map, camera = card_before_wall()
    step_m, pivot_m = 0.1, FAR_M
    view = render_view(build_scene(image, depth_map, camera), displaced(camera, (step_m, 0, 0), pivot_m))
    red, green = is_like(view, RED), is_like(view, GREEN)
    moved_px = FOCAL_PX * step_m * (1 / NEAR_M - 1 / pivot_m)
    columns = np.flatnonzero(red.any(axis=0))
    assert columns.min() == pytest.approx(CARD[1].start - moved_px, abs=2)
    assert columns.max() == pytest.approx(CARD[1].stop - 1 - moved_px, abs=2)
    # where the card was is wall, without a hole, an outline or a smear
    assert green[:, round(CARD[1].stop - moved_px) + 4 :].all()
    assert (~red & ~green).sum() < 4 * 2 * (30 + 40)


@pytest.mark.parametrize("step_m", [0.1, 0.105, 0.12])
def test_the_edge_of_the_card_is_smooth_wherever_it_falls_in_a_pixel(step_m: float) -> None:
    image, depth_map, camera = card_before_wall()
    image[28:62, 38:82] = RED  # as far as the surface of the card is grown
    view = render_view(build_scene(image, depth_map, camera), displaced(camera, (step_m, 0, 0), FAR_M))
    assert np.abs(np.diff(view[45, :, 0].astype(int))).max() < 0.75 * (RED[0] - GREEN[0])


def test_around_the_frame_the_wall_goes_on_for_a_while_and_then_there_is_nothing() -> None:
    image, depth_map, camera = card_before_wall()
    scene = build_scene(image, depth_map, camera)
    beside = render_view(scene, camera.crop(0, -30, *SHAPE))
    assert is_like(beside, GREEN)[:, 20:25].all()
    assert (beside[:, :15] == 0).all()


def test_the_pivots_plane_stays_on_the_screen() -> None:
    camera = Camera.from_focal(SHAPE, FOCAL_PX)
    points = np.array([[0, 0, 3], [0.5, -0.2, 3], [-0.4, 0.6, 3.0]])
    before = camera.project(points)[0]
    for offset_m in ((0.2, 0, 0), (-0.1, 0.3, 0), (0, 0, -1.5), (0.2, 0.1, -1)):
        np.testing.assert_allclose(displaced(camera, offset_m, 3).project(points)[0], before)


def test_forward_magnifies_about_the_middle() -> None:
    camera = displaced(Camera.from_focal(SHAPE, FOCAL_PX), (0, 0, 1), 3)
    pixels, depth = camera.project(np.array([[0.3, 0.0, 3.0]]))
    np.testing.assert_allclose(pixels, [[60 + FOCAL_PX * 0.3 / 2, 45]])
    assert depth.tolist() == [2]


def test_the_camera_does_not_enter_its_subject() -> None:
    with pytest.raises(ConventionError, match="beyond the subject"):
        displaced(Camera.from_focal(SHAPE, FOCAL_PX), (0, 0, 3), 3)
