"""Whoever predicts is judged by the same ruler: networks, ONNX files, functions, folders of ready predictions."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from openmidas.depth_map import DepthMap
from openmidas.encoding import Encoding, encoding_named
from openmidas.files.depths import read_depth
from openmidas.files.errors import file_error, open_file
from openmidas.models.download import Progress
from openmidas.models.predictor import NetworkPredictor, load_network
from openmidas.models.presets import PRESETS
from openmidas.training.datasets.entry import Entry

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
# what `openmidas predict` puts behind the picture's name
_OWN_ENDING = "_depth"


@dataclass(frozen=True, eq=False)
class Contestant:
    """Who is measured.

    name: of its rows. identity: what it is made of; another one under the same name is another contestant.
    predict: the depth map of a picture, given the short name of its set; from as many threads as one likes.
    """

    name: str
    identity: str
    predict: Callable[[str, Entry], DepthMap]


def contestant_named(
    word: str,
    threads: int | None = None,
    device: str = "cpu",
    progress: Progress = lambda done, total: None,
) -> Contestant:
    """The contestant that a word on the command line means.

    word: one of PRESETS; the path of an ONNX file that describes itself; `module:function`; or a folder of ready
    predictions, with `@ENCODING` behind it where the files do not say what their numbers mean.
    threads: of a network for one picture. device, progress: as in `load`.
    Raises ValueError, one line, for a word that means nothing or cannot be loaded, FileError as `load`.
    """
    if word in PRESETS or Path(word).suffix.lower() == ".onnx":
        return _of_network(word, threads, device, progress)
    if Path(word).is_dir():
        return _of_folder(Path(word), None)
    folder, at, encoding = word.rpartition("@")
    if at and Path(folder).is_dir():
        return _of_folder(Path(folder), encoding_named(encoding))
    if _FUNCTION.fullmatch(word):
        return Contestant(word, word, partial(_called, word, _imported(word)))
    raise ValueError(
        f"{word!r} is no contestant: name a network ({', '.join(PRESETS)}), a file.onnx, "
        "module:function, or a folder of predictions"
    )


def _of_network(word: str, threads: int | None, device: str, progress: Progress) -> Contestant:
    identity = word
    if word not in PRESETS:
        with open_file(word) as file:
            status = os.fstat(file.fileno())
        identity = f"{Path(word).resolve()}, {status.st_size} bytes, {status.st_mtime_ns}"
    predictor = load_network(word, threads=threads, device=device, progress=progress)
    return Contestant(Path(word).name, identity, partial(_predicted, predictor))


def _predicted(predictor: NetworkPredictor, set_name: str, entry: Entry) -> DepthMap:
    return predictor(entry.read_image())


def _imported(word: str) -> Callable[..., Any]:
    """The function `module:function`, looked for in the working folder as well."""
    module, _, name = word.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:  # a stranger's module raises what it likes
        raise ValueError(
            f"{word} cannot be imported ({_told(error)}): run from the folder that {module} lies in"
        ) from error
    if not callable(function):
        raise ValueError(f"{word} is of type {type(function).__name__}: name a function of a picture")
    return function


def _called(word: str, function: Callable[..., Any], set_name: str, entry: Entry) -> DepthMap:
    """What a user's function makes of the picture (h, w, 3): an array is affine-invariant inverse depth."""
    image = entry.read_image()
    try:
        result = function(image)
    except Exception as error:  # whatever a stranger's function raises is the picture's failure
        raise ValueError(f"{word} failed ({_told(error)})") from error
    if isinstance(result, DepthMap):
        return result
    return DepthMap.from_values(result, "inverse_depth", "affine_invariant")


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _of_folder(folder: Path, encoding: Encoding | None) -> Contestant:
    identity = f"{folder.resolve()}, {'as the files say' if encoding is None else encoding.name}"
    files = _files_by_name(folder)
    return Contestant(folder.resolve().name, identity, partial(_read, folder, files, encoding))


def _files_by_name(folder: Path) -> Mapping[str, Sequence[Path]]:
    """The files below the folder by their path in it, with / between its parts and without suffix."""
    files: dict[str, list[Path]] = {}
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for path in (Path(parent, name) for name in sorted(names)):
            files.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return files


def _read(
    folder: Path,
    files: Mapping[str, Sequence[Path]],
    encoding: Encoding | None,
    set_name: str,
    entry: Entry,
) -> DepthMap:
    """SET/NAME goes before NAME, so that one folder can hold several sets; NAME_depth is as good as NAME."""
    for name in (f"{set_name}/{entry.name}", entry.name):
        found = [path for ending in ("", _OWN_ENDING) for path in files.get(f"{name}{ending}", ())]
        if len(found) > 1:
            others = " and ".join(path.name for path in found)
            raise file_error(folder / name, f"is there more than once, as {others}: leave one of them")
        if found:
            return read_depth(found[0], encoding)
    raise file_error(
        folder / set_name / entry.name, "there is no prediction of that name, nor without its set"
    )
