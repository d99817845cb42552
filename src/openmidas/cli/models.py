"""`openmidas models`: the published networks in a table, and their weights onto the disk."""

from __future__ import annotations

from collections.abc import Sequence

import click

from openmidas.cli.meaning import check_name
from openmidas.cli.progress import byte_bar
from openmidas.evaluation.published import METRICS, NETWORKS, Network, PublishedScores, published_scores
from openmidas.evaluation.tables import aligned, figure_text
from openmidas.files.errors import FileError
from openmidas.models.presets import PRESETS
from openmidas.models.weights import CHECKPOINTS, Checkpoint, fetch, weights_folder, weights_path

_TITLES = ("name", "M par", "GMAC", "input", "licence", *METRICS, "cached")
_LEGEND = (
    "GMAC: thousand million multiply-adds at square input. Input: pixels, sq = square only.\n"
    "Published errors, lower is better: DIW WHDR; ETH3D and Sintel AbsRel; TUM, KITTI and NYU % δ>1.25;\n"
    "* trained on that set."
)


def describe_models() -> str:
    """The table of the published networks, what its columns mean, and where the weights lie."""
    rows = [_TITLES, *(_row(checkpoint) for checkpoint in CHECKPOINTS.values())]
    shipped = ", ".join(name for name in PRESETS if name not in CHECKPOINTS)
    places = f"Weights lie in {weights_folder()}; in the package itself: {shipped}."
    return "\n".join([*aligned(rows), "", _LEGEND, places])


def download_models(names: Sequence[str], offline: bool) -> bool:
    """Fetch and check the weights of each, saying where they lie; False when some failed.

    Raises click.UsageError for an unknown name before anything is fetched.
    """
    for name in names:
        check_name("NAME", name, tuple(CHECKPOINTS))
    done = [_download(CHECKPOINTS[name], offline) for name in dict.fromkeys(names)]
    return all(done)


def _download(checkpoint: Checkpoint, offline: bool) -> bool:
    try:
        with byte_bar(checkpoint.name) as show:
            path = fetch(checkpoint, offline, show)
    except FileError as error:
        click.echo(f"Error: {error}", err=True)
        return False
    click.echo(f"{checkpoint.name}: {path}")
    return True


def _row(checkpoint: Checkpoint) -> tuple[str, ...]:
    network, scores = NETWORKS[checkpoint.name], published_scores(checkpoint.name)
    return (
        checkpoint.name,
        f"{network.parameters / 1e6:.1f}",
        "–" if network.gmac is None else f"{network.gmac:g}",
        _input(network),
        checkpoint.licence,
        *(_error(scores, name) for name in METRICS),
        "yes" if weights_path(checkpoint).is_file() else "no",
    )


def _input(network: Network) -> str:
    if network.side_px is None:
        return "–"
    return f"{network.side_px} sq" if network.square else str(network.side_px)


def _error(scores: PublishedScores | None, set_name: str) -> str:
    """With room for the star."""
    if scores is None:
        return "– "
    star = "*" if set_name in scores.trained_on else " "
    return figure_text(METRICS[set_name], scores.errors[set_name]) + star
