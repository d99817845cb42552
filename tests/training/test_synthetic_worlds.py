"""Endless worlds: the compiled ray caster sees what the plain one sees, and a number is a world for ever."""

from __future__ import annotations

import pickle
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmidas.depth_map import DepthMap
from openmidas.training.synthetic import FAMILIES, SHARES, new_scene, ray_casting
from openmidas.training.synthetic.drawing import draw, to_solids, trace
from openmidas.training.synthetic.parts import ground, leafy, new_maker, plain, shining, solid, tumbled
from openmidas.training.synthetic.pictures import procedural_pictures
from openmidas.training.synthetic.ray_casting import SHAPES, Primitive, View, from_light, looking, widened
from openmidas.training.synthetic.shading import Light, Scene, shade
from openmidas.training.synthetic.worlds import drawn_family, to_camera, world, world_sample, worlds

GREY = plain((0.5, 0.5, 0.5))
SIZE = (48, 64)
MAKER = new_maker(np.random.default_rng(0), procedural_pictures(np.random.default_rng(1)))


def views(rng: np.random.Generator) -> list[View]:
    """Of a camera among the things, and of the sun."""
    angles = tuple(rng.uniform(-180, 180, 3))
    return [
        looking(rng.uniform(-1, 1, 3), angles, SIZE, 70),
        from_light(np.zeros(3), rng.normal(size=3), 4, 64),
    ]


def things(shape: str, rng: np.random.Generator) -> list[Primitive]:
    parts = [
        solid(shape, rng.uniform(-4, 4, 3), rng.uniform(0.01, 2.5, 3), GREY, tumbled(rng)) for _ in range(20)
    ]
    return [replace(p, cutout=leafy(MAKER, 0.5, 0.6)) if n % 3 == 0 else p for n, p in enumerate(parts)]


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_compiled_ray_caster_sees_what_the_plain_one_sees(shape: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = things(shape, rng)
    for view in views(rng):
        depth, index = trace(to_solids(parts).seen(view), view)
        expected, numbers = ray_casting.trace([widened(p, view) for p in parts], view)
        # Within five centimetres of the camera the compiled one's screen rectangles may end.
        same = (index == numbers) | (expected < ray_casting.NEAR_M)
        assert same.mean() > 0.995
        both = (index == numbers) & (index >= 0)
        off = np.abs(depth[both] / expected[both] - 1)
        assert np.count_nonzero(off > 1e-4) <= 0.005 * off.size
        np.testing.assert_array_equal(depth[index < 0], np.inf)


@pytest.mark.parametrize("family", FAMILIES)
def test_compiled_light_is_the_plain_one(family: str) -> None:
    scene = new_scene(family, 5, SIZE)
    (picture, inverse), (expected, expected_inverse) = draw(scene, 5), shade(scene, 5)
    error = np.abs(picture.astype(int) - expected)
    assert np.quantile(error, 0.98) <= 1
    assert error.mean() < 0.25
    np.testing.assert_allclose(np.quantile(np.abs(inverse - expected_inverse), 0.995), 0, atol=1e-5)


def test_compiled_light_has_gloss_glow_and_haze() -> None:
    glossy = replace(GREY, specular=0.6)
    parts = [
        ground((0, -1, 6), 40, 40, glossy),
        shining(solid("ellipsoid", (0.5, 0, 5), (1, 1, 1), GREY), 0.7),
        solid("cone", (-1, 0, 4), (1, 1, 1), glossy),
    ]
    light = Light(np.array([0.3, 1, 0.8]), np.ones(3), np.full(3, 0.3), lamp=np.full(3, 0.5), haze_m=12)
    scene = Scene(parts, looking((0, 0, 0), (0, 0, 0), SIZE, 60), light)
    (picture, _), (expected, _) = draw(scene, 0), shade(scene, 0)
    assert np.quantile(np.abs(picture.astype(int) - expected), 0.99) <= 1


def fingerprint(index: int) -> tuple[str, bytes, bytes, bytes]:
    made = world(3, index, SIZE)
    return made.name, made.image.tobytes(), made.depth_map.values.tobytes(), made.camera.intrinsics.tobytes()


def test_a_world_is_the_same_in_every_order_thread_and_process() -> None:
    here = {index: fingerprint(index) for index in (2, 0, 1)}
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(fingerprint, range(3))) == [here[i] for i in range(3)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        assert list(processes.map(fingerprint, range(3))) == [here[i] for i in range(3)]
    assert len({picture for _, picture, _, _ in here.values()}) == 3


def test_worlds_have_no_end_and_survive_pickling() -> None:
    endless = worlds(3, SIZE)
    far = endless[10**9]
    assert far.image.shape == (*SIZE, 3)
    assert far.name.endswith("-3-1000000000")
    copied = pickle.loads(pickle.dumps(endless))
    np.testing.assert_array_equal(copied[10**9].image, far.image)
    assert [w.name for w in islice(endless, 2)] == [world(3, i, SIZE).name for i in range(2)]


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="number -1"):
        worlds(0)[-1]
    with pytest.raises(ValueError, match="seed -2"):
        world(-2, 0)


def test_every_family_comes_as_often_as_its_share() -> None:
    families = Counter(drawn_family(1, index)[0] for index in range(2000))
    assert {name: n / 2000 for name, n in families.items()} == pytest.approx(dict(SHARES), abs=0.04)


@given(
    angles=st.tuples(st.floats(-180, 180), st.floats(-60, -10), st.floats(-20, 20)),
    position=st.tuples(st.floats(-9, 9), st.floats(0.5, 4), st.floats(-9, 9)),
)
@settings(max_examples=20, deadline=None)
def test_unprojected_depth_of_the_ground_lies_on_the_ground(
    angles: tuple[float, float, float], position: tuple[float, float, float]
) -> None:
    view = looking(position, angles, SIZE, 50)
    light = Light(np.array([0, 1, 0]), np.ones(3), np.ones(3))
    _, inverse = draw(Scene([ground((0, 0, 0), 1e4, 1e4, GREY)], view, light), 0)
    camera = to_camera(view)
    near = (inverse > 0.05).ravel()
    points = camera.unproject(camera.pixel_centres()[near], 1 / inverse.ravel()[near].astype(np.float64))
    assert near.any()
    np.testing.assert_allclose(points[:, 1], 0, atol=2e-3)
    np.testing.assert_allclose(camera.position, np.array(position) * (1, -1, 1), atol=1e-9)


def test_truth_is_metric_inverse_depth_and_sky_is_valid() -> None:
    made = world(0, 1, SIZE)
    assert isinstance(made.depth_map, DepthMap)
    assert (made.depth_map.quantity, made.depth_map.ambiguity) == ("inverse_depth", "metric")
    assert made.depth_map.valid.all()
    assert made.camera.shape == SIZE


def test_a_training_sample_is_the_world_degraded_the_same_way_every_time() -> None:
    first, again = (world_sample("lidar", 3, 1, SIZE) for _ in range(2))
    np.testing.assert_array_equal(first.target, again.target)
    np.testing.assert_array_equal(first.image, world(3, 1, SIZE).image)
    assert first.ambiguity == "metric"
    assert 0 < first.valid.mean() < 0.5
    assert world_sample("ordinal", 3, 1, SIZE).pairs is not None
    with pytest.raises(KeyError):
        world_sample("sonar", 3, 1, SIZE)


def test_samplers_can_be_handed_to_worker_processes() -> None:
    sampler = partial(world_sample, "sfm", 3)
    assert pickle.loads(pickle.dumps(sampler))(0, SIZE).ambiguity == "scale_invariant"
