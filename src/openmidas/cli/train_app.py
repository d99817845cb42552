"""The command `train` with its options and its help; what it does stands in train.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from openmidas.cli.options import HELP, PATH, one_line_errors


@click.command(short_help="Train a network by a recipe.", context_settings=HELP)
@click.argument("recipe", metavar="RECIPE")
@click.option(
    "-o", "--output", metavar="RUN", type=PATH, help="The run's folder.  [default: the recipe's name]"
)
@click.option(
    "--data",
    metavar="NAME=FOLDER,…",
    multiple=True,
    help="Where the recipe's sets lie; those without a folder are left out.",
)
@click.option("--network", metavar="NAME", help="Another network than the recipe's (see openmidas models).")
@click.option("--steps", metavar="N", type=click.IntRange(1), help="Another length than the recipe's.")
@click.option(
    "--batch", metavar="N", type=click.IntRange(1), help="At most N pictures a step, for less memory."
)
@click.option("--mixing", metavar="NAME", help="naive or pareto.  [default: the recipe's]")
@click.option(
    "--seed", metavar="N", type=click.IntRange(0), help="Another draw of everything than the recipe's."
)
@click.option(
    "--start", metavar="FILE", type=PATH, help="A run's last.pt or best.pt, or a checkpoint, to begin with."
)
@click.option(
    "--encoder",
    metavar="FILE",
    type=PATH,
    help="Encoder to begin with, as published, or of a checkpoint.",
)
@click.option(
    "--measured",
    metavar="[LAYOUT=]DIR,…",
    multiple=True,
    help="Sets with measured depth, to find the best; of the layout measured, or as data check knows them.",
)
@click.option("--device", metavar="NAME", default="cpu", show_default=True, help="cpu or cuda.")
@click.option(
    "--precision",
    metavar="NAME",
    default="float32",
    show_default=True,
    help="Of the arithmetic: float32, bfloat16 or float16; weights stay in float32.",
)
def train(
    recipe: str, output: Path | None, data: Sequence[str], measured: Sequence[str], **wanted: Any
) -> None:
    """Train a network by RECIPE; its folder RUN gets checkpoints, log, pictures and the network.

    Stop it when you like, even with kill -9: the same command goes on from its last checkpoint. On several GPUs, or
    processors, start it with torchrun.

    \b
    RECIPE is a file of your own, NAME.json (docs/training.md), or one of
      smoke          minutes on a CPU, on worlds made while it trains; needs no data
      tiny           how the network in the package was made
      midas-2020     five sets, Pareto mixing (Ranftl et al., TPAMI 2022)
      dpt-2021       ten sets (Ranftl et al., ICCV 2021)

    \b
    Examples:
      openmidas train smoke -o run
      openmidas train tiny --data photos=holiday,labels=labels --encoder mobilenet.pth
      openmidas train midas-2020 --data redweb=RW --encoder ig101.pth --measured nyu=NYU
      openmidas train mine.json --data diw=DIW,kitti=KITTI --encoder lite3.pth
      torchrun --no-python --nproc-per-node 8 openmidas train midas-2020 \\
        --data redweb=ReDWeb_V1,wsvd=WSVD --encoder resnext101.pth --device cuda
    """
    with one_line_errors():
        from openmidas.cli.train import train_aloud

        train_aloud(recipe, output or Path(Path(recipe).stem), data, measured, wanted)
