"""The page of a report: plain HTML, every text escaped, every picture inside it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

import cv2
import numpy as np
from jaxtyping import UInt8

from openmidas.evaluation.examples import ByDistance
from openmidas.evaluation.figures import Chart
from openmidas.evaluation.panels import Panel, Scale
from openmidas.evaluation.protocols import PROTOCOLS, Rule
from openmidas.evaluation.published import PUBLISHED
from openmidas.evaluation.run import DataSet, Row
from openmidas.evaluation.tables import HIGHER_IS_BETTER, Line, Table, figure_text

_NAMED_FAILURES = 50
_JPEG_QUALITY = 82
_TICKS = 3
_NONE = "–"


@dataclass(frozen=True, eq=False)
class Example:
    """A picture to show, or the line that says why it cannot be shown. word: best, median or worst."""

    word: str
    score: float
    name: str
    panels: Sequence[Panel]
    failure: str | None


@dataclass(frozen=True, eq=False)
class Shown:
    """What of a contestant on a set was measured once more."""

    contestant: str
    examples: Sequence[Example]
    distances: ByDistance


@dataclass(frozen=True, eq=False)
class SetPart:
    """A set's part of the page. scores: by contestant, the first metric of every picture that counts."""

    data_set: DataSet
    scores: Mapping[str, Sequence[float]]
    shown: Sequence[Shown]
    distribution: Chart | None
    distance: Chart | None


def page(table: Table, parts: Sequence[SetPart], failures: Sequence[Row]) -> str:
    """The whole page. failures: the rows that no figure stands on."""
    sections = [
        ("table", "Table", _table(table)),
        *((f"set-{n}", part.data_set.rule.set_name, _set(part)) for n, part in enumerate(parts)),
        ("failures", "Failures", _failures(failures)),
    ]
    own = sum(not line.is_published for line in table.lines)
    lead = (
        f"{PROTOCOLS[table.protocol].title}. {_count(own, 'contestant')} on {_count(len(parts), 'set')}. "
        "Errors are of depth, after the fit that the protocol has; every figure says how many pictures it stands on."
    )
    template = (files("openmidas.evaluation") / "report.html").read_text(encoding="utf8")
    return Template(template).substitute(
        title=escape(f"Depth evaluation: {table.protocol}"),
        lead=escape(lead),
        links="".join(f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title, _ in sections),
        main="\n".join(
            f'<section aria-labelledby="{key}"><h2 id="{key}">{escape(title)}</h2>\n{body}\n</section>'
            for key, title, body in sections
        ),
    )


def _table(table: Table) -> str:
    over = (
        "the set" if len(table.sets) == 1 else f"all {len(table.sets)} sets",
        f"{len(table.zero_shot)} zero-shot",
    )
    titles = [(s.rule.set_name, " / ".join(s.rule.metrics)) for s in table.sets] + [
        ("better", text) for text in over
    ]
    heads = [f'<th scope="col">{escape(title)}<small>{escape(small)}</small></th>' for title, small in titles]
    lines = "\n".join(_line(line, table.sets) for line in table.lines)
    return (
        f'<div class="scroll" role="region" aria-label="Table of figures" tabindex="0"><table>\n'
        f'<thead><tr><th scope="col">{escape(table.protocol)}</th>{"".join(heads)}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody></table></div>\n{_notes(table)}"
    )


def _line(line: Line, sets: Sequence[DataSet]) -> str:
    cells = [_cell(line, data_set) for data_set in sets]
    cells += [_NONE if b is None else f"{b:+.1f} %" for b in (line.better, line.zero_shot_better)]
    words, kind = (", as published", "published") if line.is_published else ("", "own")
    return (
        f'<tr class="{kind}"><th scope="row">{escape(line.name)}{words}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
    )


def _cell(line: Line, data_set: DataSet) -> str:
    figures = line.figures[data_set.name]
    texts = [figure_text(m, figures[m]) if m in figures else _NONE for m in data_set.rule.metrics]
    star = "*" if data_set.name in line.trained_on else ""
    pictures = line.pictures[data_set.name]
    standing = _NONE if pictures is None else f"{pictures:,}"
    if not line.is_published:
        standing += f" of {data_set.rule.pictures or len(data_set.entries):,}"
    return f"{' / '.join(texts)}{star}<small>{standing}</small>"


def _notes(table: Table) -> str:
    metrics = {metric for data_set in table.sets for metric in data_set.rule.metrics}
    higher = sorted(metrics & set(HIGHER_IS_BETTER))
    name, is_published = table.baseline
    zero_shot = [data_set.rule.set_name for data_set in table.sets if data_set.name in table.zero_shot]
    notes = [
        f"Lower is better{f', of {higher[0]} higher' if higher else ''}. An asterisk: trained on that set, so no "
        "zero-shot figure. Small: how many pictures the figure stands on, of those that papers measure on, or that "
        "were asked for.",
        f"Better: than {name}{', as published' if is_published else ''}, in percent of it, by the first metric of a "
        "set, mean over the sets; zero-shot: over those that no network shown was trained on, as far as is known"
        f" ({', '.join(zero_shot) or 'none'}).",
    ]
    if any(line.is_published for line in table.lines) or is_published:
        notes.append(f"Published: {PUBLISHED[table.protocol].source}.")
    return "\n".join(f'<p class="soft">{escape(note)}</p>' for note in notes)


