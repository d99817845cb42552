"""Writing that leaves the whole new file or the old one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from openmidas.files.errors import FilePath, file_error, system_error


@contextlib.contextmanager
def written_beside(path: FilePath) -> Iterator[Path]:
    """A new empty file beside `path`, with its suffix, that replaces `path` when the block ends well.

    On any error or interruption the temporary file is removed and `path` stays as it was; an OSError
    leaves as FileError. A symbolic link is followed, a device or pipe is refused.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")
    try:
        _refuse_what_is_no_file(path, target)
        temporary.touch(exist_ok=False)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise file_error(path, f"the folder {target.parent} does not exist: create it first") from error
        raise system_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_bytes(path: FilePath, *parts: bytes | memoryview) -> None:
    """Write `parts` one after the other as the whole new content of `path`; FileError when that fails."""
    with written_beside(path) as temporary, temporary.open("wb") as stream:
        stream.writelines(parts)


def _refuse_what_is_no_file(path: FilePath, target: Path) -> None:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if target.exists() and not target.is_file():
        raise file_error(path, "is not a regular file: choose another name")
