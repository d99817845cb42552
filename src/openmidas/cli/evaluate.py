"""`openmidas evaluate`: what to measure on what, measuring it, and the table beside the published one."""

from __future__ import annotations

import contextlib
import json
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from openmidas.cli import STOPPED, leave
from openmidas.cli.meaning import check_name
from openmidas.cli.progress import byte_bar, progress_bar
from openmidas.evaluation.contestants import Contestant, contestant_named
from openmidas.evaluation.figures import check_charts
from openmidas.evaluation.protocols import PROTOCOLS, Protocol, Rule
from openmidas.evaluation.published import PUBLISHED, PublishedRow
from openmidas.evaluation.run import (
    RESULTS,
    DataSet,
    evaluate,
    figures,
    first,
    open_run,
    read_rows,
    read_set,
    remaining,
)
from openmidas.evaluation.tables import Table, aligned, compare, figure_text, printed, summary
from openmidas.files.atomic import write_bytes
from openmidas.files.errors import FileError
from openmidas.models.batch import default_jobs, threads_each
from openmidas.models.predictor import DEVICES

SUMMARY = "summary.json"
_NAMED_FAILURES = 10
_WIDTH = 110


@dataclass(frozen=True)
class Request:
    """The options of the command line, by their names."""

    model: str
    data: str | None
    protocol: str
    output: Path | None
    report: Path | None
    jobs: int | None
    limit: int | None
    device: str


def evaluate_all(request: Request) -> bool:
    """Measure, print the table and name what failed; False when something did.

    Raises click.UsageError for names that there are not, FileError, and click.ClickException for a contestant that
    cannot be loaded.
    """
    check_name("--protocol", request.protocol, tuple(PROTOCOLS))
    check_name("--device", request.device, DEVICES)
    if request.data is None:
        raise click.UsageError("--data is needed, such as nyu=FOLDER; --list says what there is")
    if request.report is not None:
        check_charts(request.report)  # now, not after hours
    rules = PROTOCOLS[request.protocol].rules
    whole = [read_set(name, rules[name], folder) for name, folder in _folders(request.data, rules).items()]
    sets = whole if request.limit is None else [first(data_set, request.limit) for data_set in whole]
    at_once = request.jobs or default_jobs(sum(len(data_set.entries) for data_set in sets))
    contestants = _contestants(request.model, threads_each(at_once), request.device)
    with _run_folder(request.output) as folder:
        open_run(folder, request.protocol, contestants, whole)
        _measure(folder, contestants, sets, at_once)
        names = [contestant.name for contestant in contestants]
        table = compare(request.protocol, sets, names, figures(read_rows(folder), names, sets))
        text = json.dumps(summary(table), indent=1, ensure_ascii=False)
        write_bytes(folder / SUMMARY, text.encode())
        click.echo(printed(table))
        if request.report is not None:
            _report(request.report, table, folder, contestants)
        return _say_what_failed(folder, table, request.output)


def describe_protocols() -> str:
    """Every protocol with its sets and rules, then the published figures and where they come from."""
    return "\n\n".join(_described(name, protocol) for name, protocol in PROTOCOLS.items())


def _measure(folder: Path, contestants: Sequence[Contestant], sets: Sequence[DataSet], at_once: int) -> None:
    """Ends the process when it is interrupted."""
    tasks = remaining(folder, contestants, sets)
    wanted, left = (sum(len(part.entries) for part in parts) for parts in (sets, tasks))
    if left < wanted:
        click.echo(f"{wanted - left} of {wanted} pictures done before.")
    try:
        with (
            progress_bar(left, "Evaluating") as advance,
            contextlib.closing(evaluate(folder, tasks, at_once)) as done,
        ):
            for task in done:
                for _ in task.entries:
                    advance()
    except KeyboardInterrupt:
        leave("Stopped. With -o RUN, what is done stays and the same command goes on from here.", STOPPED)


