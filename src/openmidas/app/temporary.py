"""Files for a while: in folders that nobody else may enter, and that do not outlive a crash."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from openmidas.files.errors import FilePath, system_error

_PREFIX = "openmidas-"
_LOCK = ".lock"


@contextlib.contextmanager
def private_folder(parent: FilePath | None = None) -> Iterator[Path]:
    """A new folder for this user alone (mode 700), removed with all it holds when the block ends.

    Folders that a killed process left behind are removed first: a lock beside each one, which the system lets go with
    its process, tells them from those in use. parent: by default the system's folder for temporary files.
    Raises FileError where no folder can be made.
    """
    parent = Path(parent or tempfile.gettempdir())
    remove_stale_folders(parent)
    folder = parent / f"{_PREFIX}{secrets.token_hex(16)}"
    # locked before it is there, so that nobody ever sees it without an owner
    lock = FileLock(f"{folder}{_LOCK}", mode=0o600)
    try:
        lock.acquire(timeout=0)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise system_error(parent, error) from error
    try:
        yield folder
    finally:
        _remove(folder, lock)


def remove_stale_folders(parent: Path) -> None:
    """Remove our folders in `parent` whose processes are no more; what cannot be removed stays."""
    for path in parent.glob(f"{_PREFIX}*{_LOCK}"):
        if not _is_ours(path):
            continue
        lock = FileLock(path, mode=0o600)
        with contextlib.suppress(Timeout, OSError):
            lock.acquire(timeout=0)
            _remove(path.with_suffix(""), lock)


def _is_ours(path: Path) -> bool:
    """Whether this user made it: in a folder that all may write to, others can lay anything in our way."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        return not path.is_symlink() and (not hasattr(os, "getuid") or status.st_uid == os.getuid())
    return False


def _remove(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # which follows no symbolic link
    with contextlib.suppress(OSError):
        os.unlink(lock.lock_file)
    lock.release()
