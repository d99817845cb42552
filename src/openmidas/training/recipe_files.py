"""Recipes of one's own: JSON in the form of a run's `recipe.json`, read strictly."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from openmidas.files.errors import file_error, open_file
from openmidas.models.presets import PRESETS
from openmidas.training.annotations import Kind
from openmidas.training.datasets.layouts import LAYOUTS
from openmidas.training.losses import LOSSES
from openmidas.training.recipes import Part, Phase, Recipe
from openmidas.training.sources import HELD, WORLDS
from openmidas.training.synthetic.degrade import DEGRADATIONS

_NAME = re.compile(r"\w[\w-]*", re.ASCII)  # goes into names of files, and before the = of --data
_SIDES_PX = 32  # every network's sides are multiples of it
_LARGEST = 2**53  # to which JSON and float64 agree about whole numbers
_AT_LEAST_ONE = ("per_batch", "steps", "log_steps", "checkpoint_steps")
_AT_MOST_ONE = ("kept", "paste_chance", "final_share", "average_decay")
_ORDERED: tuple[Kind | None, ...] = ("ordinal", "structure_from_motion")  # pictures may come with pairs
_MADE = tuple(WORLDS + name for name in DEGRADATIONS)
_KNOWN: Mapping[str, Sequence[str]] = MappingProxyType(
    {"network": tuple(PRESETS), "layout": (*LAYOUTS, *HELD, *_MADE), "loss": (*LOSSES, "ranking")}
)
_PLAIN = MappingProxyType({str: "a text", int: "a whole number", bool: "true or false", float: "a number"})


def read_recipe(path: Path) -> Recipe:
    """The recipe in a JSON file; fields that have a default may be left out.

    Raises FileError with the field's place for one that is unknown, is missing, or has no sense.
    """
    with open_file(path) as stream:
        try:
            stored = json.loads(stream.read())
        except (ValueError, RecursionError) as error:
            raise file_error(path, f"is no JSON: {error}") from error
    try:
        return _record(Recipe, stored, "")
    except ValueError as error:
        raise file_error(path, str(error)) from error


def _record(kind: type, stored: object, place: str) -> Any:
    """A dataclass of the recipe's, each field by its annotation; ValueError begins with the field's place."""
    if not isinstance(stored, dict):
        raise _wrong(place, stored, "an object of fields")
    kinds = get_type_hints(kind)
    fields = dataclasses.fields(kind)
    unknown = [name for name in stored if name not in kinds]
    if unknown:
        raise ValueError(f"{_within(place, unknown[0])} is no field: there are {', '.join(kinds)}")
    missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in stored]
    if missing:
        raise ValueError(f"{_within(place, missing[0])} is missing: it has no default")
    values = {name: _field(kinds[name], name, value, place) for name, value in stored.items()}
    try:
        record = kind(**values)
        _CHECKS[kind](record)
    except ValueError as error:
        raise ValueError(f"{place or 'recipe'}: {error}") from error
    return record


def _field(kind: Any, name: str, stored: object, place: str) -> object:
    place = _within(place, name)
    value = _value(kind, stored, place)
    if name in _KNOWN and value not in _KNOWN[name]:
        raise _wrong(place, stored, f"one of {', '.join(_KNOWN[name])}")
    if isinstance(value, int | float):
        least = 1 if name in _AT_LEAST_ONE else 0
        most = 1 if name in _AT_MOST_ONE else math.inf
        if not least <= value <= most or math.isinf(value):
            raise _wrong(
                place, stored, f"from {least} to 1" if most == 1 else f"at least {least}, and finite"
            )
    return value


def _value(kind: Any, stored: object, place: str) -> object:
    """What JSON says, as the annotation has it."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, stored, place)
    origin, choices = get_origin(kind), get_args(kind)
    if origin is UnionType:
        (other,) = (choice for choice in choices if choice is not NoneType)
        return None if stored is None else _value(other, stored, place)
    if origin is Literal:
        if stored not in choices:
            raise _wrong(place, stored, f"one of {', '.join(choices)}")
        return stored
    if origin is tuple:
        return _list(choices, stored, place)
    accepted = (int, float) if kind is float else (kind,)
    if type(stored) not in accepted or (type(stored) is int and abs(stored) > _LARGEST):
        raise _wrong(place, stored, _PLAIN[kind])
    return kind(stored)


def _list(kinds: tuple[Any, ...], stored: object, place: str) -> tuple[object, ...]:
    is_endless = kinds[-1] is Ellipsis
    if not isinstance(stored, list) or not (is_endless or len(stored) == len(kinds)):
        raise _wrong(place, stored, "a list" if is_endless else f"a list of {len(kinds)}")
    each = kinds[:1] * len(stored) if is_endless else kinds
    return tuple(
        _value(kind, value, f"{place}[{n}]") for n, (kind, value) in enumerate(zip(each, stored, strict=True))
    )


def _within(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _wrong(place: str, stored: object, expected: str) -> ValueError:
    shown = json.dumps(stored)
    return ValueError(f"{place or 'the recipe'} is {shown:.60}, which must be {expected}")


# -- what fields must be together; each ValueError is given the record's place -------------------------------------


def _check_recipe(recipe: Recipe) -> None:
    _check_names("phases", [phase.name for phase in recipe.phases])


def _check_phase(phase: Phase) -> None:
    _check_names("parts", [part.name for part in phase.parts])
    if not phase.sizes or any(side <= 0 or side % _SIDES_PX for size in phase.sizes for side in size):
        raise ValueError(f"sizes are [height, width] in multiples of {_SIDES_PX}, one at least")
    if phase.relabels and [part.layout for part in phase.parts].count("labelled") != 1:
        raise ValueError("relabels needs just one set of the layout labelled")


def _check_names(what: str, names: Sequence[str]) -> None:
    odd = [name for name in names if not _NAME.fullmatch(name)]
    if odd:
        raise ValueError(f"{odd[0]!r:.60} is no name: letters, digits, _ and - make one")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not names or twice:
        raise ValueError(f"{what} has {twice[0]} twice" if twice else f"{what} is empty")


def _check_part(part: Part) -> None:
    folders = part.folders or (part.name,)
    _check_names("folders", folders)
    kind = LAYOUTS[part.layout].kind if part.layout in LAYOUTS else None
    if part.loss == "ranking" and part.layout != f"{WORLDS}ordinal" and kind not in _ORDERED:
        raise ValueError(f"ranking is for pairs of points, which the layout {part.layout} has not")
    if part.held_out and part.layout != "kinect":
        raise ValueError("only sets of the layout kinect hold pictures out: drop held_out")
    wanted = 2 if part.layout == "labelled" else 1
    if len(folders) != wanted and part.layout not in _MADE:
        raise ValueError(f"the layout {part.layout} takes {wanted} folders: name so many in folders")


_CHECKS: Mapping[type, Any] = MappingProxyType(
    {Recipe: _check_recipe, Phase: _check_phase, Part: _check_part}
)
