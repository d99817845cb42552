"""From a path and a renderer to frames and to a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.files.video import write_clip
from openmidas.scene.clips import clip_frames, subject_depth
from openmidas.scene.paths import PATHS, Shot

CAMERA = Camera.from_focal((48, 64), 60)
SHOT = Shot(CAMERA, pivot_m=2, limits_m=(0.2, 0.1, 0.3))


def dot(camera: Camera, depth_m: float = 2) -> np.ndarray:
    """A picture of one white point straight ahead of where the photograph was taken."""
    ((x, y),), _ = camera.project(np.array([[0, 0, depth_m]]))
    frame = np.zeros((*camera.shape, 3), np.uint8)
    frame[int(y) - 4 : int(y) + 4, int(x) - 4 : int(x) + 4] = 255
    return frame


def test_frames_are_rendered_when_they_are_asked_for_and_counted() -> None:
    seen: list[Camera] = []
    done: list[int] = []

    def render(camera: Camera) -> np.ndarray:
        seen.append(camera)
        return dot(camera)

    frames = clip_frames(PATHS["wiggle"], SHOT, render, lambda: done.append(len(seen)))
    next(frames)
    assert (len(seen), done) == (1, [])
    assert len(list(frames)) == 3
    assert done == [1, 2, 3, 4]


def test_a_clip_in_a_file_shows_the_subject_at_rest_and_the_background_moving(tmp_path: Path) -> None:
    path = replace(PATHS["swing"], duration_s=1, frames_per_s=8)
    columns = {}
    for depth_m in (2, 6):
        frames = clip_frames(path, SHOT, lambda camera, depth_m=depth_m: dot(camera, depth_m))
        write_clip(tmp_path / "a.mp4", frames, path.frames_per_s)
        with av.open(str(tmp_path / "a.mp4")) as container:
            bright = [f.to_ndarray(format="gray").mean(axis=0) > 15 for f in container.decode(video=0)]
        columns[depth_m] = [np.flatnonzero(row).mean() for row in bright]
    np.testing.assert_allclose(columns[2], 31.5, atol=0.6)
    shift = 60 * 0.2 * (1 / 2 - 1 / 6) * np.sin(np.arange(8) * np.pi / 4)
    np.testing.assert_allclose(columns[6], 31.5 + shift, atol=1.1)


def test_the_subject_is_the_median_of_the_middle_and_neither_sky_nor_hole() -> None:
    inverse = np.full((9, 12), 0.1)
    inverse[3:6, 4:8] = [[0, np.nan, 0.5, 0.5], [0.5, 0.25, 0.2, 0], [0, 0, np.nan, np.nan]]
    assert subject_depth(DepthMap.from_values(inverse, "inverse_depth", "metric")) == pytest.approx(2)


def test_with_nothing_but_sky_in_the_middle_the_rest_counts() -> None:
    depth = np.full((9, 9), 4.0)
    depth[2:7, 2:7] = np.inf
    assert subject_depth(DepthMap.from_values(depth, "depth", "scale_invariant")) == 4


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (3, 3)])
def test_the_smallest_pictures_have_a_subject(shape: tuple[int, int]) -> None:
    assert subject_depth(DepthMap.from_values(np.full(shape, 5.0), "depth", "metric")) == pytest.approx(5)


def test_without_depth_there_is_no_subject() -> None:
    with pytest.raises(ConventionError, match="nothing to look at"):
        subject_depth(DepthMap.from_values(np.zeros((4, 4)), "inverse_depth", "metric"))
    with pytest.raises(ConventionError, match="affine-invariant"):
        subject_depth(DepthMap.from_values(np.ones((4, 4)), "inverse_depth", "affine_invariant"))
