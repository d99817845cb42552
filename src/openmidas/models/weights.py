"""The published checkpoints: where each lies, fetching it once, checking it on every use."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from openmidas.files.atomic import write_bytes
from openmidas.files.errors import FileError, file_error, open_file, system_error
from openmidas.models.download import PATIENCE, Patience, Progress, discard_part, download

_LOG = logging.getLogger(__name__)
_MIDAS = "https://github.com/isl-org/MiDaS/releases/download/"
_DPT = "https://github.com/isl-org/DPT/releases/download/1_0/"
# how torch.save begins a file, since version 1.6 and before: a zip archive, a pickle
_BEGINNINGS = (b"PK\x03\x04", b"\x80\x02")
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True)
class Checkpoint:
    """A published file of weights.

    address: None where no file is published, so that one must be laid there by hand.
    sha256: hexadecimal digits, all or only the first ones; None where they are not known.
    """

    name: str
    address: str | None
    licence: str
    sha256: str | None = None
    size_bytes: int | None = None

    @property
    def file_name(self) -> str:
        """Its name on the disk, that of the address."""
        return f"{self.name}.pt" if self.address is None else self.address.rpartition("/")[2]


# The digests begin with the digits that the authors themselves put into file names: of the metric networks
# still, of the three whole ones in earlier releases of the same files.
CHECKPOINTS: Mapping[str, Checkpoint] = MappingProxyType(
    {
        checkpoint.name: checkpoint
        for checkpoint in (
            Checkpoint(
                "midas_v21_384",
                f"{_MIDAS}v2_1/midas_v21_384.pt",
                "MIT",
                "f6b980704cfd7259c7cc2b058c2f160159c55e84b3b6c08331b4156a84629f70",
                422_509_849,
            ),
            Checkpoint(
                "midas_v21_small_256",
                f"{_MIDAS}v2_1/midas_v21_small_256.pt",
                "MIT",
                "70d6b9c891758c67f974a6097fb0c608c7ee67fb81ac3e5588847d5596d56fca",
                85_761_505,
            ),
            Checkpoint(
                "dpt_large_384",
                f"{_MIDAS}v3/dpt_large_384.pt",
                "MIT",
                "2f21e586477d90cb9624c7eef5df7891edca49a1c4795ee2cb631fd4daa6ca69",
                1_376_378_527,
            ),
            Checkpoint("dpt_hybrid_384", f"{_MIDAS}v3/dpt_hybrid_384.pt", "MIT"),
            Checkpoint("dpt_beit_large_512", f"{_MIDAS}v3_1/dpt_beit_large_512.pt", "MIT"),
            Checkpoint("dpt_beit_large_384", f"{_MIDAS}v3_1/dpt_beit_large_384.pt", "MIT"),
            Checkpoint("dpt_beit_base_384", f"{_MIDAS}v3_1/dpt_beit_base_384.pt", "MIT"),
            Checkpoint("dpt_swin2_large_384", f"{_MIDAS}v3_1/dpt_swin2_large_384.pt", "MIT"),
            Checkpoint("dpt_swin2_base_384", f"{_MIDAS}v3_1/dpt_swin2_base_384.pt", "MIT"),
            Checkpoint("dpt_swin2_tiny_256", f"{_MIDAS}v3_1/dpt_swin2_tiny_256.pt", "MIT"),
            Checkpoint("dpt_swin_large_384", f"{_MIDAS}v3_1/dpt_swin_large_384.pt", "MIT"),
            Checkpoint("dpt_next_vit_large_384", f"{_MIDAS}v3_1/dpt_next_vit_large_384.pt", "MIT"),
            Checkpoint("dpt_levit_224", f"{_MIDAS}v3_1/dpt_levit_224.pt", "MIT"),
            Checkpoint("dpt_hybrid_kitti", f"{_DPT}dpt_hybrid_kitti-cb926ef4.pt", "MIT", "cb926ef4"),
            Checkpoint("dpt_hybrid_nyu", f"{_DPT}dpt_hybrid_nyu-2ce69ec7.pt", "MIT", "2ce69ec7"),
            Checkpoint("midas_resnet50", None, "MIT"),
        )
    }
)


class _Record(NamedTuple):
    """What is known of a file that was hashed once: while size and time are the same, so is the digest."""

    sha256: str
    size_bytes: int
    mtime_ns: int


def weights_folder() -> Path:
    """Where the files lie: below OPENMIDAS_HOME if that is set, else below the user's cache folder."""
    from platformdirs import user_cache_dir

    home = os.environ.get("OPENMIDAS_HOME") or user_cache_dir("openmidas")
    return Path(home).expanduser().absolute() / "weights"


