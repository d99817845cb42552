"""The one error of reading and writing files, and plain words for what the operating system says."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

FilePath = str | os.PathLike[str]

_REMEDIES = {
    errno.ENOENT: "no such file or folder: check the path",
    errno.ENOTDIR: "a part of the path is a file, not a folder: check the path",
    errno.EISDIR: "is a folder: name a file",
    errno.EACCES: "permission denied: change its permissions or choose another place",
    errno.EPERM: "not permitted: change its permissions or choose another place",
    errno.EROFS: "the disk is read-only: choose another place",
    errno.ENOSPC: "the disk is full: free some space or choose another place",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another place",
    errno.EFBIG: "the file would be larger than this place allows: choose another place",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


class FileError(ValueError):
    """A file that cannot be read or written; its one line names the file and the remedy."""


def file_error(path: FilePath, problem: str) -> FileError:
    """The FileError for `path`, always one printable line, however odd the name."""
    name = os.fspath(path)
    shown = name if name.isprintable() and name else repr(name)
    return FileError(f"{shown}: {' '.join(problem.split())}")


def system_error(path: FilePath, error: OSError) -> FileError:
    """The FileError that says what an OSError at `path` means and what to do about it."""
    return file_error(path, _REMEDIES.get(error.errno or 0, error.strerror or str(error)))


def missing_extra(path: FilePath, kind: str, extra: str) -> FileError:
    """The FileError for a kind of file whose optional library is not installed."""
    return file_error(path, f"{kind} needs an optional library: pip install 'openmidas[{extra}]'")


def open_file(path: FilePath) -> io.BufferedReader:
    """Open an existing, regular, non-empty file for reading; FileError for anything else."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise file_error(path, _REMEDIES[errno.EISDIR])
        if not stat.S_ISREG(status.st_mode):
            raise file_error(path, "is not a regular file: save it to disk first")
        if status.st_size == 0:
            raise file_error(path, "is empty (0 bytes): copy or download it again")
        return Path(path).open("rb")
    except OSError as error:
        raise system_error(path, error) from error
