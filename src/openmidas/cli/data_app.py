"""The commands `data check` and `data render`: options and help; what the first does stands in data.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from openmidas.cli import FAILED
from openmidas.cli.options import HELP, PATH, one_line_errors


@click.group(short_help="Look at data sets before training on them, or render one.", context_settings=HELP)
def data() -> None:
    """Look at data sets before training on them, or render one.

    \b
    Examples:
      openmidas data check NYU --layout nyu_train -o sheet.png
      openmidas data render rendered --count 2000
    """


@data.command(short_help="Say what of a set is there, and draw samples of it.", context_settings=HELP)
@click.argument("root", metavar="ROOT", type=PATH)
@click.option(
    "--layout", metavar="NAME", required=True, help="What ROOT is: nyu_train, hypersim, manifest, rendered …"
)
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


@data.command(short_help="Fill a folder with rendered pictures and their depth.", context_settings=HELP)
@click.argument("folder", metavar="OUT", type=PATH)
@click.option(
    "--count",
    metavar="N",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Pictures in all, those already there included.",
)
@click.option(
    "--textures",
    metavar="DIR",
    type=PATH,
    help="Photographs to cover surfaces with; without, pictures are made up.",
)
@click.option(
    "--seed", metavar="N", type=click.IntRange(0), default=0, show_default=True, help="Of what is rendered."
)
def render(folder: Path, count: int, textures: Path | None, seed: int) -> None:
    """Render rooms, streets, tables, clutter and open country into the folder OUT, each with its exact depth.

    Picture N of a seed is the same whatever the count. Stop it when you like: the same command goes on. A folder holds
    pictures of one seed and of the same textures.

    \b
    Examples:
      openmidas data render rendered --count 2000
      openmidas data render rendered --textures holiday
    """
    with one_line_errors():
        from openmidas.cli.progress import progress_bar
        from openmidas.training.synthetic.folder import render_folder

        click.echo(f"{folder}: {render_folder(folder, count, seed, textures, progress_bar)} new pictures")
