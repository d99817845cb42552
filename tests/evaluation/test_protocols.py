"""The protocols are tables: they agree with the papers' text, with the readers, and with the published figures."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from openmidas.depth_map import ConventionError
from openmidas.evaluation.protocols import PROTOCOLS, Crop, Metric, Rule
from openmidas.training.datasets.layouts import LAYOUTS

RULES = [(f"{name}/{key}", rule) for name, p in PROTOCOLS.items() for key, rule in p.rules.items()]


def test_midas_2020_is_the_papers_table() -> None:
    rules = PROTOCOLS["midas-2020"].rules.values()
    table = [(r.set_name, r.metrics, r.cap_m, r.pictures, r.alignment) for r in rules]
    assert table == [
        ("DIW", ("WHDR",), None, 74_441, "none"),
        ("ETH3D", ("AbsRel",), 72, 454, "inverse_depth"),
        ("Sintel", ("AbsRel",), 72, 1064, "inverse_depth"),
        ("KITTI", ("% δ>1.25",), 80, 161, "inverse_depth"),
        ("NYU", ("% δ>1.25",), 10, 654, "inverse_depth"),
        ("TUM", ("% δ>1.25",), 10, 1815, "inverse_depth"),
    ]
    assert all(rule.crop is None and rule.averaging == "pictures" for rule in rules)
    assert [r.max_m for r in rules] == [math.inf, math.inf, 72, math.inf, 10, math.inf]


def test_only_marigold_fits_in_depth_and_only_video_over_films() -> None:
    for name, protocol in PROTOCOLS.items():
        for rule in protocol.rules.values():
            assert (rule.alignment == "depth") == (name == "marigold")
            assert (rule.fit == "group") == (name == "video") == ("TAE" in rule.metrics)


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_every_rule_has_a_reader_a_known_headline_and_limits_in_order(name: str, rule: Rule) -> None:
    assert rule.layout in LAYOUTS
    assert set(rule.metrics) <= set(get_args(Metric))
    assert 0 <= rule.min_m < rule.max_m
    assert rule.cap_m is None or rule.min_m < rule.cap_m
    assert math.isinf(rule.max_m) or rule.cap_m == rule.max_m


def test_protocols_and_their_sets_are_called_as_on_the_command_line() -> None:
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert all(key == rule.set_name.lower() for key, rule in protocol.rules.items())
        assert protocol.source


def test_nyu_is_cut_by_pixels_of_its_own_size() -> None:
    crop = PROTOCOLS["marigold"].rules["nyu"].crop
    assert crop is not None
    assert crop.window((480, 640)) == (45, 471, 41, 601)
    with pytest.raises(ConventionError, match="crop does not fit into a target of 240×320"):
        crop.window((240, 320))


def test_kitti_is_cut_by_shares_rounded_down() -> None:
    garg = PROTOCOLS["depth-anything"].rules["kitti"].crop
    assert garg is not None
    assert garg.window((375, 1242)) == (153, 371, 44, 1197)


def test_a_share_of_a_part_counts_from_the_bottom_centre() -> None:
    # 352×1216 lies in 375×1242 from row 23, column 13
    assert Crop((0, 1), (0, 1), within_px=(352, 1216)).window((375, 1242)) == (23, 375, 13, 1229)
    eigen = PROTOCOLS["marigold"].rules["kitti"].crop
    assert eigen is not None
    assert eigen.window((375, 1242)) == (23 + 117, 23 + 321, 13 + 43, 13 + 1172)
    with pytest.raises(ConventionError, match="300×1242"):
        eigen.window((300, 1242))
