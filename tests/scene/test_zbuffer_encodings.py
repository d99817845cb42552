"""The depth test in any encoding: Quake without clearing, z-fighting, and the numbers that stay in the buffer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import Encoding, encoding_named, lossless_encoding
from openmidas.scene.fragments import Fragments, nearest, point_fragments, triangle_fragments
from openmidas.scene.zbuffer import ZBuffer, draw

SHAPE = (40, 56)
CAMERA = Camera.from_focal(SHAPE, 40)
EVEN, ODD = (encoding_named(f"quake-{parity}", near=0.1, far=100) for parity in ("even", "odd"))


def room() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A closed box around the camera and clutter in it, every triangle of a colour of its own."""
    rng = np.random.default_rng(0)
    corners = np.array([[x, y, z] for x in (-3, 3) for y in (-2, 2) for z in (-3, 8)], float)
    walls = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]
    box = np.concatenate([corners[[a, b, c, a, c, d]] for a, b, c, d in walls])
    clutter = rng.uniform((-2, -1, 1), (2, 1, 6), (20, 1, 3)) + rng.normal(0, 0.8, (20, 3, 3))
    vertices = np.concatenate([box, clutter.reshape(-1, 3)]).astype(np.float32)
    colours = np.repeat(rng.random((len(vertices) // 3, 3), np.float32), 3, axis=0)
    return vertices, np.arange(len(vertices), dtype=np.int32).reshape(-1, 3), colours


def frame(number: int) -> Fragments:
    """What is seen at that moment of a walk through the room."""
    step = (np.sin(number), 0.3 * np.cos(number), 0.4 * number - 1)
    return triangle_fragments(*room(), CAMERA.moved(step), near_m=0.1)


def black() -> np.ndarray:
    return np.zeros((*SHAPE, 3), np.float32)


def test_quakes_frames_need_no_clearing() -> None:
    zbuffer = ZBuffer.cleared(SHAPE, EVEN)
    for number in range(8):
        parity = ODD if number % 2 else EVEN
        zbuffer, picture = draw(frame(number), replace(zbuffer, encoding=parity), black())
        _, expected = draw(frame(number), ZBuffer.cleared(SHAPE, parity), black())
        assert (picture == expected).all()
        assert (picture > 0).any(axis=2).all()


def test_without_turning_the_buffer_round_old_frames_stay_in_the_way() -> None:
    zbuffer = ZBuffer.cleared(SHAPE, EVEN)
    for number in range(3):
        zbuffer, picture = draw(frame(number), zbuffer, black())
    assert (picture != draw(frame(2), ZBuffer.cleared(SHAPE, EVEN), black())[1]).any()


def test_each_parity_has_its_half_of_the_numbers() -> None:
    after_even, _ = draw(frame(0), ZBuffer.cleared(SHAPE, EVEN), black())
    after_odd, _ = draw(frame(1), replace(after_even, encoding=ODD), black())
    assert after_even.codes.max() < 0.5 < after_odd.codes.min()


@pytest.mark.parametrize(
    "encoding",
    [
        *(encoding_named(name, near=0.1, far=50) for name in ("opengl", "reversed-z", "linear")),
        *(encoding_named("opengl", near=0.1, far=50, bits=bits) for bits in (8, 16, 24, 32)),
        encoding_named("reversed-z", near=0.1, far=np.inf, bits=24),
        encoding_named("reversed-z", near=0.1, far=50, bits=16, invalid=0),
        encoding_named("kitti"),
        encoding_named("millimetres"),
        lossless_encoding("depth", "metric"),
        lossless_encoding("inverse_depth", "metric"),
    ],
    ids=str,
)
def test_the_buffer_holds_the_encoded_depth_of_what_is_seen(encoding: Encoding) -> None:
    fragments = frame(1)
    drawing = nearest(fragments, SHAPE)
    zbuffer, picture = draw(fragments, ZBuffer.cleared(SHAPE, encoding), black())
    expected = encoding.encode(DepthMap.from_values(drawing.depth, "depth", "metric"))
    assert zbuffer.codes.dtype == expected.dtype
    np.testing.assert_array_equal(zbuffer.codes, expected)
    # few numbers cannot tell all depths apart; many see the same picture
    share = (picture == drawing.attributes).all(axis=2).mean()
    assert share == 1 if encoding.bits is None else share > (0.6 if encoding.bits == 8 else 0.98)


def panes(distance_m: float, gap_m: float) -> Fragments:
    """A slanted white pane and, this much behind it and drawn first, a black one."""
    corners = np.array([[-1, -1, 0.9], [1, -1, 1], [-1, 1, 1], [1, 1, 1.1]]) * distance_m
    vertices = np.concatenate([corners * (1 + gap_m / distance_m), corners]).astype(np.float32)
    triangles = np.array([[0, 2, 1], [1, 2, 3]], np.int32)
    colours = np.repeat(np.array([[0, 0, 0], [1, 1, 1]], np.float32), 4, axis=0)
    return triangle_fragments(vertices, np.concatenate([triangles, triangles + 4]), colours, CAMERA)


@pytest.mark.parametrize(
    ("name", "bits", "low", "high"),
    [
        ("opengl", 16, 0.2, 0.8),
        ("reversed-z", 16, 0.2, 0.8),
        ("opengl", 24, 1, 1),
        ("reversed-z", None, 1, 1),
    ],
)
def test_sixteen_bits_fight_far_away_where_a_reversed_float_does_not(
    name: str, bits: int | None, low: float, high: float
) -> None:
    encoding = encoding_named(name, near=0.1, far=1000, bits=bits)
    fragments = panes(100, 1)
    _, picture = draw(fragments, ZBuffer.cleared(SHAPE, encoding), black())
    covered = np.zeros(SHAPE, bool)
    covered.ravel()[fragments.pixel] = True
    assert low <= picture[covered].mean() <= high


def test_what_has_no_number_is_not_drawn() -> None:
    points = np.array([[0, 0, 300], [1, 0, 20]], np.float32)  # KITTI's sixteen bits end at 256 m
    fragments = point_fragments(points, np.ones((2, 3), np.float32), CAMERA, radius_px=2)
    zbuffer, picture = draw(fragments, ZBuffer.cleared(SHAPE, encoding_named("kitti")), black())
    assert set(np.unique(zbuffer.codes)) == {0, 20 * 256}
    assert (picture.any(axis=2) == (zbuffer.codes > 0)).all()


def test_of_two_calls_the_later_is_drawn_over_what_is_equally_near() -> None:
    encoding = encoding_named("opengl", near=0.1, far=100)
    point = np.array([[0, 0, 5]], np.float32)
    zbuffer, picture = ZBuffer.cleared(SHAPE, encoding), black()
    for colour in (0.25, 0.75):
        fragments = point_fragments(point, np.full((1, 3), colour, np.float32), CAMERA)
        zbuffer, picture = draw(fragments, zbuffer, picture)
    assert picture.max() == 0.75


def test_drawing_leaves_the_buffer_and_the_picture_that_were_given() -> None:
    zbuffer, picture = ZBuffer.cleared(SHAPE, EVEN), black()
    draw(frame(0), zbuffer, picture)
    assert (picture == 0).all()
    assert (zbuffer.codes == ZBuffer.cleared(SHAPE, EVEN).codes).all()


def test_nothing_to_draw_changes_nothing() -> None:
    behind = point_fragments(np.array([[0, 0, -1]], np.float32), np.ones((1, 3), np.float32), CAMERA)
    zbuffer, picture = draw(behind, ZBuffer.cleared(SHAPE, EVEN), black())
    assert (picture == 0).all()
    assert (zbuffer.codes == 0.5).all()


def test_depth_that_the_encoding_cannot_take_is_refused() -> None:
    near = point_fragments(np.array([[0, 0, 0.5]], np.float32), np.ones((1, 3), np.float32), CAMERA)
    midas = encoding_named("midas")
    with pytest.raises(ConventionError, match="cannot hold"):
        draw(near, ZBuffer.cleared(SHAPE, midas), black())
