"""The commands that make a place of a photograph, their options and their help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from openmidas.cli.options import HELP, PATH, one_line_errors
from openmidas.cli.photo_options import OF_DEPTH, OF_PLACE, OUTPUT, OVERWRITE, PHOTO, side, source_in


@click.command(short_help="Make a place of a photo: 3D model, views from elsewhere.", context_settings=HELP)
@PHOTO
@click.option("-o", "--output", metavar="DIR", type=PATH, help="Where the files go.  [default: beside PHOTO]")
@click.option(
    "--format",
    "formats",
    metavar="LIST",
    default="glb,views,reach",
    show_default=True,
    help="Any of glb, views, reach, obj, ply, points, npz, colmap, with commas between.",
)
@OF_PLACE
@side(1024, "the picture that the place is made of")
@OVERWRITE
def scene(**options: Any) -> None:
    """Make a place of PHOTO: a textured 3D model, views from elsewhere, and how far the camera may go.

    One photo tells no metres: state --near and --far, else they are assumed, and what was assumed is said. The views
    go as far as the camera may, and one goes too far.

    \b
    Examples:
      openmidas scene photo.jpg
      openmidas scene photo.jpg --near 0.5 --far 4 --fov 65
      openmidas scene photo.jpg --depth photo_depth.npz --format glb,points -o place
    """
    with one_line_errors():
        from openmidas.cli.scene import make_scene

        source = source_in(options)
        click.echo(
            make_scene(source, options["output"], options["formats"], options["side"], options["overwrite"])
        )


@click.command(short_help="Make a film of a photo, the camera moving.", context_settings=HELP)
@PHOTO
@click.option(
    "-o", "--output", metavar="OUT", type=PATH, help=".mp4, .webm, .gif, .webp, or a folder of PNGs."
)
@click.option(
    "--path",
    metavar="NAME",
    help="circle, swing, dolly-zoom, ken-burns or wiggle.  [default: circle; GIF, WebP: wiggle]",
)
@click.option("--seconds", metavar="S", type=click.FloatRange(0, 600, min_open=True), help="How long.")
@click.option("--fps", metavar="N", type=click.FloatRange(0, 240, min_open=True), help="Frames a second.")
@click.option(
    "--reach",
    metavar="SHARE",
    type=click.FloatRange(0, min_open=True),
    default=0.7,
    show_default=True,
    help="How much to use of how far the camera may go.",
)
@click.option("--move", metavar="METRES", type=click.FloatRange(0), help="Go so far instead.")
@click.option(
    "--pivot",
    metavar="METRES",
    type=click.FloatRange(0, min_open=True),
    help="Depth that holds still.  [default: the middle's]",
)
@OF_PLACE
@side(1280, "the film")
@OVERWRITE
def clip(**options: Any) -> None:
    """Make a film of PHOTO in which the camera moves, as far as the scene holds together.

    \b
    Examples:
      openmidas clip photo.jpg
      openmidas clip photo.jpg -o photo.gif
      openmidas clip photo.jpg --path dolly-zoom --seconds 3 --side 960
    """
    with one_line_errors():
        from openmidas.cli.scene import Clip, make_clip

        source, output = source_in(options), options.pop("output")
        click.echo(make_clip(source, output, Clip(**options)))


@click.command(short_help="Make a stereo picture of a photo.", context_settings=HELP)
@PHOTO
@OUTPUT
@click.option(
    "--layout",
    metavar="NAME",
    default="side-by-side",
    show_default=True,
    help="See below.",
)
@click.option(
    "--divergence",
    metavar="PERCENT",
    type=click.FloatRange(0, 20),
    default=2.5,
    show_default=True,
    help="How far apart the eyes see the nearest, in percent of the width.",
)
@click.option(
    "--convergence",
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="What lies on the screen: 0 the farthest, 1 the nearest.",
)
@OF_DEPTH
@OVERWRITE
def stereo(photo: Path, depth: Path | None, model: str, **options: Any) -> None:
    """Make two views of PHOTO, for two eyes. Needs no metres.

    NAME is side-by-side, side-by-side-half, top-bottom, top-bottom-half, cross-eyed; red-cyan anaglyph (of Dubois),
    anaglyph-gray, anaglyph-colour, anaglyph-half-colour; left, right; or rgbd, picture and depth.

    \b
    Examples:
      openmidas stereo photo.jpg
      openmidas stereo photo.jpg --layout anaglyph --divergence 2
    """
    with one_line_errors():
        from openmidas.cli.place import Source
        from openmidas.cli.scene import make_stereo

        click.echo(make_stereo(Source(photo, depth, model), **options))


@click.command(short_help="Draw a figure of photos, depth and new views.", context_settings=HELP)
@click.argument("photos", metavar="PHOTO...", type=PATH, nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=PATH,
    default=Path("figure.png"),
    show_default=True,
    help=".png or .pdf",
)
@click.option("--model", metavar="NAME", default="tiny", show_default=True, help="The network that predicts.")
@side(1024, "each picture")
@OVERWRITE
def figure(photos: Sequence[Path], output: Path, model: str, side: int, overwrite: bool) -> None:
    """Draw picture, depth and a new view of every PHOTO, and below them its views, the last too far.

    \b
    Examples:
      openmidas figure a.jpg b.jpg
      openmidas figure a.jpg -o article.pdf
    """
    with one_line_errors():
        from openmidas.cli.place import Source
        from openmidas.cli.scene import make_figure

        click.echo(make_figure([Source(photo, None, model) for photo in photos], output, side, overwrite))
