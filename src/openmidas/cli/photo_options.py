"""The options of commands that take a photograph with its depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from openmidas.cli.options import PATH

if TYPE_CHECKING:
    from openmidas.cli.place import Source

Command = Callable[..., None]


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """The options in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


PHOTO = click.argument("photo", type=PATH)
OUTPUT = click.option(
    "-o", "--output", metavar="OUT", type=PATH, help="File to write.  [default: beside PHOTO]"
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace what exists.")
OF_DEPTH = with_options(
    click.option("--depth", metavar="FILE", type=PATH, help="A depth map of it.  [default: predicted]"),
    click.option(
        "--model", metavar="NAME", default="tiny", show_default=True, help="The network that predicts."
    ),
)
OF_PLACE = with_options(
    OF_DEPTH,
    click.option(
        "--near",
        metavar="METRES",
        type=float,
        help="Distance of the nearest pixel.  [default: 1, and says so]",
    ),
    click.option(
        "--far",
        metavar="METRES",
        type=float,
        help="Distance of the farthest pixel.  [default: estimated, or usual]",
    ),
    click.option(
        "--fov",
        metavar="DEGREES",
        type=float,
        help="What the longer side spans.  [default: EXIF, estimated, or usual]",
    ),
    click.option("--sky", is_flag=True, help="Look for sky, and put it far away."),
)
_SOURCE = ("photo", "depth", "model", "near", "far", "fov", "sky")


def source_in(options: dict[str, Any]) -> Source:
    """Take the options that say what the photograph is out of the others."""
    from openmidas.cli.place import Source

    return Source(**{name: options.pop(name) for name in _SOURCE if name in options})


def side(default: int, what: str) -> Callable[[Command], Command]:
    help_text = f"Longer side of {what}, at most."
    return click.option(
        "--side",
        metavar="PIXELS",
        type=click.IntRange(64, 8192),
        default=default,
        show_default=True,
        help=help_text,
    )
