"""A file comes once and whole from any server: slow, broken, moved, changed, asked by two at once."""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from serving import (
    CONTENT,
    HALF,
    OTHER,
    QUICK,
    Site,
    breaking_off_after,
    files,
    network,
    redirect,
    serving,
    silent_after,
    status,
    the_file_after,
    the_file_without_looking,
    the_whole_file,
    whole_but_breaking_off_after,
)

from openmidas.files import FileError
from openmidas.models.download import Patience
from openmidas.models.weights import Checkpoint, fetch, weights_folder, weights_path

FETCH = """
import sys
from openmidas.models.weights import Checkpoint, fetch
print("ready", flush=True)
print(fetch(Checkpoint("network", sys.argv[1], "MIT")).stat().st_size)
"""


def test_a_file_is_fetched_once(site: Site) -> None:
    path = fetch(network(site))
    assert path.read_bytes() == CONTENT
    assert fetch(network(site)) == path == weights_path(network(site))
    assert len(site.requests) == 1
    assert files() == ["network.pt", "network.pt.json"]


def test_progress_counts_the_bytes_from_none_to_all(site: Site) -> None:
    seen: list[tuple[int, int | None]] = []
    fetch(network(site), progress=lambda done, total: seen.append((done, total)))
    assert (seen[0], seen[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))
    assert seen == sorted(seen)


def test_a_cut_connection_is_resumed_where_it_broke(site: Site) -> None:
    site.answers = [breaking_off_after(HALF), breaking_off_after(1000)]
    seen: list[int] = []
    path = fetch(network(site), progress=lambda done, total: seen.append(done), patience=QUICK)
    assert path.read_bytes() == CONTENT
    assert site.ranges == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert site.requests[1]["If-Range"] == '"first"'
    assert seen == sorted(seen)


def test_cuts_that_each_bring_something_are_not_counted(site: Site) -> None:
    site.answers = [breaking_off_after(1000)] * 7
    assert fetch(network(site), patience=QUICK).read_bytes() == CONTENT
    assert site.ranges[-1] == "bytes=7000-"


def test_a_server_that_never_gets_further_is_given_up(site: Site) -> None:
    site.answers = [breaking_off_after(1000)] + [breaking_off_after(0)] * 2
    with pytest.raises(FileError, match=r"broke off after 1000 of 600004 bytes \(1000 bytes .* are kept\)"):
        fetch(network(site), patience=QUICK)
    assert files() == ["network.pt.part", "network.pt.part.json"]
    assert fetch(network(site), patience=QUICK).read_bytes() == CONTENT
    assert site.ranges == [None, *["bytes=1000-"] * 3]


def test_a_server_that_ignores_ranges_begins_anew(site: Site) -> None:
    site.answers = [breaking_off_after(HALF), the_whole_file]
    assert fetch(network(site), patience=QUICK).read_bytes() == CONTENT
    assert site.ranges == [None, f"bytes={HALF}-"]


def test_a_server_that_ignores_ranges_and_always_breaks_off_is_given_up(site: Site) -> None:
    site.answers = [whole_but_breaking_off_after(HALF)] * 20
    with pytest.raises(FileError, match="broke off"):
        fetch(network(site), patience=QUICK)
    assert len(site.requests) == 3


@pytest.mark.parametrize("etag", [None, 'W/"first"'])
def test_without_a_strong_etag_nothing_is_gone_on_with(site: Site, etag: str | None) -> None:
    site.etag, site.answers = etag, [breaking_off_after(HALF)]
    assert fetch(network(site), patience=QUICK).read_bytes() == CONTENT
    assert site.ranges == [None, None]


@pytest.mark.parametrize("answer", [None, the_file_without_looking])
def test_a_file_that_changed_meanwhile_begins_anew(site: Site, answer: object) -> None:
    site.answers = [breaking_off_after(HALF)]
    with pytest.raises(FileError, match="broke off"):
        fetch(network(site), patience=Patience(tries=1))
    site.content, site.etag = OTHER, '"second"'
    site.answers = [site.answers[0], answer] if answer else site.answers
    assert fetch(network(site), patience=QUICK).read_bytes() == OTHER
    assert site.ranges[1] == f"bytes={HALF}-"


