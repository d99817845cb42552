"""A run as one page to look at: it stands alone, without scripts, and asks nothing of any other file or host."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from openmidas.evaluation.contestants import Contestant
from openmidas.evaluation.examples import (
    NOTHING,
    ByDistance,
    by_distance,
    ordinal_panels,
    panels,
    ranked,
    spread,
)
from openmidas.evaluation.figures import check_charts, distance_chart, distribution_chart
from openmidas.evaluation.page import Example, SetPart, Shown, page
from openmidas.evaluation.panels import Panel, side_by_side
from openmidas.evaluation.run import DataSet, Row
from openmidas.evaluation.scoring import fit
from openmidas.evaluation.tables import HIGHER_IS_BETTER, Table
from openmidas.files.atomic import write_bytes
from openmidas.files.errors import system_error
from openmidas.files.images import read_image
from openmidas.files.png import encode_png
from openmidas.models.batch import one_line
from openmidas.training.datasets.entry import Entry, OrdinalPairs

_Scores = Mapping[str, Sequence[tuple[str, float]]]
"""By contestant, the names of pictures and their scores by the set's first metric."""


def write_report(
    path: Path,
    table: Table,
    rows: Iterable[Row],
    contestants: Sequence[Contestant],
    advance: Callable[[], None] = lambda: None,
) -> None:
    """Write the page, and its figures as PNG into the folder STEM_figures beside it.

    rows: of the run that the table is of. contestants: its own; each predicts a handful of pictures of a set again.
    advance: called once for every contestant on every set.
    A picture that can no longer be read is named on the page. Raises FileError, also where matplotlib is missing.
    """
    check_charts(path)
    own = _own_rows(table, rows)
    folder = path.with_name(f"{path.stem}_figures")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_error(folder, error) from error
    parts = []
    for data_set in table.sets:
        part = _set_part(data_set, _scores(data_set, own, contestants), contestants, advance)
        _write_figures(folder, part)
        parts.append(part)
    failures = [row for row in own if row.failure is not None]
    write_bytes(path, page(table, parts, failures).encode("utf8", "surrogateescape"))


def _own_rows(table: Table, rows: Iterable[Row]) -> list[Row]:
    """Those that the table stands on: a run may hold more."""
    names = {data_set.name: {entry.name for entry in data_set.entries} for data_set in table.sets}
    contestants = {line.name for line in table.lines if not line.is_published}
    return [row for row in rows if row.name in names.get(row.set_name, ()) and row.contestant in contestants]


def _scores(data_set: DataSet, rows: Iterable[Row], contestants: Sequence[Contestant]) -> _Scores:
    scores: dict[str, list[tuple[str, float]]] = {contestant.name: [] for contestant in contestants}
    for row in rows:
        if row.set_name == data_set.name and row.scores is not None:
            scores[row.contestant].append((row.name, row.scores[data_set.rule.metrics[0]]))
    return {name: values for name, values in scores.items() if values}


def _set_part(
    data_set: DataSet, scores: _Scores, contestants: Sequence[Contestant], advance: Callable[[], None]
) -> SetPart:
    metric, title = data_set.rule.metrics[0], data_set.rule.set_name
    distances = _for_distances(scores)
    shown = []
    for contestant in contestants:
        if contestant.name in scores:
            shown.append(_shown(contestant, data_set, scores[contestant.name], distances))
        advance()
    values = {name: [value for _, value in pairs] for name, pairs in scores.items()}
    by_depth = {part.contestant: part.distances.means() for part in shown if part.distances.pictures}
    return SetPart(
        data_set,
        values,
        shown,
        distribution_chart(values, metric, f"{title}: {metric} by share of pictures") if values else None,
        distance_chart(by_depth, f"{title}: error of depth by true depth") if by_depth else None,
    )


def _for_distances(scores: _Scores) -> list[str]:
    """Pictures that stand for the set, the same for all: from the first contestant's best to its worst."""
    if not scores:
        return []
    common = set.intersection(*({name for name, _ in pairs} for pairs in scores.values()))
    first = next(iter(scores.values()))
    return spread([(name, score) for name, score in first if name in common])


def _shown(
    contestant: Contestant,
    data_set: DataSet,
    scores: Sequence[tuple[str, float]],
    for_distances: Sequence[str],
) -> Shown:
    """Every picture is predicted once, and none is kept but in its panels."""
    higher = data_set.rule.metrics[0] in HIGHER_IS_BETTER
    words = {name: (word, score) for word, (name, score) in ranked(scores, higher).items()}
    entries = {entry.name: entry for entry in data_set.entries}
    examples, distances = [], NOTHING
    for name in dict.fromkeys([*words, *for_distances]):
        try:
            seen, errors = _again(contestant, data_set, entries[name])
            failure = None
        except Exception as error:  # as in the run: whatever goes wrong is the picture's
            seen, errors, failure = [], NOTHING, one_line(entries[name].image, error)
        if name in words:
            examples.append(Example(*words[name], name, seen, failure))
        if name in for_distances:
            distances += errors
    return Shown(contestant.name, examples, distances)


def _again(contestant: Contestant, data_set: DataSet, entry: Entry) -> tuple[list[Panel], ByDistance]:
    """The picture's panels and its errors by distance, of targets in metres."""
    prediction, target = contestant.predict(data_set.name, entry), entry.read_target()
    image = read_image(entry.image)
    if isinstance(target, OrdinalPairs):
        return ordinal_panels(image, prediction, target), NOTHING
    fitted = fit(prediction, target, data_set.rule)
    distances = by_distance(fitted) if target.ambiguity == "metric" else NOTHING
    return panels(image, fitted, target, data_set.rule.crop), distances


def _write_figures(folder: Path, part: SetPart) -> None:
    """SET_distribution.png, SET_distance.png, and SET_NUMBER_CONTESTANT_best.png and so on."""
    name = part.data_set.name
    for kind, chart in (("distribution", part.distribution), ("distance", part.distance)):
        if chart is not None:
            write_bytes(folder / f"{name}_{kind}.png", chart.png)
    for number, shown in enumerate(part.shown, 1):
        word = re.sub(r"[^\w.-]+", "_", shown.contestant)[:60]
        for example in shown.examples:
            if example.panels:
                strip = side_by_side(example.panels, example.panels[0].pixels.shape[0])
                write_bytes(folder / f"{name}_{number}_{word}_{example.word}.png", encode_png(strip))
