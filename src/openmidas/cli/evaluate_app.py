"""The commands that measure: options and help of `evaluate` and `check`."""

from __future__ import annotations

from typing import Any

import click

from openmidas.cli import FAILED
from openmidas.cli.options import HELP, PATH, one_line_errors


@click.command(short_help="Measure networks on data sets, beside published figures.", context_settings=HELP)
@click.option(
    "--model",
    metavar="LIST",
    default="tiny",
    show_default=True,
    help="Networks, file.onnx, module:function, folders of predictions (FOLDER@ENCODING); commas between.",
)
@click.option("--data", metavar="LIST", help="SET=FOLDER, with commas between; see --list.")
@click.option("--protocol", metavar="NAME", default="midas-2020", show_default=True, help="See --list.")
@click.option(
    "-o", "--output", metavar="RUN", type=PATH, help="Folder to keep the run in, and to go on from."
)
@click.option("--report", metavar="FILE", type=PATH, help="Also write a page to look at, such as page.html.")
@click.option(
    "--jobs", metavar="N", type=click.IntRange(1, 256), help="Pictures at a time.  [default: one a core]"
)
@click.option("--limit", metavar="N", type=click.IntRange(1), help="Only the first N pictures of each set.")
@click.option("--device", metavar="NAME", default="cpu", show_default=True, help="As in predict.")
@click.option("--list", "listed", is_flag=True, help="Print protocols, sets and published figures.")
def evaluate(listed: bool, **options: Any) -> None:
    """Measure networks on pictures with known depth, beside the published figures of the same protocol.

    What cannot be measured is named and counted, never averaged. With -o RUN the same command goes on where it
    stopped.

    \b
    Examples:
      openmidas evaluate --list
      openmidas evaluate --model tiny,dpt_large_384 --data nyu=NYU,kitti=KITTI -o run
      openmidas evaluate --model ready@metres --data measured=DIR --protocol measured
    """
    with one_line_errors():
        from openmidas.cli.evaluate import Request, describe_protocols, evaluate_all

        if listed:
            click.echo(describe_protocols())
            return
        all_done = evaluate_all(Request(**options))
    raise SystemExit(0 if all_done else FAILED)


@click.command(short_help="Show where the network disagrees with itself.", context_settings=HELP)
@click.argument("picture", metavar="IN", type=PATH)
@click.option(
    "-o", "--output", metavar="DIR", type=PATH, help="Where the files go.  [default: beside the picture]"
)
@click.option("--npz", is_flag=True, help="Write the disagreement as numbers, too: NAME_check.npz.")
@click.option(
    "--model",
    metavar="NAME",
    default="tiny",
    show_default=True,
    help="The network: see openmidas models, or an exported file.onnx.",
)
@click.option(
    "--size",
    metavar="PIXELS",
    type=click.IntRange(32, 2048),
    help="Side of the picture at the network.  [default: the network's own]",
)
@click.option("--device", metavar="NAME", default="cpu", show_default=True, help="As in predict.")
def check(**options: Any) -> None:
    """Show where the network disagrees with itself about a picture: NAME_check.png, and a line of numbers.

    The picture is shown to it whole, in parts, smaller and in the mirror. Where its answers differ, one is wrong.

    \b
    Examples:
      openmidas check photo.jpg
      openmidas check photo.jpg --npz -o checks --model dpt_large_384
    """
    with one_line_errors():
        from openmidas.cli.check import Request, check_picture

        click.echo(check_picture(Request(**options)))