@contextlib.contextmanager
def _run_folder(output: Path | None) -> Iterator[Path]:
    """Where the run lies: nowhere for long, if nobody asked for it."""
    if output is not None:
        yield output
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _report(path: Path, table: Table, folder: Path, contestants: Sequence[Contestant]) -> None:
    from openmidas.evaluation.report import write_report  # what draws is loaded for who wants a page

    with progress_bar(len(contestants) * len(table.sets), "Drawing") as advance:
        write_report(path, table, read_rows(folder), contestants, advance)
    click.echo(f"Wrote {path}.")


def _folders(text: str, rules: Mapping[str, Rule]) -> dict[str, Path]:
    """`nyu=PATH,kitti=PATH` as folders by the short name of the set."""
    folders = {}
    for part in text.split(","):
        name, equals, path = part.strip().partition("=")
        if not (equals and path):
            raise click.UsageError(f"--data is SET=FOLDER, with commas between, not {part!r}")
        check_name("--data", name, tuple(rules))
        folders[name] = Path(path)
    return folders


def _contestants(text: str, threads: int, device: str) -> list[Contestant]:
    contestants: dict[str, Contestant] = {}
    for word in (part.strip() for part in text.split(",")):
        contestant = _contestant(word, threads, device)
        if contestant.name in contestants:
            raise click.UsageError(f"--model has two of the name {contestant.name}: rename one")
        contestants[contestant.name] = contestant
    return list(contestants.values())


def _contestant(word: str, threads: int, device: str) -> Contestant:
    try:
        with byte_bar(word) as show:
            return contestant_named(word, threads, device, show)
    except FileError:
        raise
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _say_what_failed(folder: Path, table: Table, output: Path | None) -> bool:
    """Names those of the table that could not count; True when there are none."""
    count = sum(sum(line.failures.values()) for line in table.lines)
    if count == 0:
        return True
    shown = {
        (line.name, s.name, entry.name) for line in table.lines for s in table.sets for entry in s.entries
    }
    failed = [row for row in read_rows(folder) if row.failure is not None and row.key in shown]
    click.echo(f"{count} failed, and no figure stands on them:", err=True)
    for row in failed[:_NAMED_FAILURES]:
        click.echo(f"  {row.contestant}, {row.set_name} {row.name}: {row.failure}", err=True)
    if count > _NAMED_FAILURES:
        place = (
            "with -o RUN all are named there" if output is None else f"all are named in {output / RESULTS}"
        )
        click.echo(f"  and {count - _NAMED_FAILURES} more: {place}", err=True)
    return False


def _described(name: str, protocol: Protocol) -> str:
    titles = ("set", "pictures", "measured by", "fitted in", "depth counts", "clamped to")
    rows = [titles, *(_rule_row(key, rule) for key, rule in protocol.rules.items())]
    lines = [f"{name}: {protocol.title}", *_indented(aligned(rows))]
    for text in (f"Source: {protocol.source}.", protocol.notes):
        lines += textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    published = PUBLISHED.get(name)
    if published is not None:
        sets = list(dict.fromkeys(name for row in published.rows for name in row.figures))
        lines += [f"  Published ({published.source}; * trained on that set):"]
        lines += _indented(aligned([("", *sets), *(_published_cells(row, sets) for row in published.rows)]))
    return "\n".join(lines)


def _rule_row(name: str, rule: Rule) -> tuple[str, ...]:
    pictures = "any" if rule.pictures is None else str(rule.pictures)
    fitted = {"none": "nothing: order only"}.get(rule.alignment, rule.alignment.replace("_", " "))
    counts = "all" if (rule.min_m, rule.max_m) == (0, float("inf")) else f"{rule.min_m:g} to {rule.max_m:g} m"
    cap = "–" if rule.cap_m is None else f"{rule.cap_m:g} m"
    return f"{name} ({rule.set_name})", pictures, " / ".join(rule.metrics), fitted, counts, cap


def _published_cells(row: PublishedRow, sets: Sequence[str]) -> tuple[str, ...]:
    cells = []
    for name in sets:
        texts = [figure_text(metric, value) for metric, value in row.figures.get(name, {}).items()]
        cells.append((" / ".join(texts) or "–") + ("*" if name in row.trained_on else " "))
    return row.name, *cells


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]
