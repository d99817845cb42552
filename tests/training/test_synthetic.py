"""Rendered scenes: the depth is exact, thin things stay whole, and the files are what training reads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from openmidas.files import FileError
from openmidas.training.synthetic import FAMILIES, render
from openmidas.training.synthetic.folder import render_folder
from openmidas.training.synthetic.indoor_layouts import indoor_light
from openmidas.training.synthetic.materials import Texture, made_of, sample
from openmidas.training.synthetic.parts import (
    Maker,
    ball,
    box,
    footprint,
    ground,
    new_maker,
    overlap,
    panel,
    plain,
    post,
    rod,
    solid,
    tumbled,
    wire,
)
from openmidas.training.synthetic.ray_casting import Cutout, Primitive, View, looking, trace, widened
from openmidas.training.synthetic.shading import Light, Scene, shade

GREY = plain((0.5, 0.5, 0.5))
AHEAD = looking((0, 0, 0), (0, 0, 0), (48, 64), 60)
INSIDE: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "box": lambda x, y, z: np.maximum(np.maximum(abs(x), abs(y)), abs(z)) <= 1,
    "ellipsoid": lambda x, y, z: x**2 + y**2 + z**2 <= 1,
    "cylinder": lambda x, y, z: (x**2 + z**2 <= 1) & (abs(y) <= 1),
    "cone": lambda x, y, z: (np.hypot(x, z) <= (1 - y) / 2) & (abs(y) <= 1),
    "roof": lambda x, y, z: (y <= 1 - 2 * abs(x)) & (y >= -1) & (abs(z) <= 1),
    "tapered": lambda x, y, z: (abs(x) <= 0.9 - 0.1 * y) & (abs(z) <= 0.75 - 0.25 * y) & (abs(y) <= 1),
}


def photos(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (80, 60)) for _ in range(3)]


def pixel_rays(view: View) -> tuple[np.ndarray, np.ndarray]:
    height, width = view.size
    x = (np.arange(width) + 0.5 - width / 2) / view.focal_px
    y = (np.arange(height) + 0.5 - height / 2) / view.focal_px
    return np.meshgrid(x, y)


def scene(primitives: list[Primitive], view: View, to_sun: tuple[float, float, float] = (0.2, 1, 0)) -> Scene:
    light = Light(np.array(to_sun, float), sun=np.ones(3), ambient=np.full(3, 0.3))
    return Scene(primitives, view, light)


def marched(primitive: Primitive, view: View) -> np.ndarray:
    """The reference: walk along every ray in small steps until inside, then bisect."""
    x, y = pixel_rays(view)
    rays = x[..., None] * view.axes[0] + y[..., None] * view.axes[1] + view.axes[2]
    unit = primitive.axes.T / primitive.half_size[:, None]

    def inside(depth: np.ndarray) -> np.ndarray:
        points = (view.position + depth[..., None] * rays - primitive.center) @ unit.T
        return INSIDE[primitive.shape](*np.moveaxis(points, -1, 0))

    steps = np.linspace(0.1, 8, 1200)
    entered = np.stack([inside(np.full(view.size, t)) for t in steps])
    first = entered.argmax(axis=0)
    low, high = steps[np.maximum(first - 1, 0)], steps[first]
    for _ in range(40):
        middle = (low + high) / 2
        hit = inside(middle)
        low, high = np.where(hit, low, middle), np.where(hit, middle, high)
    return np.where(entered.any(axis=0), high, np.inf)


@pytest.mark.parametrize("shape", sorted(INSIDE))
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_depth_of_a_solid_is_that_of_marching_along_the_ray(shape: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    center = rng.uniform((-0.8, -0.6, 2.5), (0.8, 0.6, 5))
    view = looking((0, 0, 0), tuple(rng.uniform(-6, 6, 3)), (24, 32), 60)
    primitive = solid(shape, center, rng.uniform(0.3, 2.0, 3), GREY, tumbled(rng))
    depth, _ = trace([primitive], view)
    expected = marched(primitive, view)
    both = np.isfinite(depth) & np.isfinite(expected)
    # Where a ray only grazes the solid, the march may step over it.
    assert (np.isfinite(depth) != np.isfinite(expected)).mean() < 0.02
    np.testing.assert_allclose(depth[both], expected[both], rtol=2e-3)
    # Where it nearly does, a root of almost nothing leaves single precision half its digits.
    off = np.abs(depth[both] / expected[both] - 1) > 2e-4
    assert off.mean() < 0.02


def test_sphere_depth_by_hand() -> None:
    depth, _ = trace([ball((0.5, -0.25, 4), 1.5, GREY)], AHEAD)
    x, y = pixel_rays(AHEAD)
    a, b, c = x**2 + y**2 + 1, 0.5 * x + 0.25 * y + 4, 0.5**2 + 0.25**2 + 16 - 1.5**2
    root = b**2 - a * c
    expected = np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    np.testing.assert_allclose(depth, expected, rtol=1e-5)


def test_box_shows_its_front_face_at_its_own_depth_and_columns() -> None:
    depth, _ = trace([box((0, 0, 3), (1, 1, 2), GREY)], AHEAD)
    x, _ = pixel_rays(AHEAD)
    row = depth[24]
    np.testing.assert_array_equal(np.isfinite(row), np.abs(x[24]) <= 0.5 / 2)
    np.testing.assert_allclose(row[np.isfinite(row)], 2.0, rtol=1e-6)


def test_upright_cylinder_bulges_towards_the_camera() -> None:
    depth, _ = trace([post((0, -5, 3), 1.0, 10, GREY)], AHEAD)
    x, _ = pixel_rays(AHEAD)
    # |(x·t, t − 3)| = 1
    expected = (3 - np.sqrt(np.maximum(9 - 8 * (1 + x**2), 0))) / (1 + x**2)
    hit = 9 - 8 * (1 + x**2) > 0
    np.testing.assert_array_equal(np.isfinite(depth), hit)
    np.testing.assert_allclose(depth[hit], expected[hit], rtol=1e-5)


def test_far_thin_rod_keeps_its_depth() -> None:
    view = looking((0, 0, 0), (0, 0, 0), (64, 64), 0.1)
    depth, _ = trace([rod((0, -3, 900), (0, 3, 900), 0.02, GREY)], view)
    assert np.isfinite(depth).any()
    np.testing.assert_allclose(depth[np.isfinite(depth)], 900, atol=0.05)


@given(
    angles=st.tuples(st.floats(-30, 30), st.floats(-60, -5), st.floats(-20, 20)),
    height_m=st.floats(0.3, 5),
    size=st.sampled_from([(24, 32), (32, 24), (13, 40)]),
)
@settings(max_examples=25, deadline=None)
def test_inverse_depth_of_a_plane_is_affine_in_pixel_coordinates(
    angles: tuple[float, float, float], height_m: float, size: tuple[int, int]
) -> None:
    view = looking((0, height_m, 0), angles, size, 40)
    _, inverse = shade(scene([ground((0, 0, 0), 1e4, 1e4, GREY)], view), 0)
    x, y = pixel_rays(view)
    up = view.axes[:, 1]
    expected = np.maximum(-(up[0] * x + up[1] * y + up[2]) / height_m, 0)
    # The horizon's own pixels show sky too, and only the plane's part of them counts.
    below_horizon = expected > (abs(up[0]) + abs(up[1])) / view.focal_px / height_m
    np.testing.assert_allclose(inverse[below_horizon], expected[below_horizon], rtol=1e-4)


def test_nearest_thing_is_seen_whatever_the_order() -> None:
    rng = np.random.default_rng(4)
    things = [
        solid("box", rng.uniform((-2, -2, 3), (2, 2, 9)), (1, 1, 1), GREY, tumbled(rng)) for _ in range(30)
    ]
    forwards, index = trace(things, AHEAD)
    backwards, reverse = trace(things[::-1], AHEAD)
    np.testing.assert_array_equal(forwards, backwards)
    seen = index >= 0
    np.testing.assert_array_equal(index[seen], 29 - reverse[seen])


@given(lean=st.floats(-3, 3), radius_m=st.floats(1e-5, 0.02), distance_m=st.floats(3, 30))
@settings(max_examples=25, deadline=None)
def test_thin_pole_is_one_line_from_top_to_bottom(lean: float, radius_m: float, distance_m: float) -> None:
    middle, reach = np.array([0, 0, distance_m]), np.array([lean, 4, 0]) * distance_m
    pole = rod(middle - reach, middle + reach, radius_m, GREY)
    _, inverse = shade(scene([pole], AHEAD), 0)
    near = (inverse > 0).astype(np.uint8)
    pieces, _ = cv2.connectedComponents(near, connectivity=8)
    assert pieces == 2
    assert near.any(axis=1).all()
    np.testing.assert_allclose(inverse[near > 0], 1 / distance_m, rtol=0.02)


def test_wire_across_the_picture_is_one_line() -> None:
    _, inverse = shade(scene(wire((-20, 1, 15), (20, 2, 25), 1.5, 0.003, GREY), AHEAD), 0)
    pieces, _ = cv2.connectedComponents((inverse > 0).astype(np.uint8), connectivity=8)
    assert pieces == 2
    assert (inverse > 0).any(axis=0).all()


def test_thick_things_are_not_widened() -> None:
    thick = box((0, 0, 5), (1, 2, 3), GREY)
    np.testing.assert_array_equal(widened(thick, AHEAD).half_size, thick.half_size)


def test_pixel_shared_by_two_things_has_the_nearer_depth() -> None:
    view = looking((0, 0, 0), (0, 0, 0), (1, 1), 90)
    behind = panel((0, 0, 8), 100, 100, GREY)
    before = panel((1.1, 0, 2), 2, 10, GREY)
    _, inverse = shade(scene([behind, before], view), 0)
    np.testing.assert_allclose(inverse, [[0.5]], rtol=1e-6)


def test_holes_show_what_lies_behind() -> None:
    left_half = np.ones((8, 8), dtype=np.float32)
    left_half[:, :4] = 0
    sheet = panel((0, 0, 2), 40, 40, GREY)
    holed = Primitive("quad", sheet.center, sheet.axes, sheet.half_size, GREY, Cutout(left_half, 0.5, 0.5))
    depth, _ = trace([holed, panel((0, 0, 4), 80, 80, GREY)], AHEAD)
    x, _ = pixel_rays(AHEAD)
    np.testing.assert_allclose(depth, np.where((2 * x / 0.5) % 1 < 0.5, 2.0, 4.0), rtol=1e-6)


def test_things_behind_the_camera_are_not_seen() -> None:
    depth, index = trace([ball((0, 0, -4), 1, GREY), box((0, 0, -3), (1, 1, 1), GREY)], AHEAD)
    assert np.isinf(depth).all()
    assert (index == -1).all()


def test_sky_has_inverse_depth_zero() -> None:
    picture, inverse = shade(scene([ball((0, 0, 4), 0.5, GREY)], AHEAD), 0)
    assert inverse[0, 0] == 0
    assert inverse[24, 32] == pytest.approx(1 / 3.5, rel=1e-3)
    assert picture[0, 0].min() > 0


def test_sun_casts_a_shadow_away_from_itself() -> None:
    view = looking((0, 6, -6), (0, -45, 0), (60, 80), 60)
    things = [ground((0, 0, 0), 40, 40, GREY), ball((0, 1, 0), 0.5, GREY)]
    picture, _ = shade(scene(things, view, to_sun=(-1, 1, 0)), 0)
    light = picture.astype(float).mean(axis=2)
    x, y, z = view.axes @ (np.array([1.0, 0, 0]) - view.position)
    column, row = (int(v * view.focal_px / z + extent / 2) for v, extent in ((x, 80), (y, 60)))
    assert light[row, column] < 0.8 * light[row, 79 - column]


def test_textures_average_what_is_far_and_interpolate_what_is_near() -> None:
    stripes = np.zeros((8, 8, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    texture = Texture(stripes)
    uv = np.array([[0.4, 0.3], [0.0, 0.0], [1 / 14, 0.0]], dtype=np.float32)
    # eight bits hold the mean of a level to 0.4 %
    assert sample(texture, uv, np.full(3, 9.0))[:, 0] == pytest.approx([0.5, 0.5, 0.5], abs=2e-3)
    assert sample(texture, uv, np.full(3, -1.0))[1:, 0] == pytest.approx([1.0, 0.5], abs=1e-5)


def test_mirrored_tiles_meet_without_a_seam() -> None:
    texture = made_of(photos()[0][:32, :32].repeat(2, 0).repeat(2, 1), 1.0).texture
    beside = np.array([[0.999, 0.5], [1.001, 0.5], [1.999, 0.5], [2.001, 0.5]], dtype=np.float32)
    left, right, last, wrapped = sample(texture, beside, np.zeros(4))
    assert np.abs(left - right).max() < 0.02
    assert np.abs(last - wrapped).max() < 0.02


def new() -> Maker:
    return new_maker(np.random.default_rng(0), photos())


def test_indoor_light_hangs_below_the_ceiling() -> None:
    assert indoor_light(new(), np.array([4, 2.5, 5])).lamp_position[1] == pytest.approx(2.35)


def test_tumbled_axes_are_a_rotation() -> None:
    axes = tumbled(np.random.default_rng(3))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)


def test_rod_joins_its_ends() -> None:
    for end in ((0, 3, 0), (1, -2, 4), (0, 0, 2)):
        primitive = rod((0, 0, 0), end, 0.1, GREY)
        np.testing.assert_allclose(2 * primitive.half_size[1] * primitive.axes[:, 1], end, atol=1e-12)
        np.testing.assert_allclose(primitive.axes @ primitive.axes.T, np.eye(3), atol=1e-12)


def test_footprints_overlap_only_where_things_share_ground() -> None:
    first, second, apart = (footprint([box((x, 1, 0), (2, 2, 2), GREY)]) for x in (0, 1.5, 2.5))
    assert first.tolist() == [[-1, -1], [1, 1]]
    assert overlap(first, second)
    assert not overlap(first, apart)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [(72, 96), (96, 40)])
def test_every_family_renders_near_and_far_in_any_shape(family: str, size: tuple[int, int]) -> None:
    ratios = []
    for seed in range(3):
        picture, depth_map = render(family, seed, size, photos())
        assert picture.shape == (*size, 3)
        assert picture.dtype == np.uint8
        assert depth_map.shape == size
        assert depth_map.valid.all()
        assert (depth_map.quantity, depth_map.ambiguity) == ("inverse_depth", "metric")
        assert 20 < picture.mean() < 235
        assert picture.std() > 8
        assert depth_map.values.min() >= 0
        assert depth_map.values.max() < 4
        far, near = np.quantile(depth_map.values, (0.02, 0.98))
        ratios.append(near / max(far, 1e-3))
    assert np.median(ratios) > 1.5


@pytest.mark.parametrize("family", ["street", "landscape"])
def test_open_country_has_sky_at_zero_above_and_ground_below(family: str) -> None:
    _, depth_map = render(family, 1, (72, 96), photos())
    assert (depth_map.values[:8] == 0).any()
    assert (depth_map.values[-8:] > 0.02).all()


def test_same_seed_gives_the_same_scene_and_another_seed_another() -> None:
    first, again, other = (render("room", seed, (48, 64), photos()) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[1] != other[1]


def test_photographs_change_the_picture_and_never_the_depth() -> None:
    one, two = (render("tabletop", 3, (48, 64), photos(seed)) for seed in (0, 1))
    assert one[1] == two[1]
    assert (one[0] != two[0]).any()


def test_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="room, street"):
        render("moon", 0, (32, 32), photos())


def test_pictures_are_made_up_where_no_photographs_are_given() -> None:
    made_up, pasted = render("tabletop", 3, (48, 64)), render("tabletop", 3, (48, 64), photos())
    assert made_up[1] == pasted[1]
    assert (made_up[0] != pasted[0]).any()


@pytest.fixture(scope="module")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number, pixels in enumerate(photos()):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix == ".webp"}


def test_a_folder_is_filled_goes_on_and_does_not_depend_on_the_count(
    photo_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "one"
    assert render_folder(folder, 2, 5, photo_folder) == 2
    assert sorted(p.name for p in folder.iterdir()) == [
        "00000.webp",
        "00000_inverse_depth.npz",
        "00001.webp",
        "00001_inverse_depth.npz",
        "rendered.json",
    ]
    with np.load(folder / "00000_inverse_depth.npz") as stored, Image.open(folder / "00000.webp") as image:
        inverse = stored["inverse_depth"]
        assert inverse.dtype == np.float16
        assert inverse.shape == image.size[::-1]
        assert max(inverse.shape) == 320
        assert np.isfinite(inverse).all()
    kept = (folder / "00000.webp").stat().st_mtime_ns
    (folder / "00001_inverse_depth.npz").unlink()
    assert render_folder(folder, 3, 5, photo_folder) == 2
    assert (folder / "00000.webp").stat().st_mtime_ns == kept
    assert render_folder(tmp_path / "two", 3, 5, photo_folder) == 3
    assert contents(folder) == contents(tmp_path / "two")


def test_pictures_of_two_seeds_or_textures_are_not_mixed(photo_folder: Path, tmp_path: Path) -> None:
    folder, moved = tmp_path / "one", tmp_path / "moved"
    assert render_folder(folder, 1, 5, photo_folder) == 1
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(FileError, match="one: holds pictures of seed 5, not 6: choose another folder"):
        render_folder(folder, 2, 6, photo_folder)
    with pytest.raises(FileError, match=r"one: holds pictures with other textures \(see rendered\.json\)"):
        render_folder(folder, 2, 5)
    shutil.copytree(photo_folder, moved)
    assert render_folder(folder, 1, 5, moved) == 0  # the same photographs elsewhere
    (moved / "0.png").unlink()
    with pytest.raises(FileError, match="with other textures"):
        render_folder(folder, 1, 5, moved)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    (folder / "rendered.json").write_text("{")
    with pytest.raises(FileError, match=r"rendered\.json: is damaged"):
        render_folder(folder, 1, 5, photo_folder)
    (folder / "rendered.json").unlink()
    with pytest.raises(FileError, match=r"one: holds pictures of an unknown seed, without rendered\.json"):
        render_folder(folder, 1, 5, photo_folder)


def test_what_cannot_be_read_or_written_is_named(photo_folder: Path, tmp_path: Path) -> None:
    out, empty, damaged = tmp_path / "out", tmp_path / "empty", tmp_path / "damaged"
    with pytest.raises(FileError, match="none: no such file or folder"):
        render_folder(out, 1, textures=tmp_path / "none")
    empty.mkdir()
    with pytest.raises(FileError, match="empty: no photographs in this folder"):
        render_folder(out, 1, textures=empty)
    damaged.mkdir()
    (damaged / "a.jpg").write_bytes((photo_folder / "0.png").read_bytes()[:99])
    with pytest.raises(FileError, match=r"a\.jpg: "):
        render_folder(out, 1, textures=damaged)
    assert not list(out.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file/out: a part of the path is a file"):
        render_folder(tmp_path / "file" / "out", 1)
