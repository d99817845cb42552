"""Runs: what is done is kept, what is left is done, what cannot count is named, and nothing else moves a mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.evaluation.contestants import Contestant
from openmidas.evaluation.protocols import PROTOCOLS, Rule
from openmidas.evaluation.run import (
    RESULTS,
    DataSet,
    Figures,
    Row,
    evaluate,
    figures,
    first,
    open_run,
    read_rows,
    remaining,
)
from openmidas.files import FileError
from openmidas.training.datasets.entry import Entry, OrdinalPairs, View

SHAPE = (12, 16)
MEASURED = PROTOCOLS["measured"].rules["measured"]
FILM = replace(PROTOCOLS["video"].rules["sintel"], metrics=("AbsRel", "δ<1.25"))


def truth(name: str) -> np.ndarray:
    """Inverse depth of 0.1 to 2 1/m, another one for every name."""
    return np.random.default_rng(sum(name.encode())).uniform(0.1, 2, SHAPE)


def entry(name: str) -> Entry:
    target = DepthMap.from_values(truth(name), "inverse_depth", "metric")
    return Entry(name, Path(f"{name}.png"), lambda: target)


def broken(name: str) -> Entry:
    def read_target() -> DepthMap:
        raise FileError(f"{name}.npz: is not there")

    return Entry(name, Path(f"{name}.png"), read_target)


def data_set(entries: Sequence[Entry], rule: Rule = MEASURED, folder: str = "data") -> DataSet:
    return DataSet("own", rule, Path(folder), entries)


def affine(set_name: str, entry: Entry) -> DepthMap:
    return DepthMap.from_values(3 * truth(entry.name) + 1, "inverse_depth", "affine_invariant")


def noisy(set_name: str, entry: Entry) -> DepthMap:
    noise = np.random.default_rng(1).uniform(-0.2, 0.2, SHAPE)
    return DepthMap.from_values(truth(entry.name) + noise, "inverse_depth", "affine_invariant")


EXACT = Contestant("exact", "of the truth", affine)
NOISY = Contestant("noisy", "with noise", noisy)
PICTURES = [entry(name) for name in ("a/1", "a/2", "a/3", "b/1")]


def run(folder: Path, contestants: Sequence[Contestant], part: DataSet) -> dict[tuple[str, str], Figures]:
    open_run(folder, "measured", contestants, [part])
    for _ in evaluate(folder, remaining(folder, contestants, [part]), 2):
        pass
    return figures(read_rows(folder), [contestant.name for contestant in contestants], [part])


def rows(folder: Path) -> list[Row]:
    return sorted(read_rows(folder), key=lambda row: row.key)


def test_an_exact_affine_transform_of_the_truth_scores_nothing(tmp_path: Path) -> None:
    (found,) = run(tmp_path, [EXACT], data_set(PICTURES)).values()
    assert found.means == pytest.approx({"AbsRel": 0, "δ<1.25": 1}, abs=1e-5)
    assert (found.pictures, found.wanted, found.failures) == (4, 4, 0)


def test_interrupted_and_resumed_is_the_same_as_uninterrupted(tmp_path: Path) -> None:
    part, contestants = data_set(PICTURES), [EXACT, NOISY]
    whole = run(tmp_path / "whole", contestants, part)
    folder = tmp_path / "parts"
    open_run(folder, "measured", contestants, [part])
    started = evaluate(folder, remaining(folder, contestants, [part]), 2)
    assert len(list(islice(started, 2))) == 2
    started.close()
    with (folder / RESULTS).open("ab") as file:
        file.write(b'{"contestant": "noisy", "set": "own", "na')
    assert len(rows(folder)) == 4  # two pictures by both, without the half line
    assert run(folder, contestants, part) == whole
    assert rows(folder) == rows(tmp_path / "whole")


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def counting(set_name: str, entry: Entry) -> DepthMap:
        asked.append(f"{set_name} {entry.name}")
        return affine(set_name, entry)

    contestant, part = Contestant("counting", "", counting), data_set(PICTURES)
    open_run(tmp_path, "measured", [contestant], [part])
    for wanted in (first(part, 3), part, part):
        list(evaluate(tmp_path, remaining(tmp_path, [contestant], [wanted]), 1))
    assert asked == ["own a/1", "own a/2", "own a/3", "own b/1"]
    run(tmp_path, [contestant, EXACT], part)  # another contestant joins
    assert len(asked) == 4
    assert len(rows(tmp_path)) == 8


def test_a_broken_target_is_named_and_counted_and_moves_no_mean(tmp_path: Path) -> None:
    with_broken = run(tmp_path / "broken", [NOISY], data_set([*PICTURES[:2], broken("a/9")]))["noisy", "own"]
    without = run(tmp_path / "sound", [NOISY], data_set(PICTURES[:2]))["noisy", "own"]
    assert with_broken.means == without.means
    assert (with_broken.pictures, with_broken.wanted, with_broken.failures) == (2, 3, 1)
    failures = [(row.name, row.failure) for row in rows(tmp_path / "broken") if row.failure]
    assert failures == [("a/9", "a/9.npz: is not there")]


def test_every_kind_of_picture_that_cannot_count_is_named(tmp_path: Path) -> None:
    def flat(set_name: str, entry: Entry) -> DepthMap:
        return DepthMap.from_values(np.ones(SHAPE), "inverse_depth", "affine_invariant")

    def square(set_name: str, entry: Entry) -> DepthMap:
        return DepthMap.from_values(np.eye(5), "inverse_depth", "affine_invariant")

    def faulty(set_name: str, entry: Entry) -> DepthMap:
        raise ZeroDivisionError

    blank = DepthMap.from_values(np.full(SHAPE, np.nan), "depth", "metric")
    contestants = [Contestant(each.__name__, "", each) for each in (flat, square, faulty)]
    found = run(
        tmp_path, contestants, data_set([PICTURES[0], Entry("blank", Path("blank.png"), lambda: blank)])
    )
    assert {(f.pictures, f.failures) for f in found.values()} == {(0, 2)}
    assert all(f.means == {} for f in found.values())
    said = {(row.contestant, row.name): row.failure or "" for row in rows(tmp_path)}
    assert said["flat", "a/1"].startswith("a/1.png: the prediction is 1 at every valid pixel")
    assert said["square", "a/1"].startswith("a/1.png: a prediction of 5×5 is not of the picture")
    assert said["faulty", "a/1"].startswith("a/1.png: unexpected ZeroDivisionError")
    assert said["flat", "blank"].startswith("blank.png: no pixel of the target counts")


def test_failures_are_tried_again(tmp_path: Path) -> None:
    before = [PICTURES[0], broken("a/2")]
    assert run(tmp_path, [EXACT, NOISY], data_set(before))["exact", "own"].failures == 1
    found = run(tmp_path, [EXACT, NOISY], data_set(PICTURES[:2]))
    assert [(f.pictures, f.failures) for f in found.values()] == [(2, 0), (2, 0)]
    assert len(rows(tmp_path)) == 4


def test_the_mean_over_groups_is_of_their_means(tmp_path: Path) -> None:
    part = data_set(PICTURES)
    by_groups = run(tmp_path, [NOISY], part)["noisy", "own"].means["AbsRel"]
    by_pictures = figures(
        read_rows(tmp_path), ["noisy"], [replace(part, rule=replace(MEASURED, averaging="pictures"))]
    )
    errors = {row.name: row.scores["AbsRel"] for row in rows(tmp_path) if row.scores}
    assert by_groups == pytest.approx((np.mean([errors[f"a/{n}"] for n in (1, 2, 3)]) + errors["b/1"]) / 2)
    assert by_pictures["noisy", "own"].means["AbsRel"] == pytest.approx(np.mean(list(errors.values())))


@pytest.mark.parametrize(
    ("protocol", "contestants", "part", "other"),
    [
        ("marigold", [EXACT], data_set(PICTURES), "another protocol"),
        ("measured", [EXACT], data_set(PICTURES, replace(MEASURED, cap_m=80)), "another rule own"),
        ("measured", [EXACT], data_set(PICTURES[:3]), "another data own"),
        ("measured", [EXACT], data_set(PICTURES, folder="elsewhere"), "another data own"),
        ("measured", [replace(EXACT, identity="file")], data_set(PICTURES), "another contestant exact"),
    ],
)
def test_a_run_of_something_else_is_not_gone_on_with(
    tmp_path: Path, protocol: str, contestants: list[Contestant], part: DataSet, other: str
) -> None:
    run(tmp_path, [EXACT], data_set(PICTURES))
    with pytest.raises(FileError, match=rf"holds a run with {other}.*: choose another folder"):
        open_run(tmp_path, protocol, contestants, [part])


def test_lines_that_are_none_are_named(tmp_path: Path) -> None:
    run(tmp_path, [EXACT], data_set(PICTURES))
    lines = (tmp_path / RESULTS).read_bytes().splitlines(keepends=True)
    (tmp_path / RESULTS).write_bytes(b"".join([*lines[:2], b"[1, 2]\n", *lines[2:]]))
    with pytest.raises(FileError, match=r"results\.jsonl: line 3 is no result"):
        rows(tmp_path)


def test_a_run_that_says_no_more_what_it_is_of_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(FileError, match="what the run was made of"):
        open_run(tmp_path, "measured", [EXACT], [data_set(PICTURES)])


def test_the_target_is_read_once_for_all_contestants(tmp_path: Path) -> None:
    read: list[str] = []

    def read_target() -> DepthMap:
        read.append("a/1")
        return DepthMap.from_values(truth("a/1"), "inverse_depth", "metric")

    run(tmp_path, [EXACT, NOISY], data_set([Entry("a/1", Path("1.png"), read_target)]))
    assert read == ["a/1"]


def test_a_film_is_fitted_as_a_whole(tmp_path: Path) -> None:
    def drifting(set_name: str, entry: Entry) -> DepthMap:
        return DepthMap.from_values(
            int(entry.name[-1]) * truth(entry.name), "inverse_depth", "affine_invariant"
        )

    contestant = Contestant("drifting", "", drifting)
    alone = run(tmp_path / "pictures", [contestant], data_set(PICTURES))["drifting", "own"]
    film = run(tmp_path / "film", [contestant], data_set(PICTURES, FILM))["drifting", "own"]
    assert alone.means["AbsRel"] < 1e-5 < 0.05 < film.means["AbsRel"]


def test_a_film_counts_whole_or_not_at_all(tmp_path: Path) -> None:
    part = data_set([*PICTURES[:2], broken("a/9"), PICTURES[3]], FILM)
    found = run(tmp_path, [EXACT], part)["exact", "own"]
    assert (found.pictures, found.failures) == (1, 3)
    assert {row.failure for row in rows(tmp_path)} == {None, "a/9.npz: is not there"}
    assert len(first(part, 1).entries) == 3


def test_a_film_that_was_written_in_part_is_done_again(tmp_path: Path) -> None:
    part = data_set(PICTURES, FILM)
    whole = run(tmp_path, [EXACT], part)
    lines = (tmp_path / RESULTS).read_bytes().splitlines(keepends=True)
    (tmp_path / RESULTS).write_bytes(b"".join(line for line in lines if b"a/2" not in line))
    assert run(tmp_path, [EXACT], part) == whole
    assert [row.name for row in rows(tmp_path)] == ["a/1", "a/2", "a/3", "b/1"]


def test_the_temporal_error_needs_cameras(tmp_path: Path) -> None:
    rule = PROTOCOLS["video"].rules["sintel"]
    view = View(np.array([[16.0, 0, 8], [0, 16, 6], [0, 0, 1]]), np.eye(4))
    still = [replace(entry("a/1"), name=f"a/{n}", read_view=lambda: view) for n in (1, 2)]
    same = Contestant("same", "", lambda set_name, entry: affine(set_name, PICTURES[0]))
    found = run(tmp_path / "known", [same], data_set(still, rule))["same", "own"]
    assert found.means == pytest.approx({"AbsRel": 0, "δ<1.25": 1, "TAE": 0}, abs=1e-4)
    run(tmp_path / "unknown", [EXACT], data_set(PICTURES[:2], rule))
    assert {row.failure for row in rows(tmp_path / "unknown")} == {
        "a/1.png: its camera is not known, which this protocol needs"
    }


def test_pairs_that_people_ordered_are_counted(tmp_path: Path) -> None:
    nearest, farthest = (
        np.array(np.unravel_index(find(truth("d")), SHAPE))[None] for find in (np.argmax, np.argmin)
    )
    pairs = [OrdinalPairs(nearest, farthest, np.array([relation]), SHAPE) for relation in (1, -1)]
    entries = [replace(entry("d"), name=f"{n}", read_target=lambda p=p: p) for n, p in enumerate(pairs)]
    ordered = Contestant("ordered", "", lambda set_name, _: affine(set_name, entry("d")))
    found = run(tmp_path, [ordered], data_set(entries, PROTOCOLS["midas-2020"].rules["diw"]))
    assert found["ordered", "own"].means == {"WHDR": 0.5}


def test_a_line_says_all_there_is(tmp_path: Path) -> None:
    run(tmp_path, [EXACT], data_set([broken("a/ö")]))
    (line,) = (tmp_path / RESULTS).read_text(encoding="utf8").splitlines()
    failure = "a/ö.npz: is not there"
    assert json.loads(line) == {"contestant": "exact", "set": "own", "name": "a/ö", "failure": failure}
