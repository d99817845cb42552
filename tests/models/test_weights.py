"""Published weights are checked before every use, may be laid by hand, and are never fetched offline."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from serving import CONTENT, OTHER, Site, files, network

from openmidas.files import FileError
from openmidas.models.weights import CHECKPOINTS, Checkpoint, fetch, weights_folder, weights_path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def lay_by_hand(checkpoint: Checkpoint, content: bytes) -> Path:
    path = weights_path(checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_every_checkpoint_has_an_encrypted_address_and_a_file_of_its_own() -> None:
    addresses = [checkpoint.address for checkpoint in CHECKPOINTS.values() if checkpoint.address]
    assert len(addresses) == 15
    assert all(address.startswith("https://") for address in addresses)
    assert len({checkpoint.file_name for checkpoint in CHECKPOINTS.values()}) == len(CHECKPOINTS) == 16


def test_weights_that_nobody_publishes_are_laid_by_hand(home: Path) -> None:
    checkpoint = CHECKPOINTS["midas_resnet50"]
    with pytest.raises(
        FileError, match=r"midas_resnet50\.pt: is not there, and nobody publishes one"
    ) as caught:
        fetch(checkpoint)
    assert str(weights_path(checkpoint)) in str(caught.value)
    path = lay_by_hand(checkpoint, CONTENT)
    assert fetch(checkpoint) == path


def test_digits_in_a_file_name_are_those_of_the_digest() -> None:
    named = {
        checkpoint.file_name: checkpoint.sha256
        for checkpoint in CHECKPOINTS.values()
        if "-" in checkpoint.file_name
    }
    assert named == {"dpt_hybrid_kitti-cb926ef4.pt": "cb926ef4", "dpt_hybrid_nyu-2ce69ec7.pt": "2ce69ec7"}


def test_the_cache_is_the_users_own_unless_told_otherwise(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights_folder() == home / "weights"
    monkeypatch.setenv("OPENMIDAS_HOME", "~/there")
    assert weights_folder() == Path.home() / "there" / "weights"
    monkeypatch.delenv("OPENMIDAS_HOME")
    assert "openmidas" in weights_folder().parts
    assert weights_folder().is_relative_to(Path.home())


@pytest.mark.parametrize("digits", [8, 64])
def test_the_right_digest_or_its_beginning_is_taken(site: Site, digits: int) -> None:
    assert fetch(network(site, sha256(CONTENT)[:digits])).read_bytes() == CONTENT


@pytest.mark.parametrize("digits", [8, 64])
def test_garbage_is_deleted(site: Site, digits: int) -> None:
    site.content = OTHER
    expected = sha256(CONTENT)[:digits]
    with pytest.raises(
        FileError, match=rf"^[^\n]*network\.pt: [^\n]* instead of {expected}: it was deleted[^\n]*$"
    ):
        fetch(network(site, expected))
    assert files() == []


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>", b"x"])
def test_a_web_page_is_deleted_even_where_no_digest_is_known(site: Site, page: bytes) -> None:
    site.content = page
    with pytest.raises(FileError, match=r"no PyTorch checkpoint .*deleted"):
        fetch(network(site))
    assert files() == []


def test_another_size_than_published_is_deleted(site: Site) -> None:
    with pytest.raises(FileError, match="600004 bytes instead of 5"):
        fetch(Checkpoint("network", site.address, "MIT", size_bytes=5))
    assert files() == []


def test_a_file_that_changed_is_not_used(site: Site) -> None:
    path = fetch(network(site))
    path.write_bytes(OTHER)
    with pytest.raises(
        FileError, match=rf"{sha256(OTHER)}, not that of its first use, {sha256(CONTENT)}.*delete it"
    ):
        fetch(network(site))
    assert path.read_bytes() == OTHER


def test_what_is_fetched_again_must_be_the_same(site: Site) -> None:
    fetch(network(site)).unlink()
    site.content = OTHER
    with pytest.raises(FileError, match=r"not that of its first use.*network\.pt\.json.*it was deleted"):
        fetch(network(site))
    assert files() == ["network.pt.json"]


def test_a_file_is_hashed_again_only_when_its_time_or_size_changed(site: Site) -> None:
    path = fetch(network(site))
    times_ns = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    os.utime(path, ns=times_ns)
    assert fetch(network(site)) == path  # the price of not reading gigabytes before every picture
    os.utime(path)
    with pytest.raises(FileError, match="not that of its first use"):
        fetch(network(site))


def test_a_touched_file_is_hashed_once_more(site: Site) -> None:
    path = fetch(network(site))
    os.utime(path, (1, 1))
    fetch(network(site))
    record = json.loads((weights_folder() / "network.pt.json").read_text())
    assert record == {"sha256": sha256(CONTENT), "size_bytes": len(CONTENT), "mtime_ns": 1_000_000_000}


def test_a_file_laid_by_hand_is_taken_and_its_digest_recorded(site: Site) -> None:
    path = lay_by_hand(network(site), CONTENT)
    assert fetch(network(site), offline=True) == path
    assert site.connections == 0
    assert json.loads((weights_folder() / "network.pt.json").read_text())["sha256"] == sha256(CONTENT)


@pytest.mark.parametrize(("content", "words"), [(b"<html>", "no PyTorch checkpoint"), (b"", "is empty")])
def test_a_wrong_file_laid_by_hand_is_refused_and_kept(site: Site, content: bytes, words: str) -> None:
    path = lay_by_hand(network(site), content)
    with pytest.raises(FileError, match=words):
        fetch(network(site, sha256(CONTENT)))
    assert files() == ["network.pt"]
    assert path.read_bytes() == content


def test_weights_of_ones_own_are_used_with_a_word_the_first_time(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    path = lay_by_hand(network(site), OTHER)
    for warnings in (1, 0):
        caplog.clear()
        assert fetch(network(site, sha256(CONTENT))) == path
        assert caplog.text.count("is not the published file") == warnings


def test_a_file_in_a_place_that_cannot_be_written_is_used(site: Site) -> None:
    path = lay_by_hand(network(site), CONTENT)
    os.chmod(path.parent, 0o555)
    user = os.geteuid()
    if user == 0:  # root may write anywhere, so be nobody for a moment
        for folder in (path.parent.parent, *list(path.parents)[2:5]):
            os.chmod(folder, 0o755)
        os.seteuid(65534)
    try:
        assert fetch(network(site)) == path
    finally:
        os.seteuid(user)
    assert files() == ["network.pt"]


@pytest.mark.parametrize("switch", ["argument", "1", "true"])
def test_offline_names_the_address_and_the_place(
    site: Site, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if switch != "argument":
        monkeypatch.setenv("OPENMIDAS_OFFLINE", switch)
    with pytest.raises(FileError, match=r"^[^\n]*offline[^\n]*$") as failure:
        fetch(network(site), offline=switch == "argument")
    assert site.address in str(failure.value)
    assert str(weights_path(network(site))) in str(failure.value)
    assert site.connections == 0


def test_offline_uses_what_is_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch(network(site))
    monkeypatch.setenv("OPENMIDAS_OFFLINE", "1")
    assert fetch(network(site)) == path


def test_offline_switched_off_connects(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENMIDAS_OFFLINE", "0")
    assert fetch(network(site)).read_bytes() == CONTENT
