"""The command `data`: options and help; what it does stands in data.py."""

from __future__ import annotations

from typing import Any

import click

from openmidas.cli import FAILED
from openmidas.cli.options import HELP, PATH, one_line_errors


@click.group(short_help="Look at data sets before training on them.", context_settings=HELP)
def data() -> None:
    """Look at data sets before training on them.

    \b
    Example:
      openmidas data check NYU --layout nyu_train -o sheet.png
    """


@data.command(short_help="Say what of a set is there, and draw samples of it.", context_settings=HELP)
@click.argument("root", metavar="ROOT", type=PATH)
@click.option("--layout", metavar="NAME", required=True, help="What ROOT is: nyu_train, hypersim, manifest …")
@click.option(
    "-o", "--output", metavar="FILE", type=PATH, help="Draw a dozen samples with their truth: sheet.png."
)
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Pictures to read, evenly spread; files are looked for of all.",
)
def check(**options: Any) -> None:
    """Say how much of the set in the folder ROOT is there, what is missing or spoilt, and what its numbers mean.

    A sheet shows pictures beside their truth, near bright: a wrong unit, a mask upside down or depth taken for
    disparity are seen there at once. docs/datasets.md has the layouts; manifest is a table of your own.

    \b
    Examples:
      openmidas data check NYU --layout nyu_train
      openmidas data check HYPERSIM --layout hypersim -o sheet.png --sample 500
    """
    with one_line_errors():
        from openmidas.cli.data import Request, check_set

        all_there = check_set(Request(**options))
    raise SystemExit(0 if all_there else FAILED)
