"""A run: contestants against the pictures of data sets, a line a picture, gone on with where it was stopped."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import openmidas
from openmidas.evaluation.contestants import Contestant
from openmidas.evaluation.protocols import Rule
from openmidas.evaluation.scoring import score, score_group
from openmidas.files.atomic import write_bytes, written_beside
from openmidas.files.errors import FileError, file_error, system_error
from openmidas.models.batch import one_line, overlapped
from openmidas.training.datasets.entry import Entry, Target, View
from openmidas.training.datasets.layouts import LAYOUTS

RESULTS = "results.jsonl"
_MADE_OF = "run.json"

_Key = tuple[str, str, str]
_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class DataSet:
    """Pictures to measure on. name: the set's short one in the protocol; folder: where they were found."""

    name: str
    rule: Rule
    folder: Path
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Row:
    """What became of a picture: scores by metric, or the one line that says why there are none."""

    contestant: str
    set_name: str
    name: str
    scores: Mapping[str, float] | None = None
    failure: str | None = None

    @property
    def key(self) -> _Key:
        """What is measured once in a run."""
        return self.contestant, self.set_name, self.name


@dataclass(frozen=True, eq=False)
class Task:
    """A picture, or a film that is fitted as a whole, and those who have not done it yet.

    Its targets are read once for all of them.
    """

    data_set: DataSet
    entries: Sequence[Entry]
    contestants: Sequence[Contestant]


@dataclass(frozen=True)
class Figures:
    """A contestant's means on a set, by metric.

    pictures: those that the means stand on. wanted: those that there are, or that were asked for.
    failures: those that could not count.
    """

    contestant: str
    set_name: str
    means: Mapping[str, float]
    pictures: int
    wanted: int
    failures: int


def read_set(name: str, rule: Rule, folder: Path) -> DataSet:
    """The set of that short name in the folder; raises FileError where it does not hold that set."""
    return DataSet(name, rule, folder, LAYOUTS[rule.layout].read(folder))


