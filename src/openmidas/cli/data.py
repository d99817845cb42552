"""`openmidas data check`: how much of a set is on disk, what its numbers mean, and a sheet of samples to look at."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import click
import cv2
import numpy as np
from jaxtyping import UInt8

from openmidas.cli.meaning import check_name, spoken
from openmidas.cli.progress import progress_bar
from openmidas.depth_map import DepthMap
from openmidas.evaluation.panels import Panel, side_by_side
from openmidas.evaluation.run import spread
from openmidas.files.atomic import write_bytes
from openmidas.files.errors import file_error
from openmidas.files.heatmap import to_heatmap
from openmidas.files.png import encode_png
from openmidas.models.batch import default_jobs, one_line
from openmidas.training.annotations import ANNOTATIONS, Kind, Sample, move, sample_of
from openmidas.training.datasets.entry import Entry, OrdinalPairs, Target
from openmidas.training.datasets.layouts import LAYOUTS, Layout
from openmidas.training.held import list_kinect, list_rendered

_LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        **LAYOUTS,
        "kinect": Layout(list_kinect, None, "metric_depth"),
        "rendered": Layout(list_rendered, None, "rendered"),
    }
)
_NAMED = 10
_ON_SHEET, _IN_ROW = 12, 3
_HEIGHT_PX, _WIDTH_PX = 180, 270
_LONGEST_NAME = 24
_PAIRS_DRAWN = 12
_LINE_RGB, _NEAR_RGB, _FAR_RGB, _EQUAL_RGB = (255, 255, 255), (249, 203, 53), (87, 16, 110), (150, 150, 150)
# of the first and the second point, by their relation
_PAIR_RGB = {1: (_NEAR_RGB, _FAR_RGB), -1: (_FAR_RGB, _NEAR_RGB), 0: (_EQUAL_RGB, _EQUAL_RGB)}
_PERCENTILES = (5, 50, 95)

_Picture = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True)
class Request:
    """The options of the command line, by their names."""

    root: Path
    layout: str
    output: Path | None
    sample: int


@dataclass(frozen=True, eq=False)
class _Look:
    """What one picture showed. valid, sky: shares of its pixels. metres: percentiles of its depth, where it has any."""

    meaning: str
    valid: float | None = None
    sky: float = 0.0
    metres: np.ndarray | None = None
    panels: tuple[Panel, ...] = ()


def check_set(request: Request) -> bool:
    """Say what is there, what is missing, what the numbers mean; False when something is missing or unreadable.

    Raises FileError, click.UsageError for a layout that there is not.
    """
    check_name("--layout", request.layout, tuple(_LAYOUTS))
    if request.output is not None and request.output.suffix.lower() != ".png":
        raise file_error(request.output, "a sheet is written as .png: name it so")
    layout = _LAYOUTS[request.layout]
    entries = layout.read(request.root)
    click.echo(f"{request.layout} in {request.root}: {_counted(len(entries), layout.pictures)}.")
    absent = _absent(entries)
    whole = [entry for entry in entries if entry.name not in absent]
    read = spread(whole, request.sample)
    looks, failures = _looks(read, request.output is not None)
    if looks:
        click.echo("\n".join(_summary(layout.kind, looks)))
    drawn = [look.panels for look in looks if look.panels]
    if request.output is not None and drawn:
        write_bytes(request.output, encode_png(_sheet(drawn)))
        click.echo(f"Wrote {request.output}.")
    missing = [line for lines in absent.values() for line in lines]
    _name(missing, f"{len(absent)} of {len(entries)} lack a file:")
    _name(failures, f"{len(failures)} of the {len(read)} that were read are spoilt:")
    return not (missing or failures)


def _counted(count: int, published: int | None) -> str:
    there = _pictures(count)
    if published is None:
        return there
    if published % 1000 == 0:
        return f"{there} of about {published:,} that were published"
    return (
        f"{there}, all that were published" if count == published else f"{there} of {published:,} published"
    )


def _absent(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Of every picture that lacks a file, which; no file is opened."""
    absent: dict[str, list[str]] = {}
    with progress_bar(len(entries), "Looking for files") as advance:
        for entry in entries:
            for path in entry.files:
                if not os.path.exists(path):
                    absent.setdefault(entry.name, []).append(f"{path}: no such file")
            advance()
    return absent


def _looks(entries: Sequence[Entry], draw: bool) -> tuple[list[_Look], list[str]]:
    """What the pictures show, and a line for each that cannot be read; a dozen come drawn, if that is wanted."""
    drawn = {entry.name for entry in spread(entries, _ON_SHEET)} if draw else set()
    looks: list[_Look] = []
    failures: list[str] = []
    with (
        progress_bar(len(entries), "Reading") as advance,
        ThreadPoolExecutor(default_jobs(len(entries))) as pool,
    ):
        for found in pool.map(lambda entry: _look(entry, entry.name in drawn), entries):
            if isinstance(found, _Look):
                looks.append(found)
            else:
                failures.append(found)
            advance()
    return looks, failures


