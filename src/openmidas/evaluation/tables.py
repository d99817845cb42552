"""Figures of a run beside the published ones: as a table to print, and as numbers to keep."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from openmidas.evaluation.published import PUBLISHED, published_row, trained_on
from openmidas.evaluation.run import DataSet, Figures

BASELINE = "midas_v21_small_256"
HIGHER_IS_BETTER = (
    *("δ<1.25", "δ<1.25²", "δ<1.25³"),
    *("boundary precision", "boundary recall", "boundary F1"),
)
_DIGITS = {"% δ>1.25": 2, "δ<1.25": 3}
_NONE = "–"
_WIDTH = 110


@dataclass(frozen=True)
class Line:
    """A network's figures: by short name of the set, then by metric.

    pictures: by set, those that the figures stand on; of a published line those that the papers say, if they do.
    failures: by set, the pictures that could not count.
    trained_on: sets, by short name, that the figures are not zero-shot on.
    better: by how many percent the first metric is better than the baseline's, mean over all sets shown;
    zero_shot_better: the same over the sets that no network shown was trained on. None where a figure is missing.
    """

    name: str
    is_published: bool
    figures: Mapping[str, Mapping[str, float]]
    pictures: Mapping[str, int | None]
    failures: Mapping[str, int]
    trained_on: Sequence[str]
    better: float | None = None
    zero_shot_better: float | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """Lines in the order of the contestants, each before its published one.

    baseline: the name of the line that the others are compared with, and whether that is a published one.
    zero_shot: the short names of the sets that no network shown was trained on, as far as is known.
    """

    protocol: str
    sets: Sequence[DataSet]
    lines: Sequence[Line]
    baseline: tuple[str, bool]
    zero_shot: Sequence[str]


def compare(
    protocol: str,
    sets: Sequence[DataSet],
    contestants: Sequence[str],
    figures: Mapping[tuple[str, str], Figures],
) -> Table:
    """Everybody's figures beside the published ones of the same network, and how they compare.

    The baseline is MiDaS v2.1 small as published, where the protocol's papers give it, else the first contestant.
    """
    own = [_own_line(sets, name, figures) for name in contestants]
    pairs = [(line, _published_line(protocol, sets, line.name)) for line in own]
    lines = [line for pair in pairs for line in pair if line is not None]
    baseline = _published_line(protocol, sets, BASELINE) or lines[0]
    known = {name for line in lines for name in line.trained_on}
    zero_shot = [data_set.name for data_set in sets if data_set.name not in known]
    compared = [
        replace(
            line,
            better=_better(line, baseline, sets),
            zero_shot_better=_better(line, baseline, [s for s in sets if s.name in zero_shot]),
        )
        for line in lines
    ]
    return Table(protocol, sets, compared, (baseline.name, baseline.is_published), zero_shot)


def summary(table: Table) -> dict[str, Any]:
    """The table as it goes into JSON."""
    name, is_published = table.baseline
    return {
        "protocol": table.protocol,
        "baseline": {"name": name, "is_published": is_published},
        "zero_shot": list(table.zero_shot),
        "sets": {
            data_set.name: {
                "title": data_set.rule.set_name,
                "metrics": list(data_set.rule.metrics),
                "pictures": len(data_set.entries),
                "published_pictures": data_set.rule.pictures,
            }
            for data_set in table.sets
        },
        "lines": [asdict(line) for line in table.lines],
    }


def printed(table: Table) -> str:
    """The table in columns, what it says in words, and where published figures come from."""
    sets = table.sets
    rows = [
        (table.protocol, *(s.rule.set_name for s in sets), *_relative_titles(table)),
        ("", *(" / ".join(s.rule.metrics) + " " for s in sets), "better", "better"),
    ]
    for line in table.lines:
        rows.append((f"{line.name}, published" if line.is_published else line.name, *_cells(line, sets)))
        if not line.is_published:
            rows.append(("  pictures", *(_standing_on(line, data_set) for data_set in sets), "", ""))
    return "\n".join([*aligned(rows), "", *_notes(table)])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns: the first to the left, the others, numbers, to the right."""
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [name.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, others, strict=True))]
        ).rstrip()
        for name, *cells in rows
    ]


