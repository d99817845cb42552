"""A file is whole or not there: a full disk, forbidden places, interruptions."""

import contextlib
import os
import resource

import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.files import FileError, write_depth, write_heatmap
from openmidas.files.atomic import write_bytes, written_beside

DEPTHS = DepthMap.from_values(
    np.random.default_rng(0).random((80, 90)) + 0.1, "inverse_depth", "affine_invariant"
)
SUFFIXES = ["png", "pfm", "npz", "npy", "tiff", "exr"]


@contextlib.contextmanager
def disk_full_after_1000_bytes():
    """A limit of the operating system's own: every write beyond it fails, as on a full disk.

    No fixture: pytest reports a test before its fixtures end, and that report may go to a file too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_nothing_half_written(tmp_path, suffix):
    failure = pytest.raises(FileError, match=rf"^[^\n]*a\.{suffix}: [^\n]*$")
    with failure, disk_full_after_1000_bytes():
        write_depth(tmp_path / f"a.{suffix}", DEPTHS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_full_disk_keeps_the_old_heatmap(tmp_path, suffix):
    old = tmp_path / f"a.{suffix}"
    old.write_bytes(b"old")
    failure = pytest.raises(FileError, match="larger than this place allows")
    with failure, disk_full_after_1000_bytes():
        write_heatmap(old, DEPTHS)
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_folder_is_named(tmp_path, suffix):
    with pytest.raises(FileError, match=r"the folder .*/no does not exist: create it"):
        write_depth(tmp_path / "no" / f"a.{suffix}", DEPTHS)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_below_a_file_is_refused(tmp_path, suffix):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"is a file, not a folder|does not exist"):
        write_depth(tmp_path / "file" / f"a.{suffix}", DEPTHS)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_with_the_name_of_the_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.mkdir()
    with pytest.raises(FileError, match="is a folder"):
        write_depth(path, DEPTHS)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_without_permission_is_refused(tmp_path, suffix):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    user = os.geteuid()
    if user == 0:  # root may write anywhere, so be nobody for a moment
        os.chmod(tmp_path, 0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(FileError, match="permission denied"):
            write_depth(folder / f"a.{suffix}", DEPTHS)
    finally:
        os.seteuid(user)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_keeps_the_old_file_and_leaves_no_other(tmp_path, error):
    old = tmp_path / "a.bin"
    old.write_bytes(b"old")

    def stop_half_way() -> None:
        with written_beside(old) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        stop_half_way()
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


def test_the_new_content_replaces_the_old(tmp_path):
    write_bytes(tmp_path / "a.bin", b"old and long")
    write_bytes(tmp_path / "a.bin", b"n", b"ew")
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    write_bytes(tmp_path / "a.bin", b"")
    (tmp_path / "b.bin").touch()
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "b.bin").stat().st_mode


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_bytes(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_a_device_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(FileError, match="not a regular file"):
            write_bytes(path, b"x")
    assert (tmp_path / "pipe").is_fifo()


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path):
    write_bytes(tmp_path / ("n" * 255), b"x")
    with pytest.raises(FileError, match="too long"):
        write_bytes(tmp_path / ("n" * 256), b"x")