def weights_path(checkpoint: Checkpoint) -> Path:
    """Where its file lies, or is to be laid by who fetches it by hand."""
    return weights_folder() / checkpoint.file_name


def is_offline() -> bool:
    """Whether OPENMIDAS_OFFLINE forbids to connect."""
    return os.environ.get("OPENMIDAS_OFFLINE", "").lower() not in ("", "0", "false", "no", "off")


def fetch(
    checkpoint: Checkpoint,
    offline: bool = False,
    progress: Progress = lambda done, total: None,
    patience: Patience = PATIENCE,
) -> Path:
    """The path of its file, which is downloaded if it is not there, and checked before every use.

    Where no digest is known, the one of the first file is recorded beside it and holds from then on.
    Raises FileError, one line, for what cannot be fetched and for a file that is not what it should be.
    """
    path = weights_path(checkpoint)
    if not os.path.exists(path):
        if checkpoint.address is None:
            problem = f"is not there, and nobody publishes one: lay a file of {checkpoint.name} here by hand"
            raise file_error(path, problem)
        if offline or is_offline():
            remedy = f"fetch {checkpoint.address} by other means and lay it here under this name"
            raise file_error(path, f"is not there, and offline nothing is downloaded: {remedy}")
        with _locked(path):
            if not os.path.exists(path):  # another process may have fetched it meanwhile
                _download(checkpoint, checkpoint.address, path, progress, patience)
    _verify(checkpoint, path)
    return path


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time fetches `path`; its folder is there."""
    from filelock import FileLock

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise system_error(path.parent, error) from error
    try:
        yield
    finally:
        lock.release()


def _download(
    checkpoint: Checkpoint, address: str, path: Path, progress: Progress, patience: Patience
) -> None:
    part = download(address, path, progress, patience)
    digest = _sha256(part)
    problem = _problem(checkpoint, _read_record(path), part, digest)
    try:
        if problem is None:
            os.replace(part, path)
        discard_part(path)
    except OSError as error:
        raise system_error(path, error) from error
    if problem is not None:
        raise file_error(path, f"what {address} sent {problem}: it was deleted, try again")
    _write_record(path, digest)


def _verify(checkpoint: Checkpoint, path: Path) -> None:
    """FileError unless the file is the one first used; a word where that is another than the published one.

    What is downloaded is compared with the published digest before it is laid here, so another one was laid by hand:
    weights of one's own, say.
    """
    record = _read_record(path)
    with open_file(path) as file:
        status = os.fstat(file.fileno())
    is_known = record is not None and record[1:] == (status.st_size, status.st_mtime_ns)
    digest = record.sha256 if record is not None and is_known else _sha256(path)
    problem = _unusable(checkpoint, record, path, digest)
    if problem is not None:
        raise file_error(path, f"{problem}: delete it to have it fetched again")
    if record is None and (other := _unpublished(checkpoint, path, digest)) is not None:
        _LOG.warning("%s: is not the published file, it %s; it is used as it is", path, other)
    if not is_known:
        _write_record(path, digest)


def _problem(checkpoint: Checkpoint, record: _Record | None, path: Path, digest: str) -> str | None:
    """What speaks against a file just downloaded."""
    return _unpublished(checkpoint, path, digest) or _unusable(checkpoint, record, path, digest)


def _unpublished(checkpoint: Checkpoint, path: Path, digest: str) -> str | None:
    """How the file differs from what is known of the published one."""
    size_bytes = path.stat().st_size
    if checkpoint.size_bytes not in (None, size_bytes):
        return f"has {size_bytes} bytes instead of {checkpoint.size_bytes}"
    if checkpoint.sha256 is not None and not digest.startswith(checkpoint.sha256):
        return f"has the SHA-256 {digest} instead of {checkpoint.sha256}"
    return None


def _unusable(checkpoint: Checkpoint, record: _Record | None, path: Path, digest: str) -> str | None:
    """What speaks against any file; the record is that of the first use."""
    with open_file(path) as file:
        beginning = file.read(4)
    if not beginning.startswith(_BEGINNINGS):
        return "is no PyTorch checkpoint (a web page instead?)"
    if record is not None and digest != record.sha256:
        noted = f"{checkpoint.file_name}.json"
        return f"has the SHA-256 {digest}, not that of its first use, {record.sha256} (noted in {noted})"
    return None


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _read_record(path: Path) -> _Record | None:
    try:
        return _Record(**json.loads(_record_of(path).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _write_record(path: Path, digest: str) -> None:
    """Where nothing can be written, as on a shared disk, the file is hashed before every use instead."""
    status = path.stat()
    record = _Record(digest, status.st_size, status.st_mtime_ns)
    try:
        write_bytes(_record_of(path), json.dumps(record._asdict()).encode())
    except FileError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _READ_ONLY:
            raise