def figure_text(metric: str, value: float) -> str:
    """With the digits that are published of the metric, without a zero before the point."""
    return f"{value:.{_DIGITS.get(metric, 4)}f}".removeprefix("0")


def _own_line(sets: Sequence[DataSet], name: str, figures: Mapping[tuple[str, str], Figures]) -> Line:
    own = {data_set.name: figures[name, data_set.name] for data_set in sets}
    return Line(
        name,
        False,
        {set_name: dict(f.means) for set_name, f in own.items()},
        {set_name: f.pictures for set_name, f in own.items()},
        {set_name: f.failures for set_name, f in own.items()},
        _short_names(trained_on(_network(name)), sets),
    )


def _published_line(protocol: str, sets: Sequence[DataSet], name: str) -> Line | None:
    row = published_row(protocol, _network(name))
    if row is None:
        return None
    figures = {data_set.name: dict(row.figures.get(data_set.rule.set_name, {})) for data_set in sets}
    pictures = {data_set.name: data_set.rule.pictures for data_set in sets}
    return Line(row.name, True, figures, pictures, {}, _short_names(row.trained_on, sets))


def _network(contestant: str) -> str:
    """The network that a contestant is by its name: an exported one has it as well."""
    return contestant.removesuffix(".onnx")


def _short_names(titles: Iterable[str], sets: Sequence[DataSet]) -> list[str]:
    return [data_set.name for data_set in sets if data_set.rule.set_name in titles]


def _better(line: Line, baseline: Line, sets: Sequence[DataSet]) -> float | None:
    parts = [_better_on(line, baseline, data_set) for data_set in sets]
    known = [part for part in parts if part is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(parts) else None


def _better_on(line: Line, baseline: Line, data_set: DataSet) -> float | None:
    """Percent; None where a figure is missing or the baseline's is 0."""
    metric = data_set.rule.metrics[0]
    value, other = line.figures[data_set.name].get(metric), baseline.figures[data_set.name].get(metric)
    if value is None or not other:
        return None
    change = 100 * (value / other - 1)
    return change if metric in HIGHER_IS_BETTER else -change


def _relative_titles(table: Table) -> tuple[str, str]:
    count = len(table.sets)
    return "the set" if count == 1 else f"all {count}", f"zero-shot {len(table.zero_shot)}"


def _cells(line: Line, sets: Sequence[DataSet]) -> list[str]:
    relative = (_percent(line.better), _percent(line.zero_shot_better))
    return [*(_cell(line, data_set) for data_set in sets), *relative]


def _cell(line: Line, data_set: DataSet) -> str:
    """With room for the star."""
    figures = line.figures[data_set.name]
    texts = [figure_text(m, figures[m]) if m in figures else _NONE for m in data_set.rule.metrics]
    return " / ".join(texts) + ("*" if data_set.name in line.trained_on else " ")


def _standing_on(line: Line, data_set: DataSet) -> str:
    return f"{line.pictures[data_set.name]} of {data_set.rule.pictures or len(data_set.entries)} "


def _percent(better: float | None) -> str:
    return _NONE if better is None else f"{better:+.1f} %"


def _notes(table: Table) -> list[str]:
    name, is_published = table.baseline
    metrics = {metric for data_set in table.sets for metric in data_set.rule.metrics}
    higher = sorted(metrics & set(HIGHER_IS_BETTER))
    zero_shot = ", ".join(s.rule.set_name for s in table.sets if s.name in table.zero_shot)
    than = f"{name}, published" if is_published else name
    text = (
        f"Lower is better{f', of {higher[0]} higher' if higher else ''}; * trained on that set. Pictures: those that a "
        "figure stands on, of those that papers measure on, or that were asked for. Better: than "
        f"{than}, in percent of it, by a set's first metric, mean over the sets; zero-shot: over those that no "
        f"network shown was trained on, as far as is known: {zero_shot or 'none'}."
    )
    notes = textwrap.wrap(text, _WIDTH)
    if any(line.is_published for line in table.lines) or is_published:
        notes.append(f"Published: {PUBLISHED[table.protocol].source}.")
    return notes
