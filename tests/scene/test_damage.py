"""Damage: by hand where that can be done, and against ray-traced truth."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from cards import CARD, FAR_M, FOCAL_PX, NEAR_M, SHAPE, card_before_wall, wall

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap
from openmidas.scene.damage import (
    DAMAGE,
    LARGEST_STRETCH,
    STEPS,
    Probe,
    Reach,
    damage_along,
    damage_of,
    largest_displacement,
    reach_of,
    to_probe,
)
from openmidas.scene.layers import Scene, build_scene
from openmidas.scene.views import displaced

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "damage.py"


def probe_of(scene: Scene, pivot_m: float) -> Probe:
    probe = to_probe(scene)
    return Probe(probe.corners_px, probe.vertices, probe.triangles, probe.camera, pivot_m)


@pytest.fixture(scope="module")
def card() -> Probe:
    """Seen with the wall held still."""
    return probe_of(build_scene(*card_before_wall()), FAR_M)


def test_where_the_picture_was_taken_nothing_is_wrong(card: Probe) -> None:
    assert damage_of(card, card.camera) == (0, 0, 0, 0)


@pytest.mark.parametrize("way", ["left", "right", "up", "down"])
def test_what_the_card_uncovers_is_its_side_times_its_parallax(card: Probe, way: str) -> None:
    step_m = 0.12
    shift_px = FOCAL_PX * step_m * (1 / NEAR_M - 1 / FAR_M)
    side_px = CARD[0].stop - CARD[0].start if way in ("left", "right") else CARD[1].stop - CARD[1].start
    (damage,) = damage_along(card, way, [step_m])  # type: ignore[arg-type]
    assert damage.disoccluded == pytest.approx(shift_px * side_px / np.prod(SHAPE), rel=0.05)
    assert damage.total == damage.disoccluded


def test_what_lies_outside_the_frame_was_never_seen() -> None:
    probe = probe_of(build_scene(*wall()), 2.0)
    beside = probe.camera.crop(0, -30, *SHAPE)
    assert damage_of(probe, beside).disoccluded == pytest.approx(30 / SHAPE[1])


def test_a_wall_held_still_may_be_looked_at_from_all_sides() -> None:
    probe = probe_of(build_scene(*wall()), 2.0)
    assert damage_along(probe, "right", [0.5])[0].total < 0.001
    assert largest_displacement(probe, "right") == pytest.approx(0.9 * 2.0)


def test_a_wall_is_stretched_when_the_camera_comes_three_times_nearer() -> None:
    probe = probe_of(build_scene(*wall(3.0)), 3.0)
    limit_m = 3 - 3 / LARGEST_STRETCH
    before, after = damage_along(probe, "forward", [0.98 * limit_m, 1.02 * limit_m])
    assert before.stretched == 0
    assert after.stretched > 0.99
    assert largest_displacement(probe, "forward") == pytest.approx(limit_m, rel=0.02)


def test_a_wall_that_was_seen_from_its_side_is_grazing_when_it_is_turned_to_the_camera() -> None:
    x = np.broadcast_to(np.arange(SHAPE[1]), SHAPE)
    # the plane x = 0.05 m + z / 100: nearly along the line of sight
    inverse = ((x + 0.5 - SHAPE[1] / 2) / FOCAL_PX - 0.01) / 0.05
    seen = inverse > 0.2
    depth_map = DepthMap.from_values(np.where(seen, inverse, 0.2), "inverse_depth", "metric")
    image, camera = np.zeros((*SHAPE, 3), np.uint8), Camera.from_focal(SHAPE, FOCAL_PX)
    probe = probe_of(build_scene(image, depth_map, camera), 1.0)
    damage = damage_of(probe, displaced(probe.camera, (-0.2, 0, 0), 1.0))
    assert damage.grazing > 0.05
    assert damage_of(probe, displaced(probe.camera, (-0.001, 0, 0), 1.0)).grazing == 0


def test_a_surface_seen_from_behind_is_wrong(card: Probe) -> None:
    half_turn = np.diag([-1.0, 1, -1])
    behind = card.camera.moved((0, 0, 2 * FAR_M), half_turn)
    assert damage_of(card, behind).total > 0.99


def test_at_the_largest_displacement_the_damage_is_what_was_stated(card: Probe) -> None:
    for way in STEPS:
        limit_m = largest_displacement(card, way, 0.03)
        within, beyond = damage_along(card, way, [limit_m, 1.05 * limit_m])
        assert within.total <= 0.03
        assert beyond.total > 0.03 or limit_m == pytest.approx(0.9 * FAR_M)


def test_more_damage_allows_more_distance(card: Probe) -> None:
    little, more = reach_of(card, 0.02), reach_of(card, 0.06)
    assert all(little.furthest_m[way] <= more.furthest_m[way] for way in STEPS)


def test_limits_are_the_smaller_of_both_ways() -> None:
    ways = zip(STEPS, (0.3, 0.2, 0.5, 0.6, 2, 1), strict=True)
    assert Reach(DAMAGE, dict(ways)).limits_m == (0.2, 0.5, 1)


def test_who_goes_too_far_is_warned_in_one_line() -> None:
    reach = Reach(0.05, dict(zip(STEPS, (0.3, 0.2, 0.5, 0.6, 2, 1), strict=True)))
    assert reach.warning((0.2, 0, 0)) is None
    assert reach.warning((-0.3, 0, 0)) is None
    assert reach.warning((0, 0, 0)) is None
    line = reach.warning((0.3, 0, 0))
    assert line is not None
    assert "0.3 m right is 1.5 times" in line
    assert "\n" not in line
    # each alone would do, both together do not
    assert reach.warning((0.19, 0.55, 0)) is not None


def test_predicted_damage_ranks_views_as_their_true_error_does() -> None:
    benchmark = runpy.run_path(str(BENCHMARK))
    ways, shares = ((1, 0, 0), (0, -1, 0), (0, 0, 1)), (0.03, 0.15, 0.5)
    rows = [
        row
        for family, seed in (("room", 11), ("tabletop", 12), ("clutter", 13), ("clutter", 14))
        for row in benchmark["measure"](family, seed, (96, 128), ways, shares)
    ]
    damages, errors = [row.damage for row in rows], [row.error for row in rows]
    assert benchmark["spearman"](damages, errors) > 0.8
    assert benchmark["spearman"](damages, [row.broken for row in rows]) > 0.8
