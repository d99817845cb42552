"""Films read: upright, at a constant rate, of known kinds only, damaged ones in one line."""

import re
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from films_made import moving_square, turn_clockwise, write_film

from openmidas.files import FileError
from openmidas.video.films import Bounds, read_film, read_frames


def brightnesses(path):
    return [round(float(frame.mean())) for frame in read_frames(path)]


def flat(level):
    return np.full((32, 48, 3), level, np.uint8)


def test_frames_come_in_order_in_rgb(tmp_path):
    frames = [moving_square(number) for number in range(6)]
    write_film(tmp_path / "a.mp4", frames)
    found = list(read_frames(tmp_path / "a.mp4"))
    assert len(found) == 6
    for frame, expected in zip(found, frames, strict=True):
        assert (frame.shape, frame.dtype) == ((48, 64, 3), np.uint8)
        assert np.abs(frame.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi"])
def test_the_kind_is_told_by_the_first_bytes(tmp_path, name):
    write_film(tmp_path / name, [flat(100)] * 4)
    (tmp_path / name).rename(tmp_path / "film")
    film = read_film(tmp_path / "film")
    assert (film.frames_per_s, film.frames, film.sound) == (10, 4, None)
    assert len(brightnesses(tmp_path / "film")) == 4


def test_a_film_that_a_phone_took_upright_is_upright(tmp_path):
    write_film(tmp_path / "a.mp4", [moving_square(0)] * 2)
    turn_clockwise(tmp_path / "a.mp4")
    frame = next(read_frames(tmp_path / "a.mp4"))
    # the square's middle, 14 from the top and 6 from the left of 48 rows, is now 6 from the top and 14 from the right
    middle = np.argwhere(frame[:, :, 0] > 130).mean(axis=0) + 0.5
    assert frame.shape == (64, 48, 3)
    np.testing.assert_allclose(middle, [6, 48 - 14], atol=0.6)


def test_a_frame_that_stays_longer_is_given_again_and_is_the_same_array(tmp_path):
    write_film(tmp_path / "a.mp4", map(flat, (50, 100, 150)), 10, times=(0, 1.0, 1.1))
    rate = read_film(tmp_path / "a.mp4").frames_per_s
    frames = list(read_frames(tmp_path / "a.mp4"))
    levels = [round(float(frame.mean()) / 50) * 50 for frame in frames]
    assert levels == [50] * round(rate) + [100, 150]
    assert round(rate) > 1
    assert len({id(frame) for frame in frames}) == 3


def test_frames_that_come_too_fast_are_left_out_so_that_it_does_not_last_longer(tmp_path):
    times = [*np.arange(10) * 0.1, *(1 + np.arange(10) * 0.01)]
    write_film(tmp_path / "a.mp4", map(flat, np.linspace(20, 220, 20).astype(int)), 10, times)
    film = read_film(tmp_path / "a.mp4")
    assert len(brightnesses(tmp_path / "a.mp4")) / film.frames_per_s == pytest.approx(1.1, abs=0.15)


def test_sound_is_noticed(tmp_path):
    write_film(tmp_path / "a.mp4", [flat(90)] * 5, sound=True)
    assert read_film(tmp_path / "a.mp4").sound == "aac"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"photo" * 99, "is not a film of a known kind: save it as MP4"),
        (b"#EXTM3U\n#EXTINF:1\n/etc/passwd\n", "is not a film of a known kind"),
        (b"\0\0\0\x18ftypisom" + bytes(999), "cannot be decoded"),
        (b"\x1a\x45\xdf\xa3" + bytes(range(256)), "cannot be decoded"),
    ],
)
def test_what_is_no_film_is_refused_in_one_line(tmp_path, content, problem):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(FileError, match=rf"^[^\n]*a\.mp4: {problem}[^\n]*$"):
        list(read_frames(tmp_path / "a.mp4"))


def test_a_film_that_is_cut_off_is_read_to_there_or_refused_in_one_line(tmp_path):
    write_film(tmp_path / "a.mkv", map(moving_square, range(20)))
    content = (tmp_path / "a.mkv").read_bytes()
    for share in (0.3, 0.6, 0.9):
        (tmp_path / "b.mkv").write_bytes(content[: round(share * len(content))])
        found, problem = 0, None
        try:
            for _ in read_frames(tmp_path / "b.mkv"):
                found += 1
        except FileError as error:
            problem = str(error)
        assert found < 20
        assert found or re.fullmatch(r".*b\.mkv: .*damaged, copy it again", problem)


def test_bounds_hold_by_the_header_and_while_reading(tmp_path):
    write_film(tmp_path / "a.mp4", map(moving_square, range(20)))
    for bounds, problem in ((Bounds(pixels=999), "frames of 64×48"), (Bounds(seconds=1), "is 2 s long")):
        with pytest.raises(FileError, match=problem):
            read_film(tmp_path / "a.mp4", bounds)
    # a header that tells no length, as those of streams
    write_film(tmp_path / "b.mkv", map(moving_square, range(20)))
    content = (tmp_path / "b.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(content.replace(b"\x44\x89\x88", b"\xec\x81\x00", 1))
    assert len(list(islice(read_frames(tmp_path / "b.mkv", Bounds(seconds=3)), 99))) == 20


def test_a_missing_library_is_named(tmp_path):
    write_film(tmp_path / "a.mp4", [flat(1)] * 2)
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from openmidas.files import FileError\n"
        "from openmidas.video.films import read_film\n"
        "try: read_film(sys.argv[1])\n"
        "except FileError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.mp4"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("a film needs an optional library: pip install 'openmidas[video]'")
