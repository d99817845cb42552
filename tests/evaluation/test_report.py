"""The report stands alone, says every figure, shows the right pictures, and trusts no name."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.evaluation.contestants import Contestant
from openmidas.evaluation.protocols import PROTOCOLS
from openmidas.evaluation.report import write_report
from openmidas.evaluation.run import DataSet, Row, figures
from openmidas.evaluation.tables import Table, compare, figure_text
from openmidas.files.errors import FileError
from openmidas.files.images import read_image
from openmidas.training.datasets.entry import Entry, OrdinalPairs

SHAPE = (36, 48)
HOSTILE = "_$\\frac$</title><script src=https://evil.example/x.js>\"'&amp;$title ${x}"
PICTURES = [f"room/{n}" for n in range(20)]
SCORES = [float(n) for n in np.random.default_rng(0).permutation(20)]
_VOID = ("meta", "img")


class Page(HTMLParser):
    """What a browser makes of it; every element has to be closed where it belongs."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@dataclass
class Made:
    """A report and what it was made of. predicted: the names that each contestant was asked for again."""

    path: Path
    table: Table
    text: str
    predicted: dict[str, list[str]] = field(default_factory=dict)


def entry(folder: Path, name: str, pairs: bool = False) -> Entry:
    """A picture whose truth is its first row's gray, in 1/100 of 1/m, growing downwards."""
    path = folder / f"{name.replace('/', '_')}.png"
    gray = np.add.outer(np.arange(SHAPE[0]), 10 + np.arange(SHAPE[1])).astype(np.uint8)
    cv2.imwrite(str(path), gray[..., None].repeat(3, axis=2))
    target = DepthMap.from_values(gray / 100, "inverse_depth", "metric", gray > 12)
    one = OrdinalPairs(np.array([[1, 2]]), np.array([[30, 40]]), np.array([-1]), SHAPE)
    return Entry(name, path, (lambda: one) if pairs else (lambda: target))


def contestant(name: str, asked: dict[str, list[str]]) -> Contestant:
    def predict(set_name: str, entry: Entry) -> DepthMap:
        asked.setdefault(name, []).append(entry.name)
        gray = read_image(entry.image)[..., 0].astype(np.float32)
        return DepthMap.from_values(np.sqrt(gray), "inverse_depth", "affine_invariant")

    return Contestant(name, name, predict)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two contestants on NYU and DIW; one picture failed, one was lost after the run."""
    folder = tmp_path_factory.mktemp("report")
    rules = PROTOCOLS["midas-2020"].rules
    nyu = DataSet("nyu", rules["nyu"], folder, [entry(folder, name) for name in (*PICTURES, "bad<i>")])
    diw = DataSet("diw", rules["diw"], folder, [entry(folder, HOSTILE.replace("/", "\\"), pairs=True)])
    names = ("dpt_large_384", HOSTILE)
    rows = [
        Row(who, "nyu", name, {"% δ>1.25": s})
        for who in names
        for name, s in zip(PICTURES, SCORES, strict=True)
    ]
    rows += [Row(who, "diw", diw.entries[0].name, {"WHDR": 0.0}) for who in names]
    rows += [Row(HOSTILE, "nyu", "bad<i>", failure="bad<i>.png: is <b>broken</b>")]
    rows += [Row("somebody else", "nyu", PICTURES[0], {"% δ>1.25": 77.7})]
    table = compare("midas-2020", [diw, nyu], names, figures(rows, names, [diw, nyu]))
    nyu.entries[SCORES.index(19)].image.unlink()
    asked: dict[str, list[str]] = {}
    steps: list[int] = []
    path = folder / "report.html"
    write_report(path, table, rows, [contestant(name, asked) for name in names], lambda: steps.append(1))
    assert len(steps) == 2 * 2
    return Made(path, table, path.read_text(encoding="utf8"), asked)


def test_it_asks_nothing_of_any_other_file_or_host(made: Made) -> None:
    page = Page(made.text)
    links = [
        value for name, value in page.attributes if name in ("src", "href", "xlink:href", "srcset", "data")
    ]
    assert links
    assert all(link.startswith(("#", "data:image/jpeg;base64,")) for link in links)
    assert not page.tags & {"script", "link", "iframe", "object", "base", "form", "i", "b"}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert set(re.findall(r"url\((.)", made.text)) == {"#"}
    assert "@import" not in made.text


def test_its_parts_have_names_of_their_own_and_every_link_leads_to_one(made: Made) -> None:
    attributes = Page(made.text).attributes
    ids = [value for name, value in attributes if name == "id"]
    targets = {value[1:] for name, value in attributes if name.endswith("href") and value.startswith("#")}
    assert len(ids) == len(set(ids))
    assert targets <= set(ids)
    assert set(re.findall(r"url\(#([^)]*)\)", made.text)) <= set(ids)


def test_every_figure_of_the_table_and_what_it_stands_on_is_there(made: Made) -> None:
    text = Page(made.text).text
    for line in made.table.lines:
        for set_name, by_metric in line.figures.items():
            assert all(figure_text(metric, value) in text for metric, value in by_metric.items())
            assert line.is_published or f"{line.pictures[set_name]} of " in text
        for better in (line.better, line.zero_shot_better):
            assert better is not None
            assert f"{better:+.1f} %" in text
    assert "dpt_large_384, as published" in text
    assert "20 of 654" in text
    assert "README of MiDaS" in text
    assert "77.7" not in text


def test_a_name_is_text_whatever_it_holds(made: Made) -> None:
    page = Page(made.text)
    assert page.text.count(HOSTILE) > 5
    assert any(name == "alt" and HOSTILE.replace("/", "\\") in value for name, value in page.attributes)


def test_failures_are_named(made: Made) -> None:
    text = Page(made.text).text
    assert f"{HOSTILE} on nyu: 1 picture" in text
    assert "bad<i>: bad<i>.png: is <b>broken</b>" in text


def test_best_median_and_worst_are_shown_and_one_that_was_lost_is_said(made: Made) -> None:
    text = Page(made.text).text
    assert f"Best: {PICTURES[SCORES.index(0)]}, % δ>1.25 .00" in text
    assert f"Median: {PICTURES[SCORES.index(9)]}, % δ>1.25 9.00" in text
    lost = PICTURES[SCORES.index(19)]
    assert re.search(
        f"Worst: {lost}, % δ>1.25 19.00\nIt cannot be shown: .*{lost.replace('/', '_')}.png", text
    )
    # two panels for the ordinal picture, four for the best and the median, for both
    assert made.text.count("<img ") == 2 * (2 + 4 + 4)


def test_a_handful_of_pictures_is_predicted_again_and_each_once(made: Made) -> None:
    for asked in made.predicted.values():
        assert len(asked) == len(set(asked))
        assert len(asked) <= 1 + 10


def test_the_figures_lie_beside_it_as_pictures(made: Made) -> None:
    paths = sorted(made.path.with_name("report_figures").iterdir())
    assert [path.name for path in paths if "_1_" in path.name] == [
        f"{name}.png"
        for name in ("diw_1_dpt_large_384_best", "nyu_1_dpt_large_384_best", "nyu_1_dpt_large_384_median")
    ]
    assert {"diw_distribution.png", "nyu_distribution.png", "nyu_distance.png"} <= {
        path.name for path in paths
    }
    for path in paths:
        assert min(cv2.imread(str(path)).shape[:2]) > 30


def test_a_page_without_what_draws_it_is_refused_in_one_line(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(FileError, match=r"openmidas\[scene\]"):
        write_report(tmp_path / "report.html", made.table, [], [])
    assert not list(tmp_path.iterdir())
