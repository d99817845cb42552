"""The table beside the published figures, by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from openmidas.evaluation.protocols import PROTOCOLS
from openmidas.evaluation.run import DataSet, Figures
from openmidas.evaluation.tables import Table, aligned, compare, figure_text, printed, summary
from openmidas.training.datasets.entry import Entry

_Errors = Mapping[str, Mapping[str, float]]


def no_target() -> None:
    raise AssertionError


def table(errors: _Errors, protocol: str = "midas-2020", pictures: int = 3) -> Table:
    """Of headline figures by contestant and set."""
    rules = PROTOCOLS[protocol].rules
    names = list(next(iter(errors.values())))
    entries = [Entry(str(n), Path("x.png"), no_target) for n in range(pictures)]  # type: ignore[arg-type]
    sets = [DataSet(name, rules[name], Path(), entries) for name in names]
    found = {
        (contestant, name): Figures(
            contestant, name, {rules[name].metrics[0]: value}, pictures - 1, pictures, 1
        )
        for contestant, by_set in errors.items()
        for name, value in by_set.items()
    }
    return compare(protocol, sets, list(errors), found)


def cells(text: str, start: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(start)]


def test_the_published_row_of_the_same_network_stands_below() -> None:
    text = printed(table({"dpt_large_384": {"nyu": 8.1, "kitti": 8.5}, "mine": {"nyu": 20.0, "kitti": 30.0}}))
    own, published = cells(text, "dpt_large_384")
    assert own[:3] == ["dpt_large_384", "8.10", "8.50"]
    assert published[:4] == ["dpt_large_384,", "published", "8.32", "8.46"]
    assert cells(text, "  pictures")[0] == ["pictures", "2", "of", "654", "2", "of", "161"]
    assert len(cells(text, "mine")) == 1
    assert "MiDaS 3.1" in text


def test_an_exported_network_has_the_published_row_of_its_name() -> None:
    lines = table({"dpt_levit_224.onnx": {"sintel": 0.3}}).lines
    assert [line.name for line in lines] == ["dpt_levit_224.onnx", "dpt_levit_224"]
    assert lines[1].figures == {"sintel": {"AbsRel": 0.3148}}


def test_better_is_the_mean_of_percentages_of_midas_small_as_published() -> None:
    # published: NYU 13.43, Sintel 0.3370
    (line,) = table({"mine": {"nyu": 13.43 / 2, "sintel": 0.3370 * 1.1}}).lines
    assert line.better == pytest.approx((50 - 10) / 2)
    _, small = table({"midas_v21_small_256": {"nyu": 13.43, "sintel": 0.3370}}).lines
    assert (small.name, small.is_published, small.better) == ("midas_v21_small_256", True, 0)


def test_zero_shot_leaves_out_what_any_network_shown_was_trained_on() -> None:
    errors = {"nyu": 13.43 / 2, "sintel": 0.3370 / 4, "kitti": 29.27}
    alone = table({"mine": errors})
    assert alone.zero_shot == ["nyu", "sintel", "kitti"]
    beside = table({"mine": errors, "tiny": errors})
    assert beside.zero_shot == ["sintel", "kitti"]
    assert beside.lines[0].zero_shot_better == pytest.approx(75 / 2)
    assert beside.lines[0].better == pytest.approx((50 + 75) / 3)
    assert cells(printed(beside), "tiny")[0][1] == f"{13.43 / 2:.2f}*"
    nothing = table({"dpt_beit_large_512": {"nyu": 2.0}})
    assert (nothing.zero_shot, nothing.lines[0].zero_shot_better) == ([], None)
    assert "as far as is known: none." in " ".join(printed(nothing).split())


def test_without_published_figures_the_first_contestant_is_compared_with() -> None:
    first, second = table({"a": {"sintel": 0.2}, "b": {"sintel": 0.1}}, "video").lines
    assert (first.better, second.better) == (0, pytest.approx(50))
    assert "Published" not in printed(table({"a": {"sintel": 0.2}}, "video"))


def test_nothing_is_better_than_a_perfect_one() -> None:
    first, second = table({"a": {"sintel": 0.0}, "b": {"sintel": 0.1}}, "video").lines
    assert (first.better, second.better) == (None, None)


def test_a_missing_figure_is_shown_as_missing() -> None:
    found = table({"mine": {"nyu": 1.0, "kitti": 2.0}})
    empty = {("mine", "nyu"): Figures("mine", "nyu", {}, 0, 3, 3)}
    kept = {("mine", "kitti"): Figures("mine", "kitti", {"% δ>1.25": 2.0}, 3, 3, 0)}
    (line,) = (again := compare("midas-2020", found.sets, ["mine"], empty | kept)).lines
    assert line.better is None
    assert cells(printed(again), "mine") == [["mine", "–", "2.00", "–", "–"]]
    assert cells(printed(again), "  pictures") == [["pictures", "0", "of", "654", "3", "of", "161"]]


def test_two_metrics_share_a_cell_and_the_higher_is_said_to_be_better() -> None:
    text = printed(table({"dpt_beit_large_512": {"eth3d": 0.2}}, "depth-anything"))
    assert cells(text, "dpt_beit_large_512,")[0][2:5] == [".1390", "/", ".867"]
    assert "of δ<1.25 higher" in text


def test_the_summary_is_json() -> None:
    held = json.loads(json.dumps(summary(table({"dpt_large_384": {"nyu": 8.1}}))))
    assert held["sets"]["nyu"] == {
        "title": "NYU", "metrics": ["% δ>1.25"], "pictures": 3, "published_pictures": 654,
    }  # fmt: skip
    assert [line["figures"]["nyu"]["% δ>1.25"] for line in held["lines"]] == [8.1, 8.32]
    assert held["lines"][0]["failures"] == {"nyu": 1}
    assert held["baseline"] == {"name": "midas_v21_small_256", "is_published": True}


def test_columns_are_aligned() -> None:
    assert aligned([("a", "1", "22"), ("bcd", "333", "")]) == ["a      1  22", "bcd  333"]


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("WHDR", 0.1234, ".1234"),
        ("% δ>1.25", 6.1, "6.10"),
        ("δ<1.25", 1, "1.000"),
        ("AbsRel", 12.5, "12.5000"),
    ],
)
def test_figures_have_the_digits_that_papers_give(metric: str, value: float, text: str) -> None:
    assert figure_text(metric, value) == text