def test_a_file_that_became_shorter_begins_anew(site: Site) -> None:
    site.answers = [breaking_off_after(HALF), the_file_without_looking]
    with pytest.raises(FileError, match="broke off"):
        fetch(network(site), patience=Patience(tries=1))
    site.content = CONTENT[: HALF // 2]
    assert fetch(network(site), patience=QUICK).read_bytes() == CONTENT[: HALF // 2]


def test_silence_ends_by_a_time_out_and_is_tried_again(site: Site) -> None:
    end = threading.Event()
    site.answers = [silent_after(HALF, end)]
    path = fetch(network(site), patience=Patience(tries=9, first_pause_s=0.01, timeout_s=0.2))
    end.set()
    assert path.read_bytes() == CONTENT
    assert site.ranges[:2] == [None, f"bytes={HALF}-"]
    assert 0.2 < site.times_s[1] - site.times_s[0] < 8  # the server would be silent for 10


def test_a_server_in_trouble_is_tried_again_after_growing_pauses(site: Site) -> None:
    site.answers = [status(500), status(503)]
    path = fetch(network(site), patience=Patience(tries=3, first_pause_s=0.1))
    assert path.read_bytes() == CONTENT
    first, second = (later - sooner for sooner, later in itertools.pairwise(site.times_s))
    assert first > 0.1
    assert second > 0.2


def test_a_server_that_stays_in_trouble_is_given_up(site: Site) -> None:
    site.answers = [status(503)] * 9
    with pytest.raises(FileError, match=r"network\.pt: cannot be fetched from http://127.*answers 503"):
        fetch(network(site), patience=QUICK)
    assert len(site.requests) == 3
    assert files() == []


def test_what_is_not_there_is_asked_for_once(site: Site) -> None:
    site.answers = [status(404)] * 9
    with pytest.raises(FileError, match=r"^[^\n]*network\.pt: [^\n]*answers 404 \(Not Found\)[^\n]*$"):
        fetch(network(site), patience=QUICK)
    assert len(site.requests) == 1
    assert files() == []


def test_a_server_that_is_not_there_is_named_in_one_line(site: Site) -> None:
    gone = Checkpoint("network", "http://127.0.0.1:9/network.pt", "MIT")
    with pytest.raises(
        FileError, match=r"^[^\n]*from http://127\.0\.0\.1:9/network\.pt: [Cc]onnection refused"
    ):
        fetch(gone, patience=QUICK)


def test_a_redirect_is_followed_and_takes_the_range_along(site: Site) -> None:
    with serving(b"") as front:
        front.answers = [redirect(site.address)] * 2
        site.answers = [breaking_off_after(HALF)]
        assert fetch(network(front), patience=QUICK).read_bytes() == CONTENT
    assert site.ranges == [None, f"bytes={HALF}-"]


def test_no_redirect_leads_from_https_to_http(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with serving(CONTENT, tmp_path / "certificate.pem") as safe:
        safe.answers = [redirect(site.address)]
        with pytest.raises(FileError, match=r"302 .*from https to http://"):
            fetch(network(safe), patience=QUICK)
        assert (site.connections, len(safe.requests)) == (0, 1)
        assert fetch(network(safe), patience=QUICK).read_bytes() == CONTENT


def test_a_certificate_that_nobody_signed_is_not_tried_again(home: Path, tmp_path: Path) -> None:
    with serving(CONTENT, tmp_path / "certificate.pem") as forged:
        with pytest.raises(FileError, match="certificate"):
            fetch(network(forged), patience=QUICK)
        assert forged.connections == 1


def test_a_full_disk_leaves_no_half_file(site: Site) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(FileError, match=r"^[^\n]*network\.pt[^\n]*larger than this place allows[^\n]*$"):
            fetch(network(site), patience=QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files() == []
    assert len(site.requests) == 1


def test_a_place_that_is_no_folder_is_named(home: Path, site: Site) -> None:
    home.touch()
    with pytest.raises(FileError, match="is a file, not a folder"):
        fetch(network(site))
    assert site.connections == 0


def test_an_interruption_leaves_the_part_which_is_gone_on_with(site: Site) -> None:
    def stop(done: int, total: int | None) -> None:
        if done > HALF:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(network(site), progress=stop)
    assert files() == ["network.pt.part", "network.pt.part.json"]
    size = (weights_folder() / "network.pt.part").stat().st_size
    assert fetch(network(site)).read_bytes() == CONTENT
    assert site.ranges == [None, f"bytes={size}-"]


def test_an_interruption_after_the_last_byte_needs_no_server_again(site: Site) -> None:
    def stop(done: int, total: int | None) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(network(site), progress=stop)
    assert fetch(network(site)).read_bytes() == CONTENT
    assert len(site.requests) == 1


def test_two_processes_at_once_fetch_once(site: Site) -> None:
    start = threading.Event()
    site.answers = [the_file_after(start)]
    command = [sys.executable, "-c", FETCH, site.address]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    start.set()
    assert [process.communicate(timeout=20)[0] for process in both] == [f"{len(CONTENT)}\n"] * 2
    assert [process.returncode for process in both] == [0, 0]
    assert len(site.requests) == 1
