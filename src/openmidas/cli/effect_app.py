"""The commands of `openmidas effect`, their options and their help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openmidas.cli.options import HELP, PATH, one_line_errors
from openmidas.cli.photo_options import OF_PLACE, OUTPUT, OVERWRITE, PHOTO, source_in, with_options

if TYPE_CHECKING:
    from openmidas.cli.effects import Target
    from openmidas.cli.place import Source


@click.group(short_help="Fog, blur, light, slices: what depth does to a photo.", context_settings=HELP)
def effect() -> None:
    """Fog, blur, new light, normal maps, slices of depth, pictures laid in.

    A place in depth is metres, as 2.5m, or a share of nearness: 0 is the farthest pixel, 1 the nearest.

    \b
    Examples:
      openmidas effect fog photo.jpg --visibility 8
      openmidas effect blur photo.jpg --focus 0.9
    """


_EFFECT = with_options(OF_PLACE, OUTPUT, OVERWRITE)
_TARGET = ("output", "overwrite")


def _source_and_target(options: dict[str, Any]) -> tuple[Source, Target]:
    from openmidas.cli.effects import Target

    return source_in(options), Target(**{name: options.pop(name) for name in _TARGET})


@effect.command(short_help="Fog that thickens with distance.", context_settings=HELP)
@PHOTO
@click.option(
    "--visibility",
    metavar="METRES",
    type=click.FloatRange(0, min_open=True),
    required=True,
    help="Of what is so far away, 5 % is seen.",
)
@_EFFECT
def fog(visibility: float, **options: Any) -> None:
    """Lay even fog over PHOTO, thicker with distance.

    \b
    Example:
      openmidas effect fog photo.jpg --visibility 8
    """
    with one_line_errors():
        from openmidas.cli import effects

        click.echo(effects.fog(*_source_and_target(options), visibility))


@effect.command(short_help="Depth of field: sharp at one depth.", context_settings=HELP)
@PHOTO
@click.option(
    "--focus", metavar="DEPTH", default="1", show_default=True, help="Where it is sharp: 2.5m, or a share."
)
@click.option(
    "--radius",
    metavar="PERCENT",
    type=click.FloatRange(0, 10),
    default=1.0,
    show_default=True,
    help="Of the longer side: how far it blurs at most.",
)
@_EFFECT
def blur(focus: str, radius: float, **options: Any) -> None:
    """Blur PHOTO as a wide lens would, sharp at one depth.

    \b
    Examples:
      openmidas effect blur photo.jpg --focus 0.9
      openmidas effect blur photo.jpg --focus 2.5m --near 1 --far 20
    """
    with one_line_errors():
        from openmidas.cli import effects

        click.echo(effects.blur(*_source_and_target(options), focus, radius))


@effect.command(short_help="New light on the scene.", context_settings=HELP)
@PHOTO
@click.option(
    "--from",
    "direction",
    metavar="SIDE",
    default="left",
    show_default=True,
    help="left, right, above, below, front.",
)
@click.option(
    "--ambient",
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    default=0.4,
    show_default=True,
    help="Light that comes from everywhere.",
)
@_EFFECT
def relight(direction: str, ambient: float, **options: Any) -> None:
    """Light PHOTO from another side.

    \b
    Example:
      openmidas effect relight photo.jpg --from right
    """
    with one_line_errors():
        from openmidas.cli import effects

        click.echo(effects.relight(*_source_and_target(options), direction, ambient))


@effect.command(short_help="A normal map.", context_settings=HELP)
@PHOTO
@click.option(
    "--convention",
    metavar="NAME",
    default="opengl",
    show_default=True,
    help="opengl (green is up) or directx (down).",
)
@click.option(
    "--bits", type=click.Choice(["8", "16"]), default="8", show_default=True, help="Of each colour."
)
@_EFFECT
def normals(convention: str, bits: str, **options: Any) -> None:
    """Make the normal map of PHOTO: which way its surfaces face, as a PNG.

    \b
    Example:
      openmidas effect normals photo.jpg --convention directx
    """
    with one_line_errors():
        from openmidas.cli import effects

        click.echo(effects.normals(*_source_and_target(options), convention, int(bits)))


@effect.command("slice", short_help="What lies between two depths.", context_settings=HELP)
@PHOTO
@click.option("--between", metavar="NEAR,FAR", required=True, help="1m,3m or shares of nearness: 0.6,1.")
@click.option(
    "--soft",
    metavar="WIDTH",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Over which the ends fade.",
)
@_EFFECT
def cut_slice(between: str, soft: float, **options: Any) -> None:
    """Cut out of PHOTO what lies between two depths; the rest is transparent.

    \b
    Examples:
      openmidas effect slice photo.jpg --between 0.6,1
      openmidas effect slice photo.jpg --between 1m,3m --near 1 --far 10
    """
    with one_line_errors():
        from openmidas.cli import effects

        click.echo(effects.cut_slice(*_source_and_target(options), between, soft))


@effect.command(short_help="Lay a picture or a mesh into the scene.", context_settings=HELP)
@PHOTO
@click.argument("thing", type=PATH)
@click.option("--at", metavar="DEPTH", required=True, help="How deep: 2.5m, or a share of nearness.")
@click.option(
    "--centre", metavar="X,Y", default="0.5,0.5", show_default=True, help="In shares of width and height."
)
@click.option(
    "--scale",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Of what is laid in.",
)
@_EFFECT
def insert(thing: Path, at: str, centre: str, scale: float, **options: Any) -> None:
    """Lay THING into PHOTO: a PNG with transparency, or a mesh (GLB, OBJ, PLY, STL); what is nearer stays before it.

    \b
    Example:
      openmidas effect insert photo.jpg badge.png --at 0.5 --centre 0.3,0.6
      openmidas effect insert photo.jpg chair.glb --at 2m --near 1 --far 6
    """
    with one_line_errors():
        from openmidas.cli import effects

        click.echo(effects.insert(*_source_and_target(options), thing, effects.Spot(at, centre, scale)))