def _set(part: SetPart) -> str:
    if not part.scores:
        return "<p>No picture of this set could count: see the failures.</p>"
    side = "right" if part.data_set.rule.metrics[0] in HIGHER_IS_BETTER else "left"
    pictures = [shown.distances.pictures for shown in part.shown]
    charts = [
        _chart(part.distribution, f"Every picture counts once: a curve farther to the {side} is better"),
        _chart(
            part.distance,
            f"Mean |z − z*| / z* by true depth, over {_count(max(pictures, default=0), 'picture')} taken at even "
            "steps from the best to the worst of the first contestant, the same for all",
        ),
    ]
    looks = "\n".join(_shown(shown, part.data_set, n == 0) for n, shown in enumerate(part.shown))
    return f'{_spread_table(part)}\n<div class="charts">{"".join(charts)}</div>\n{looks}'


def _spread_table(part: SetPart) -> str:
    metric = part.data_set.rule.metrics[0]
    columns: Mapping[str, Callable[[Sequence[float]], float]] = {
        "mean of pictures": np.mean,
        "lowest": min,
        "median": np.median,
        "95th percentile": lambda values: np.percentile(values, 95),
        "highest": max,
    }
    heads = "".join(f'<th scope="col">{title}</th>' for title in ("pictures", *columns))
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{len(values)}</td>'
        + "".join(f"<td>{figure_text(metric, float(of(values)))}</td>" for of in columns.values())
        + "</tr>"
        for name, values in part.scores.items()
    ]
    title = f"{part.data_set.rule.set_name}: {metric} of single pictures"
    return (
        f'<div class="scroll" role="region" aria-label="{escape(title)}" tabindex="0"><table>'
        f"<caption>{escape(title)}</caption>"
        f'<thead><tr><th scope="col">contestant</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _chart(chart: Chart | None, caption: str) -> str:
    if chart is None:
        return ""
    return f"<figure>{chart.svg}<figcaption>{escape(caption)}.</figcaption></figure>\n"


def _shown(shown: Shown, data_set: DataSet, is_open: bool) -> str:
    examples = "\n".join(_example(example, data_set.rule.metrics[0]) for example in shown.examples)
    words = ", ".join(example.word for example in shown.examples)
    return (
        f"<details{' open' if is_open else ''}><summary>{escape(shown.contestant)}: {words}</summary>\n"
        f'<p class="soft">{_legend(data_set.rule)}</p>\n{examples}\n</details>'
    )


def _legend(rule: Rule) -> str:
    if rule.alignment == "none" and "WHDR" in rule.metrics:
        return "White is the point that people called the nearer, black the farther."
    alone = " Here each picture is fitted alone; in the table, whole films." if rule.fit == "group" else ""
    return (
        "Depth after the fit, in the same colours for prediction and target; slate gray is not known or does not "
        f"count. Error of depth: red is too far away, blue too near.{alone}"
    )


def _example(example: Example, metric: str) -> str:
    title = (
        f"<h3>{example.word.capitalize()}: {escape(example.name)}, "
        f"{escape(metric)} {figure_text(metric, example.score)}</h3>"
    )
    if example.failure is not None:
        return f"{title}\n<p>It cannot be shown: {escape(example.failure)}</p>"
    panels = "".join(_panel(panel, f"{example.word}, {example.name}") for panel in example.panels)
    return f'{title}\n<div class="panels">{panels}</div>'


def _panel(panel: Panel, of: str) -> str:
    height, width = panel.pixels.shape[:2]
    return (
        f'<figure><img src="{_inlined(panel.pixels)}" width="{width}" height="{height}" '
        f'alt="{escape(f"{panel.title} of {of}")}">'
        f"{'' if panel.scale is None else _bar(panel.scale)}<figcaption>{escape(panel.title)}</figcaption></figure>"
    )


def _bar(scale: Scale) -> str:
    colours = ", ".join(f"rgb{colour}" for colour in scale.colours)
    ticks = "".join(f"<span>{escape(label)}</span>" for _, label in scale.ticks(_TICKS))
    return (
        f'<div class="bar" style="background: linear-gradient(90deg, {colours})"></div>'
        f'<div class="ticks soft">{ticks}</div>'
    )


def _inlined(pixels: UInt8[np.ndarray, "_ _ 3"]) -> str:
    _, encoded = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def _failures(failures: Sequence[Row]) -> str:
    """Counted by contestant and set, and the first of them named."""
    if not failures:
        return "<p>None: every picture counts.</p>"
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in failures:
        groups.setdefault((row.contestant, row.set_name), []).append(row)
    return "<p>No figure stands on these.</p>\n" + "\n".join(
        f"<h3>{escape(contestant)} on {escape(set_name)}: {_count(len(rows), 'picture')}</h3>\n{_named(rows)}"
        for (contestant, set_name), rows in groups.items()
    )


def _named(rows: Sequence[Row]) -> str:
    items = [
        f"<li><strong>{escape(row.name)}</strong>: {escape(row.failure or '')}</li>"
        for row in rows[:_NAMED_FAILURES]
    ]
    if len(rows) > _NAMED_FAILURES:
        items.append(f"<li>and {len(rows) - _NAMED_FAILURES} more, named in the run's results.jsonl</li>")
    return f"<ul>{''.join(items)}</ul>"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
