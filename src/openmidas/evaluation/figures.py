"""The charts of a report: drawn once by matplotlib, as SVG for the page and as PNG beside it."""

from __future__ import annotations

import io
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from openmidas.files.errors import FilePath, missing_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# of middle brightness, to be seen on white and on black; the dashes tell them apart without colours
COLOURS = ("#2f7fd1", "#d9730d", "#2a9d6f", "#a259c4", "#cf4457", "#8a7a1f")
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (2, 2)))

_SIZE_INCHES = (4.8, 3.2)
_DOTS_PER_INCH = 150
_STEPS = 201
_NAME_LETTERS = 32
_Numbers = Float[np.ndarray, " n"]
# Stands for what is the page's own: the colour of its text, by day and by night.
_INK = "#010203"
_SETTINGS: dict[Any, Any] = {
    "font.size": 10,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "openmidas",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK),
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Chart:
    """A chart as SVG without a background, to stand inside a page, and as PNG on white."""

    svg: str
    png: bytes


def check_charts(path: FilePath) -> None:
    """FileError where there is nothing to draw charts for `path` with."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_extra(path, "a report", "scene") from error


def distribution_chart(scores: Mapping[str, Sequence[float]], metric: str, title: str) -> Chart:
    """By contestant, the share of pictures (up) whose score is at most so much (right)."""
    with _axes() as (figure, axes):
        for number, (name, values) in enumerate(scores.items()):
            shares = np.linspace(0, 1, min(_STEPS, len(values) + 1))
            at_most = np.quantile(values, shares, method="inverted_cdf")
            axes.step(at_most, shares, where="post", **_style(number, name))
        axes.set(xlabel=f"{metric} of a picture", ylabel="share of pictures up to it", ylim=(0, 1.02))
        return _chart(figure, title)


def distance_chart(errors: Mapping[str, tuple[_Numbers, _Numbers]], title: str) -> Chart:
    """By contestant, true depths in metres (right) and the mean |z - z*| / z* there (up)."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

    with _axes() as (figure, axes):
        for number, (name, (depths, means)) in enumerate(errors.items()):
            axes.plot(depths, means, marker="o", markersize=3.5, **_style(number, name))
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda depth, _: f"{depth:g}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set(xlabel="true depth (m)", ylabel="mean error of depth")
        axes.set_ylim(bottom=0)
        return _chart(figure, title)


@contextmanager
def _axes() -> Iterator[tuple[Figure, Axes]]:
    """To draw in without a screen, and without leaving matplotlib's settings changed."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS), warnings.catch_warnings():
        # names in letters that the font has not are boxes in the PNG; the page shows them
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
        axes = figure.subplots()
        axes.grid(alpha=0.25, color=_INK, linewidth=0.6)
        yield figure, axes


def _style(number: int, name: str) -> dict[str, Any]:
    # behind a space even a name that begins with "_" gets into the legend
    short = name if len(name) <= _NAME_LETTERS else f"{name[: _NAME_LETTERS - 1]}…"
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "label": f" {short}",
    }


def _chart(figure: Figure, title: str) -> Chart:
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    drawn, painted = io.StringIO(), io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(drawn, format="svg", transparent=True, metadata=nothing)
    figure.savefig(painted, format="png", facecolor="white", metadata={"Software": None})
    return Chart(_for_a_page(drawn.getvalue(), title), painted.getvalue())


def _for_a_page(svg: str, title: str) -> str:
    """Only the element, with a name to be read out, in the page's font and ink, its parts named as no other's are."""
    element = svg[svg.index("<svg") :]
    # a style sheet in one drawing would hold for the whole page
    element = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", element, flags=re.DOTALL)
    element = re.sub(r"font-family: [^;\"]*", "font-family: inherit", element)
    element = re.sub(r"<!--.*?-->\s*", "", element, flags=re.DOTALL)
    element = re.sub(r' (xmlns(:xlink)?|version|width|height)="[^"]*"', "", element, count=5)
    parts = f"{zlib.crc32(title.encode()):08x}-"
    element = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{parts}", element)
    return element.replace(_INK, "currentColor").replace(
        "<svg", f'<svg role="img" aria-label="{escape(title)}"', 1
    )
