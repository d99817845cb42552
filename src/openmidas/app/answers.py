"""What a worker gives for a request: bytes, and headers that say what they mean; and which kind was asked for."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from openmidas.app.limits import Limits
from openmidas.app.problems import Problem
from openmidas.files.errors import FileError
from openmidas.files.picture import open_picture
from openmidas.models.preprocess import check_shape


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


def checked_answer(limits: Limits, make: Callable[..., Answer], picture: bytes, *arguments: Any) -> Answer:
    """What `make` gives of a picture, by its bytes, once it is known for one that is served.

    In a worker, as no header of a stranger's file is read in the server itself. Raises Problem, and as `make`.
    """
    _check_picture(picture, limits)
    return make(picture, *arguments)


def _check_picture(picture: bytes, limits: Limits) -> None:
    """By its size and its header: its pixels are not decoded."""
    if len(picture) > limits.picture_bytes:
        raise Problem("too_many_bytes", f"the picture has more than {limits.picture_bytes:,} bytes")
    with open_picture(picture, most_pixels=math.inf) as opened:
        width, height = opened.size
    if height * width > limits.picture_pixels:
        most = limits.picture_pixels / 1e6
        detail = f"the picture has {width}×{height} pixels, more than {most:g} million: make it smaller first"
        raise Problem("too_many_pixels", detail)
    try:
        check_shape((height, width))
    except ValueError as error:
        raise Problem("not_possible", f"the picture {error}") from error


def written(suffix: str, write: Callable[[Path], None]) -> bytes:
    """The bytes of the file that `write` makes, in the working folder, under a name of its own; raises ValueError."""
    path = Path(f"{secrets.token_hex(8)}{suffix}")
    try:
        write(path)
        return path.read_bytes()
    except FileError as error:  # whoever asked knows of no such file
        raise ValueError(str(error).removeprefix(f"{path}: ")) from error
    finally:
        path.unlink(missing_ok=True)


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
