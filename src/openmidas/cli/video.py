"""`openmidas video`: a film to the film of its depth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import click

from openmidas.cli.meaning import check_name
from openmidas.cli.progress import byte_bar, progress_bar
from openmidas.cli.scene import check_new
from openmidas.files.errors import FileError
from openmidas.files.heatmap import Colormap
from openmidas.models.predictor import Predictor, load
from openmidas.models.presets import PRESETS, check_side
from openmidas.video.convert import FILM_ENCODING, Made, Wanted, convert_film
from openmidas.video.films import read_film

_CLIPS = ("mp4", "webm", "gif", "webp")
_NUMBERS = "png16"
FORMATS = (*_CLIPS, _NUMBERS)


@dataclass(frozen=True)
class Request:
    """The options of the command line, by their names."""

    film: Path
    output: Path | None
    formats: str | None
    side_by_side: bool
    model: str
    size: int | None
    colormap: str
    overwrite: bool


def convert(request: Request) -> str:
    """Make what is asked for; what was made, in words. Raises FileError, click.UsageError."""
    wanted = _wanted(request)
    check_name("--colormap", request.colormap, get_args(Colormap))
    film = read_film(request.film)
    if wanted.clip is not None:
        check_new(wanted.clip, request.overwrite)
    predict = _load(request)
    started_s = time.perf_counter()
    with progress_bar(film.frames, "Predicting") as advance:
        made = convert_film(request.film, wanted, predict, on_progress=lambda done, total: advance())
    return _words(wanted, made, film.sound, time.perf_counter() - started_s)


def _wanted(request: Request) -> Wanted:
    """Beside the film as NAME_depth, or as -o has it: there a suffix names the clip, none a folder."""
    output = request.output
    suffix = output.suffix[1:].lower() if output is not None else ""
    if request.formats is not None:
        names = [name.strip() for name in request.formats.split(",")]
    else:
        names = [suffix or ("mp4" if output is None else _NUMBERS)]
    for name in names:
        check_name("--format", name, FORMATS)
    clips = [name for name in dict.fromkeys(names) if name in _CLIPS]
    if len(clips) > 1:
        raise click.UsageError(f"--format takes one kind of clip at a time, not {' and '.join(clips)}")
    if suffix and suffix not in clips:
        raise click.UsageError(f"-o {output} is no {' or '.join(names)}: give it that suffix, or none")
    stem = request.film.with_name(f"{request.film.stem}_depth") if output is None else output.with_suffix("")
    clip = stem.with_name(f"{stem.name}.{clips[0]}") if clips else None
    depths = stem if _NUMBERS in names else None
    return Wanted(clip, depths, cast(Colormap, request.colormap), request.side_by_side)


def _load(request: Request) -> Predictor:
    if Path(request.model).suffix.lower() != ".onnx":
        check_name("--model", request.model, tuple(PRESETS))
        try:
            check_side(PRESETS[request.model], request.size)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    try:
        with byte_bar(request.model) as show:
            return load(request.model, request.size, progress=show)
    except FileError:
        raise
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _words(wanted: Wanted, made: Made, sound: str | None, seconds: float) -> str:
    lines = [
        f"Wrote {_listed([path for path in (wanted.clip, wanted.depths) if path is not None])}: {made.frames} frames, "
        f"{made.frames_per_s:.4g} a second, in {seconds:.1f} s ({made.frames / seconds:.3g}/s)."
    ]
    if wanted.clip is not None and sound is not None:
        lines.append("Its sound goes along." if made.with_sound else f"Without its sound ({sound}).")
    if wanted.depths is not None:
        lines.append(f"Every PNG is {FILM_ENCODING}.")
    return "\n".join(lines)


def _listed(paths: Sequence[Path]) -> str:
    return " and ".join(map(str, paths))
