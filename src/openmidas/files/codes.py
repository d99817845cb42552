"""What every kind of depth file holds: numbers, and perhaps a note of what they mean."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from jaxtyping import Num
from numpy import ndarray

from openmidas.depth_map import ConventionError
from openmidas.encoding import Encoding
from openmidas.files.errors import FilePath, file_error

Codes = Num[ndarray, "h w"]


class Numbers(NamedTuple):
    """Numbers (h, w) as a file stores them, and their encoding where the file carries it."""

    codes: Codes
    encoding: Encoding | None


def to_note(encoding: Encoding) -> str:
    """The encoding as one line of ASCII JSON, for a file's metadata."""
    return json.dumps(encoding.to_dict(), allow_nan=False)


def from_note(path: FilePath, note: Any) -> Encoding | None:
    """The encoding of `to_note`, None for no note; FileError when the note is spoilt."""
    if note is None:
        return None
    try:
        return Encoding.from_dict(json.loads(note))
    except (ConventionError, RecursionError, TypeError, ValueError) as error:
        raise file_error(path, f"its note of what the numbers mean is damaged ({error})") from error
