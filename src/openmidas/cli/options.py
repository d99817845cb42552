"""What the commands share: kinds of options, errors in one line, and lists of those."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

import openmidas
from openmidas.cli import FAILED, STOPPED, leave

PATH = click.Path(path_type=Path)
HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
# the libraries that a command needs, and the extra that brings them
_EXTRAS = {
    "torch": "train",
    "onnx": "train",
    "onnxscript": "train",
    "numba": "scene",
    "matplotlib": "scene",
    "av": "video",
    "fastapi": "app",
    "starlette": "app",
    "uvicorn": "app",
    "h11": "app",
}


def say_what_failed(failures: Sequence[str]) -> None:
    """A line for each picture that failed, on standard error."""
    if len(failures) == 1:
        click.echo(f"Error: {failures[0]}", err=True)
    elif failures:
        click.echo(f"{len(failures)} failed:", err=True)
        for failure in failures:
            click.echo(f"  {failure}", err=True)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """What the user can mend, and Ctrl-C, leaves as one line on standard error, without a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        leave("Stopped.", STOPPED)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        leave(
            f"Error: this command needs {error.name}: pip install 'openmidas[{_EXTRAS[error.name]}]'", FAILED
        )
    except ValueError as error:
        from openmidas.files import FileError

        if not isinstance(error, FileError | openmidas.ConventionError):
            raise
        leave(f"Error: {error}", FAILED)
