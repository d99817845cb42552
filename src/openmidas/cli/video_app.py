"""The command for films, its options and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from openmidas.cli.options import HELP, PATH, one_line_errors
from openmidas.cli.photo_options import OVERWRITE


@click.command(short_help="Make the film of a film's depth.", context_settings=HELP)
@click.argument("film", metavar="FILM", type=PATH)
@click.option(
    "-o", "--output", metavar="OUT", type=PATH, help="File, or folder of PNGs.  [default: FILM_depth]"
)
@click.option(
    "--format",
    "formats",
    metavar="LIST",
    help="One of mp4, webm, gif, webp, and png16 (16-bit numbers).  [default: mp4, or as OUT has it]",
)
@click.option("--side-by-side", is_flag=True, help="Show the film to the left of its depth.")
@click.option("--model", metavar="NAME", default="tiny", show_default=True, help="The network that predicts.")
@click.option(
    "--size",
    metavar="PIXELS",
    type=click.IntRange(32, 2048),
    help="Side of the picture at the network.  [default: the network's own]",
)
@click.option(
    "--colormap",
    metavar="NAME",
    default="inferno",
    show_default=True,
    help="Colours: inferno, magma, turbo or gray.",
)
@OVERWRITE
def video(film: Path, **options: Any) -> None:
    """Make the film of FILM's depth: near is bright, and what stands still keeps its colour.

    FILM is MP4, MOV, MKV, WebM, AVI or GIF. MP4 keeps the sound. Of a film of any length only a few frames are in
    memory. One scale and shift hold for the whole film, as far as they can be told; the numbers have no unit.

    \b
    Examples:
      openmidas video film.mp4
      openmidas video film.mp4 --side-by-side -o both.webm
      openmidas video film.mp4 --format mp4,png16
    """
    with one_line_errors():
        from openmidas.cli.video import Request, convert

        click.echo(convert(Request(film, **options)))
