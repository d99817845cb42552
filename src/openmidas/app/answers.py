"""What a worker gives for a request: bytes, and headers that say what they mean; and which kind was asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from openmidas.app.problems import Problem
from openmidas.files.errors import FileError


@dataclass(frozen=True)
class Answer:
    """name: under which a browser saves it; never one that a client sent."""

    content: bytes
    media_type: str
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Kind(NamedTuple):
    """A kind of answer: its media type, and the suffix by which the package writes it."""

    media_type: str
    suffix: str


PNG, JPEG, WEBP = Kind("image/png", ".png"), Kind("image/jpeg", ".jpg"), Kind("image/webp", ".webp")
JSON = Kind("application/json", ".json")


def written(suffix: str, write: Callable[[Path], None]) -> bytes:
    """The bytes of the file that `write` makes, in a folder of its own in the working folder; raises ValueError."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / f"answer{suffix}"
        try:
            write(path)
        except FileError as error:  # whoever asked knows of no such file
            raise ValueError(str(error).removeprefix(f"{path}: ")) from error
        return path.read_bytes()


def chosen_kind(kinds: Mapping[str, Kind], asked_as: str | None, accept: str) -> str:
    """The name of the kind that `?as=` names, else the one that Accept prefers, the first for anything.

    Raises Problem where there is none such. RFC 9110, section 12.5.1.
    """
    if asked_as is not None:
        if asked_as not in kinds:
            raise Problem("not_acceptable", f"as is one of {', '.join(kinds)}, not {asked_as!r:.40}")
        return asked_as
    for media_range in _by_preference(accept):
        for name, kind in kinds.items():
            if _matches(media_range, kind.media_type):
                return name
    known = ", ".join(f"{kind.media_type} ({name})" for name, kind in kinds.items())
    raise Problem("not_acceptable", f"nothing that Accept names can be had here: there are {known}")


def _by_preference(accept: str) -> list[str]:
    """The media ranges of an Accept header that have any weight, the heaviest first."""
    weighted = []
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        media_range, *parameters = (word.strip().lower() for word in part.split(";"))
        weighted.append((_weight(parameters), media_range))
    weighted = [pair for pair in weighted if pair[0] > 0]
    return [media_range for _, media_range in sorted(weighted, key=lambda pair: -pair[0])]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _matches(media_range: str, media_type: str) -> bool:
    major, _, minor = media_range.partition("/")
    return media_range in ("*/*", media_type) or (minor == "*" and media_type.startswith(f"{major}/"))