def open_run(folder: Path, protocol: str, contestants: Sequence[Contestant], sets: Sequence[DataSet]) -> None:
    """Begin a run in the folder, or go on with the one there; contestants and sets may have been added.

    sets: whole ones, however few of their pictures are to be measured.
    Raises FileError where the run there is of another protocol, other data, or another contestant of the same name.
    """
    made_of = {
        "version": {"openmidas": openmidas.__version__},
        "protocol": {"": protocol},
        "rule": {data_set.name: str(data_set.rule) for data_set in sets},
        "data": {data_set.name: _fingerprint(data_set) for data_set in sets},
        "contestant": {contestant.name: contestant.identity for contestant in contestants},
    }
    known = _read_made_of(folder / _MADE_OF)
    for what, parts in made_of.items():
        for name, part in parts.items():
            if known.get(what, {}).get(name, part) != part:
                problem = f"holds a run with another {what} {name}".rstrip()
                raise file_error(folder, f"{problem} (see its {_MADE_OF}): choose another folder")
    merged = {what: known.get(what, {}) | parts for what, parts in made_of.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_error(folder, error) from error
    write_bytes(folder / _MADE_OF, json.dumps(merged, indent=1, ensure_ascii=False).encode())


def first(data_set: DataSet, pictures: int) -> DataSet:
    """The set's first pictures; films that are fitted as a whole stay whole, so there may be more."""
    kept: list[Entry] = []
    for unit in _units(data_set):
        if len(kept) >= pictures:
            break
        kept += unit
    return replace(data_set, entries=kept)


def spread(entries: Sequence[Entry], count: int) -> list[Entry]:
    """That many of them, evenly spread from the first to the last."""
    chosen = np.unique(np.linspace(0, len(entries) - 1, min(count, len(entries))).round().astype(int))
    return [entries[index] for index in chosen]


def remaining(folder: Path, contestants: Sequence[Contestant], sets: Sequence[DataSet]) -> list[Task]:
    """What is not done yet in an open run.

    Failures are tried again: their lines leave the file, and so do films that are not whole and a last line that was
    only half written.
    """
    path = folder / RESULTS
    scored = {row.key for row in _whole_rows(path) if row.scores is not None}
    tasks, again = [], set()
    for data_set in sets:
        for unit in _units(data_set):
            missing = []
            for contestant in contestants:
                keys = {(contestant.name, data_set.name, entry.name) for entry in unit}
                if not keys <= scored:
                    missing.append(contestant)
                    again |= keys
            if missing:
                tasks.append(Task(data_set, unit, missing))
    if path.exists():
        with written_beside(path) as temporary, temporary.open("wb") as file:
            file.writelines(_line(row) for row in _whole_rows(path) if row.key not in again)
    return tasks


def evaluate(folder: Path, tasks: Iterable[Task], jobs: int) -> Generator[Task, None, None]:
    """Do the tasks, `jobs` at a time, and yield each when its lines are in the run's file.

    Memory does not grow with their number. When the caller stops early, those in hand are finished but not written.
    Raises FileError where the file cannot be written.
    """
    try:
        # without a buffer every line is in the file when the next one begins
        with (
            (folder / RESULTS).open("ab", buffering=0) as file,
            contextlib.closing(overlapped(_rows, tasks, jobs)) as results,
        ):
            for task, rows in results:
                file.write(b"".join(_line(row) for row in rows))
                yield task
    except OSError as error:
        raise system_error(folder / RESULTS, error) from error


def read_rows(folder: Path) -> Iterator[Row]:
    """The results of a run, one a contestant and picture; FileError for a line of its file that is none."""
    return _whole_rows(folder / RESULTS)


def figures(
    rows: Iterable[Row], contestants: Sequence[str], sets: Sequence[DataSet]
) -> dict[tuple[str, str], Figures]:
    """Means by contestant and set over the rows of these pictures; what has no scores is counted, not averaged."""
    wanted = {data_set.name: {entry.name for entry in data_set.entries} for data_set in sets}
    found: dict[tuple[str, str], list[Row]] = {(c, s.name): [] for c in contestants for s in sets}
    for row in rows:
        if row.name in wanted.get(row.set_name, ()) and row.contestant in contestants:
            found[row.contestant, row.set_name].append(row)
    return {
        (contestant, data_set.name): _figures(contestant, data_set, found[contestant, data_set.name])
        for contestant in contestants
        for data_set in sets
    }


def _figures(contestant: str, data_set: DataSet, rows: Sequence[Row]) -> Figures:
    scored = [(row.name, row.scores) for row in rows if row.scores is not None]
    means: dict[str, float] = {
        metric: _mean(data_set.rule, {name: scores[metric] for name, scores in scored})
        for metric in data_set.rule.metrics
        if scored
    }
    failures = sum(row.failure is not None for row in rows)
    return Figures(contestant, data_set.name, means, len(scored), len(data_set.entries), failures)


def _mean(rule: Rule, values: Mapping[str, float]) -> float:
    """Over pictures, or over those of each group and then over groups; the same in whatever order they come."""
    if rule.averaging == "pictures":
        return math.fsum(values.values()) / len(values)
    groups: dict[str, list[float]] = {}
    for name, value in values.items():
        groups.setdefault(name.rpartition("/")[0], []).append(value)
    return math.fsum(math.fsum(group) / len(group) for group in groups.values()) / len(groups)


def _rows(task: Task) -> tuple[Task, list[Row]]:
    """A task's rows; what goes wrong with one picture of a film goes wrong with all of it."""
    try:
        targets = _of_each(task, lambda entry: entry.read_target())
        views = _of_each(task, _view) if "TAE" in task.data_set.rule.metrics else []
    except FileError as error:
        return task, [row for contestant in task.contestants for row in _failed(contestant, task, error)]
    measure = partial(_measured, task, targets, views)
    return task, [row for contestant in task.contestants for row in measure(contestant)]


def _measured(
    task: Task, targets: Sequence[Target], views: Sequence[View], contestant: Contestant
) -> list[Row]:
    rule = task.data_set.rule
    try:
        predictions = _of_each(task, partial(contestant.predict, task.data_set.name))
        if rule.fit == "group":
            scores = score_group(predictions, targets, rule, views)  # type: ignore[arg-type]
        else:
            scores = [score(predictions[0], targets[0], rule)]
    except Exception as error:
        return _failed(contestant, task, error)
    return [
        Row(contestant.name, task.data_set.name, entry.name, of_picture)
        for entry, of_picture in zip(task.entries, scores, strict=True)
    ]


def _failed(contestant: Contestant, task: Task, error: Exception) -> list[Row]:
    first, *others = task.entries
    failure = one_line(first.image.parent if others else first.image, error)
    return [Row(contestant.name, task.data_set.name, entry.name, failure=failure) for entry in task.entries]


def _of_each(task: Task, do: Callable[[Entry], _Result]) -> list[_Result]:
    """What `do` makes of every picture; any error as a FileError that names the picture."""
    results = []
    for entry in task.entries:
        try:
            results.append(do(entry))
        except Exception as error:
            raise FileError(one_line(entry.image, error)) from error
    return results


def _view(entry: Entry) -> View:
    if entry.read_view is None:
        raise ValueError("its camera is not known, which this protocol needs")
    return entry.read_view()


def _line(row: Row) -> bytes:
    held = {"contestant": row.contestant, "set": row.set_name, "name": row.name}
    outcome = {"failure": row.failure} if row.scores is None else {"scores": dict(row.scores)}
    return json.dumps(held | outcome, ensure_ascii=False).encode() + b"\n"


def _whole_rows(path: Path) -> Iterator[Row]:
    """The rows of a run's file up to a line that is only half written."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield _row(path, number, line)
    except FileNotFoundError:
        return  # nothing is done yet
    except OSError as error:
        raise system_error(path, error) from error


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        held = json.loads(line)
        return Row(held["contestant"], held["set"], held["name"], held.get("scores"), held.get("failure"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise file_error(path, f"line {number} is no result of a picture: remove it") from error


def _units(data_set: DataSet) -> Iterator[list[Entry]]:
    """What is fitted together: each picture, or each film."""
    if data_set.rule.fit == "picture":
        yield from ([entry] for entry in data_set.entries)
        return
    films: dict[str, list[Entry]] = {}
    for entry in data_set.entries:
        films.setdefault(entry.group, []).append(entry)
    yield from films.values()


def _fingerprint(data_set: DataSet) -> str:
    names = "\n".join(entry.name for entry in data_set.entries).encode()
    digest = hashlib.sha256(names).hexdigest()[:16]
    return f"{len(data_set.entries)} pictures in {data_set.folder.resolve()}, names {digest}"


def _read_made_of(path: Path) -> dict[str, dict[str, str]]:
    try:
        held: Any = json.loads(path.read_text(encoding="utf8"))
        return {
            str(what): {str(name): str(part) for name, part in parts.items()} for what, parts in held.items()
        }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise system_error(path, error) from error
    except (ValueError, AttributeError) as error:
        raise file_error(path, "says no more what the run was made of: choose another folder") from error
