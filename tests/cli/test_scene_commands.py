"""The commands that make a place of a photo: what they write, what they say they assumed, what they refuse."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from PIL import Image
from running import Run, names

from openmidas.depth_map import DepthMap
from openmidas.files import read_image, write_depth

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "coffee.jpg"
SHAPE = (96, 144)


@pytest.fixture
def desk(folder: Path) -> Path:
    """A small photo, and its metric depth: a box half a metre before a wall at two."""
    cv2.imwrite(str(folder / "photo.jpg"), cv2.resize(cv2.imread(str(EXAMPLE)), SHAPE[::-1]))
    depth = np.full(SHAPE, 2.0, np.float32)
    depth[30:70, 50:100] = 0.5
    write_depth(folder / "depth.npz", DepthMap.from_values(depth, "depth", "metric"))
    return folder


def test_a_scene_is_a_model_views_and_how_far_the_camera_may_go(openmidas: Run, desk: Path) -> None:
    result = openmidas("scene", "photo.jpg", "-o", "place")
    assert (result.code, result.err) == (0, "")
    assert names(desk / "place") == ["photo_reach.png", "photo_scene.glb", "photo_views.png"]
    assert "The nearest is taken to be 1 m away (assumed; --near), the farthest" in result.out
    assert "usual" in result.out
    assert "The camera may go left" in result.out


def test_metres_and_angles_that_are_stated_are_taken(openmidas: Run, desk: Path) -> None:
    options = ("--near", "0.5", "--far", "4", "--fov", "50", "--format", "npz")
    result = openmidas("scene", "photo.jpg", *options)
    assert (
        "The nearest is taken to be 0.5 m away (stated; --near), the farthest 4 m (stated; --far)"
        in result.out
    )
    assert "span 50°" in result.out
    with np.load(desk / "photo_points.npz") as stored:
        points = stored["points"]
    assert points[:, 2].min() == pytest.approx(0.5, rel=0.02)
    assert points[:, 2].max() == pytest.approx(4, rel=0.02)


def test_a_metric_depth_map_brings_its_own_metres(openmidas: Run, desk: Path) -> None:
    result = openmidas("scene", "photo.jpg", "--depth", "depth.npz", "--format", "npz,colmap,obj,ply,points")
    assert (result.code, result.err) == (0, "")
    assert "Distances are the depth map's own." in result.out
    with np.load(desk / "photo_points.npz") as stored:
        depth = stored["points"][:, 2]
    assert np.isclose(depth, 0.5, rtol=0.05).sum() == pytest.approx(40 * 50, rel=0.1)
    assert np.isclose(depth, 2.0, rtol=0.05).sum() == pytest.approx(depth.size - 40 * 50, rel=0.05)
    assert (desk / "photo_colmap" / "sparse" / "points3D.txt").exists()
    assert read_image(desk / "photo_colmap" / "photo.jpg").shape[:2] == SHAPE
    refused = openmidas("scene", "photo.jpg", "--depth", "depth.npz", "--near", "1", "-o", "other")
    assert refused.code == 2
    assert "this one has them" in refused.err


def test_a_clip_moves_and_warns_when_told_to_go_too_far(openmidas: Run, desk: Path) -> None:
    result = openmidas("clip", "photo.jpg", "-o", "clip.webp", "--depth", "depth.npz")
    assert (result.code, result.err) == (0, "")
    assert "Warning" not in result.out
    with Image.open(desk / "clip.webp") as clip:
        assert clip.n_frames == 4
    far = openmidas("clip", "photo.jpg", "-o", "far.gif", "--depth", "depth.npz", "--move", "0.4")
    assert far.code == 0
    assert "times as far as the camera may go" in far.out


def test_a_film_is_named_after_its_path(openmidas: Run, desk: Path) -> None:
    result = openmidas(
        "clip", "photo.jpg", "--path", "swing", "--seconds", "0.2", "--fps", "10", "--side", "96"
    )
    assert result.code == 0
    assert "photo_swing.mp4" in names(desk)


def test_stereo_has_two_views(openmidas: Run, desk: Path) -> None:
    assert openmidas("stereo", "photo.jpg", "--depth", "depth.npz").code == 0
    pair = read_image(desk / "photo_side-by-side.png")
    assert pair.shape == (SHAPE[0], 2 * SHAPE[1], 3)
    left, right = pair[:, : SHAPE[1]], pair[:, SHAPE[1] :]
    assert (left != right).any()


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_a_figure_of_photos(openmidas: Run, desk: Path, suffix: str) -> None:
    result = openmidas("figure", "photo.jpg", "-o", f"figure.{suffix}")
    assert (result.code, result.err) == (0, "")
    assert (desk / f"figure.{suffix}").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (["fog", "photo.jpg", "--visibility", "3"], "photo_fog.png"),
        (["blur", "photo.jpg", "--focus", "0.5m"], "photo_blur.png"),
        (["blur", "photo.jpg", "--focus", "1"], "photo_blur.png"),
        (["relight", "photo.jpg", "--from", "above"], "photo_relit.png"),
        (["normals", "photo.jpg", "--bits", "16"], "photo_normals.png"),
        (["slice", "photo.jpg", "--between", "0.2m,1m"], "photo_slice.png"),
        (["insert", "photo.jpg", "badge.png", "--at", "0.5"], "photo_composed.png"),
    ],
)
def test_every_effect_changes_the_picture_and_keeps_its_size(
    openmidas: Run, desk: Path, arguments: list[str], made: str
) -> None:
    Image.new("RGBA", (40, 40), (0, 255, 0, 255)).save(desk / "badge.png")
    result = openmidas("effect", *arguments, "--depth", "depth.npz")
    assert (result.code, result.err) == (0, "")
    with Image.open(desk / made) as picture:
        assert picture.size == SHAPE[::-1]
        changed = np.asarray(picture.convert("RGB")) != read_image(desk / "photo.jpg")
    assert changed.any() or made == "photo_slice.png"


def test_a_slice_shows_the_box_and_not_the_wall(openmidas: Run, desk: Path) -> None:
    assert openmidas("effect", "slice", "photo.jpg", "--between", "0.2m,1m", "--depth", "depth.npz").code == 0
    with Image.open(desk / "photo_slice.png") as picture:
        opacity = np.asarray(picture)[..., 3]
    assert opacity[50, 75] == 255
    assert opacity[5, 5] == 0


def test_what_is_laid_in_behind_the_box_is_hidden_by_it(openmidas: Run, desk: Path) -> None:
    Image.new("RGBA", (140, 90), (0, 255, 0, 255)).save(desk / "badge.png")
    assert (
        openmidas("effect", "insert", "photo.jpg", "badge.png", "--at", "1m", "--depth", "depth.npz").code
        == 0
    )
    composed, photo = read_image(desk / "photo_composed.png"), read_image(desk / "photo.jpg")
    np.testing.assert_array_equal(composed[10, 20], (0, 255, 0))
    np.testing.assert_allclose(composed[50, 75].astype(int), photo[50, 75], atol=2)


def test_a_mesh_stands_where_it_is_put_behind_the_box(openmidas: Run, desk: Path) -> None:
    trimesh.creation.icosphere(radius=0.25).export(desk / "ball.glb")
    options = ("--at", "1m", "--depth", "depth.npz", "--fov", "60", "--centre", "0.5,0.35")
    result = openmidas("effect", "insert", "photo.jpg", "ball.glb", *options)
    assert (result.code, result.err) == (0, "")
    composed, photo = read_image(desk / "photo_composed.png"), read_image(desk / "photo.jpg")
    changed = (composed.astype(int) - photo != 0).any(axis=2)
    rows, columns = np.nonzero(changed)
    # half a metre at one metre: as wide as half the focal length, about its centre
    focal_px = SHAPE[1] / 2 / np.tan(np.radians(30))
    assert np.ptp(columns) == pytest.approx(0.5 * focal_px, rel=0.1)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(SHAPE[1] / 2, abs=2)
    assert not changed[36:64, 56:94].any()  # the box is before it
    grey = composed[rows.min() + 6, SHAPE[1] // 2].astype(int)
    assert np.ptp(grey) <= 2  # shaded, without a colour of its own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["effect", "insert", "photo.jpg", "ball.glb", "--at", "0.5"],
            "a mesh has metres: say where it stands",
        ),
        (
            ["effect", "insert", "photo.jpg", "page.glb", "--at", "1m"],
            "page.glb: holds no mesh that can be read",
        ),
        (["scene", "none.jpg"], "none.jpg: no such file"),
        (["scene", "photo.jpg", "--format", "stl"], "--format has no 'stl'"),
        (["scene", "photo.jpg", "--near", "3", "--far", "2"], "0 < near < far"),
        (
            ["scene", "photo.jpg", "--depth", "wide.npz"],
            "wide.npz: is 100×10, not in the proportions of the photo",
        ),
        (["clip", "photo.jpg", "--path", "spiral"], "--path has no 'spiral': there are circle"),
        (["clip", "photo.jpg", "-o", "clip.avi"], "clip.avi: the suffix .avi names no kind of clip"),
        (["stereo", "photo.jpg", "--layout", "beside"], "--layout has no 'beside'"),
        (["stereo", "photo.jpg", "-o", "photo.jpg"], "photo.jpg: exists: add --overwrite"),
        (["stereo", "photo.jpg", "-o", "pair.bmp"], "pair.bmp: the suffix .bmp names no kind of picture"),
        (["figure", "photo.jpg", "-o", "figure.svg"], "figure.svg: figures are written as .png or .pdf"),
        (["effect", "slice", "photo.jpg", "--between", "1"], "--between is two depths"),
        (["effect", "slice", "photo.jpg", "--between", "1m,0.5"], "both ends are metres"),
        (
            ["effect", "slice", "photo.jpg", "--between", "0.1,1", "-o", "a.jpg"],
            "a JPEG holds no transparency",
        ),
        (["effect", "blur", "photo.jpg", "--focus", "near"], "a place in depth is metres, as 2.5m"),
        (["effect", "blur", "photo.jpg", "--focus", "2"], "a share of nearness from 0 to 1, not '2'"),
        (["effect", "normals", "photo.jpg", "--convention", "vulkan"], "--convention has no 'vulkan'"),
        (
            ["effect", "insert", "photo.jpg", "photo.jpg", "--at", "1", "--centre", "middle"],
            "--centre is X,Y",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    openmidas: Run, desk: Path, arguments: list[str], message: str
) -> None:
    write_depth(desk / "wide.npz", DepthMap.from_values(np.ones((10, 100)), "depth", "metric"))
    (desk / "page.glb").write_text("<html>")
    before = names(desk)
    result = openmidas(*arguments)
    assert result.code != 0
    assert message in result.err.splitlines()[-1]
    assert names(desk) == before