def _look(entry: Entry, draw: bool) -> _Look | str:
    try:
        image, target = entry.read_image(), entry.read_target()
        sample = sample_of(replace(entry, read_target=lambda: target, unpack_image=lambda: image))
    except Exception as error:  # whatever is wrong with a file is for the list, and must not hide the others
        return one_line(entry.image, error)
    look = _measured(target)
    return replace(look, panels=_panels(entry.name, look, sample)) if draw else look


def _measured(target: Target) -> _Look:
    if isinstance(target, OrdinalPairs):
        return _Look("ordinal pairs")
    meaning = f"{spoken(target.ambiguity)} {spoken(target.quantity)}"
    valid = float(target.valid.mean())
    if target.ambiguity == "affine_invariant":
        return _Look(meaning, valid)
    depth = target.to_depth().values
    sky = float(np.isposinf(depth).mean())
    known = depth[np.isfinite(depth)]
    metres = np.percentile(known, _PERCENTILES) if target.ambiguity == "metric" and known.size else None
    return _Look(meaning, valid, sky, metres)


def _summary(kind: Kind | None, looks: Sequence[_Look]) -> list[str]:
    meanings = Counter(look.meaning for look in looks)
    shown = ", ".join(f"{name} ({count})" if len(meanings) > 1 else name for name, count in meanings.items())
    lines = [f"Truth: {shown}; {_pictures(len(looks))} read."]
    if kind is not None:
        lines.append(
            f"Annotation: {kind.replace('_', ' ')}; the loss that suits it: {ANNOTATIONS[kind].loss}."
        )
    shares = [look.valid for look in looks if look.valid is not None]
    if shares:
        sky = float(np.mean([look.sky for look in looks if look.valid is not None]))
        span = f"from {_percent(min(shares))} to {_percent(max(shares))}"
        seen = f"; {_percent(sky)} are sky" if sky else ""
        lines.append(f"Valid: {_percent(float(np.mean(shares)))} of the pixels ({span}){seen}.")
        empty = shares.count(0)
        if empty:
            lines.append(f"No pixel is valid in {_pictures(empty)}: nothing is learnt from these.")
    metres = [look.metres for look in looks if look.metres is not None]
    if metres:
        near, middle, far = (_metres(value) for value in np.median(metres, axis=0))
        lines.append(f"Depth: in the middle picture {near} to {far}, half of it below {middle}.")
    return lines


def _pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"


def _metres(value: float) -> str:
    return f"{value:,.0f} m" if value >= 100 else f"{value:.3g} m"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _name(lines: Sequence[str], heading: str) -> None:
    if not lines:
        return
    click.echo(heading, err=True)
    for line in lines[:_NAMED]:
        click.echo(f"  {line}", err=True)
    if len(lines) > _NAMED:
        click.echo(f"  and {len(lines) - _NAMED} more", err=True)


def _panels(name: str, look: _Look, sample: Sample) -> tuple[Panel, ...]:
    """The picture and its truth, in the size of the sheet: near is bright."""
    height, width = sample.image.shape[:2]
    shrink = max(1.0, height / _HEIGHT_PX, width / _WIDTH_PX)
    size = max(1, round(height / shrink)), max(1, round(width / shrink))
    small = move(sample, np.array([[width / size[1], 0, 0], [0, height / size[0], 0]]), size)
    title = name if len(name) <= _LONGEST_NAME else f"...{name[3 - _LONGEST_NAME :]}"
    if small.pairs is not None:
        truth = Panel("bright is nearer", _with_pairs(small.image, small.pairs))
    else:
        target = DepthMap.from_values(small.target, "inverse_depth", small.ambiguity, small.valid)
        truth = Panel(f"{100 * (look.valid or 0):.0f} % valid", to_heatmap(target))
    return Panel(title, small.image), truth


def _with_pairs(image: _Picture, pairs: OrdinalPairs) -> _Picture:
    """Lines from point to point, the nearer one bright, the farther one dark."""
    drawn = image.copy()
    for n in range(min(_PAIRS_DRAWN, len(pairs.relation))):
        first, second = ((int(column), int(row)) for row, column in (pairs.first[n], pairs.second[n]))
        cv2.line(drawn, first, second, _LINE_RGB, 1, cv2.LINE_AA)
        for point, colour in zip((first, second), _PAIR_RGB[int(pairs.relation[n])], strict=True):
            cv2.circle(drawn, point, 5, _LINE_RGB, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(drawn, point, 4, colour, cv2.FILLED, cv2.LINE_AA)
    return drawn


def _row(samples: Sequence[tuple[Panel, ...]]) -> _Picture:
    panels = [panel for sample in samples for panel in sample]
    return side_by_side(panels, min(panel.pixels.shape[0] for panel in panels))


def _sheet(samples: Sequence[tuple[Panel, ...]]) -> _Picture:
    """Rows of pictures, each beside its truth, on white."""
    rows = [_row(samples[n : n + _IN_ROW]) for n in range(0, len(samples), _IN_ROW)]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, [(0, 0), (0, width - row.shape[1]), (0, 0)], constant_values=255) for row in rows]
    return np.concatenate(padded)
