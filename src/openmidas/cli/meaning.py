"""What the command line says about the numbers of a depth file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import Encoding, encoding_named
from openmidas.files import read_depth, read_diode, read_eth3d, read_middlebury, read_numbers

DATA_SETS: dict[str, Callable[[Path], DepthMap]] = {
    "eth3d": read_eth3d,
    "diode": read_diode,
    "middlebury": read_middlebury,
}
_BITS = {"uint8": 8, "uint16": 16, "uint32": 32}


@dataclass(frozen=True)
class Meaning:
    """encoding: a name that `encoding_named` knows, or eth3d, diode, middlebury. near, far: metres."""

    encoding: str | None = None
    near: float | None = None
    far: float | None = None
    bits: int | None = None
    shape: str | None = None


def read_as(path: Path, meaning: Meaning) -> DepthMap:
    """The depth map in a file, by what the command line says of it, else by what the file says itself.

    Raises FileError, ConventionError, and click.UsageError for a shape that is none.
    """
    if meaning.shape is not None and meaning.encoding != "eth3d":
        raise click.UsageError("--shape is for files without header: use it with --from eth3d")
    if meaning.encoding == "eth3d" and meaning.shape is not None:
        return read_eth3d(path, size_in("--shape", meaning.shape))
    if meaning.encoding in DATA_SETS:
        return DATA_SETS[meaning.encoding](path)
    return read_depth(path, None if meaning.encoding is None else _encoding(path, meaning))


def check_name(option: str, name: str | None, known: Sequence[str]) -> None:
    """click.UsageError, listing what there is, for a name that the option does not know."""
    if name is not None and name not in known:
        raise click.UsageError(f"{option} has no {name!r}: there are {', '.join(known)}")


def spoken(word: str) -> str:
    """A quantity or an ambiguity as people write it: affine-invariant, inverse depth."""
    return word.replace("inverse_depth", "inverse depth").replace("_", "-")


def has_planes(name: str | None) -> bool:
    """Whether the encoding is defined by near and far planes."""
    if name is None or name in DATA_SETS:
        return False
    with contextlib.suppress(ConventionError):
        return encoding_named(name, near=1, far=2).near is not None
    return False


def _encoding(path: Path, meaning: Meaning) -> Encoding:
    name = meaning.encoding or ""
    if not has_planes(name):
        return encoding_named(name)
    stored = read_numbers(path).codes.dtype.name
    # whole numbers have the bits of their type, but 24 of them come in 32
    bits = meaning.bits if meaning.bits == 24 and stored == "uint32" else _BITS.get(stored)
    return encoding_named(name, meaning.near, meaning.far, bits)


def size_in(option: str, text: str) -> tuple[int, int]:
    """Height and width as the option has them; click.UsageError for what is no size."""
    match = re.fullmatch(r"(\d{1,6})[x×,](\d{1,6})", text)
    if match is None:
        raise click.UsageError(f"{option} is HEIGHTxWIDTH, such as 384x512, not {text!r}")
    return int(match[1]), int(match[2])
