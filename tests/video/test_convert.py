"""Films of depth: what goes in comes out, steadily, with its sound, whole or not at all, in constant memory."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from films_made import moving_square, read_back, write_film

from openmidas.depth_map import DepthMap
from openmidas.encoding import ConventionError
from openmidas.files import FileError, read_depth, read_encoding
from openmidas.video.convert import FILM_ENCODING, Wanted, convert_film


def by_red(image):
    """Depth of which the answer is known: red is near."""
    return DepthMap.from_values(image[:, :, 0].astype(np.float32), "inverse_depth", "affine_invariant")


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    write_film(path, map(moving_square, range(12)), sound=True)
    return path


def test_the_square_is_near_in_every_frame_at_its_place(film, tmp_path):
    made = convert_film(film, Wanted(tmp_path / "o.mp4", colormap="gray"), by_red)
    frames, rate = read_back(tmp_path / "o.mp4")
    assert (made.frames, made.frames_per_s, len(frames), rate) == (12, 10, 12, 10)
    for number, frame in enumerate(frames):
        near = moving_square(number)[:, :, 0] > 200
        assert frame[near].mean() > 220
        assert frame[~near].mean() < 30


def test_side_by_side_shows_the_film_to_the_left(film, tmp_path):
    convert_film(film, Wanted(tmp_path / "o.mp4", side_by_side=True), by_red)
    frames, _ = read_back(tmp_path / "o.mp4")
    assert frames[0].shape == (48, 128, 3)
    assert np.abs(frames[5][:, :64].astype(int) - moving_square(5)).mean() < 6


def test_sound_goes_along_and_stays_in_time(film, tmp_path):
    assert convert_film(film, Wanted(tmp_path / "o.mp4"), by_red).with_sound
    with av.open(str(tmp_path / "o.mp4")) as container, av.open(str(film)) as source:
        tracks = [next(iter(c.streams.audio)) for c in (container, source)]
        assert {track.codec_context.name for track in tracks} == {"aac"}
        samples = [
            np.concatenate([f.to_ndarray()[0] for f in c.decode(audio=0)]) for c in (container, source)
        ]
    np.testing.assert_array_equal(samples[0], samples[1])


def test_a_kind_that_cannot_hold_the_sound_goes_without(film, tmp_path):
    assert not convert_film(film, Wanted(tmp_path / "o.webm"), by_red).with_sound
    with av.open(str(tmp_path / "o.webm")) as container:
        assert not container.streams.audio


def test_numbers_have_one_meaning_in_all_frames(film, tmp_path):
    convert_film(film, Wanted(tmp_path / "o.gif", tmp_path / "depth"), by_red)
    paths = sorted((tmp_path / "depth").iterdir())
    assert [path.name for path in paths] == [f"{number:05d}.png" for number in range(12)]
    assert {read_encoding(path) for path in paths} == {FILM_ENCODING}
    for number, path in enumerate(paths):
        near = moving_square(number)[:, :, 0] > 200
        values = read_depth(path).values
        assert np.median(values[near]) == pytest.approx(1, abs=0.05)
        assert np.median(values[~near]) == pytest.approx(0, abs=0.05)
    assert (tmp_path / "o.gif").exists()


def test_what_is_shown_twice_is_predicted_once(tmp_path):
    asked = []

    def predict(image):
        asked.append(image)
        return by_red(image)

    write_film(tmp_path / "a.mp4", map(moving_square, range(3)), 10, times=(0, 1.0, 1.1))
    made = convert_film(tmp_path / "a.mp4", Wanted(depths=tmp_path / "depth"), predict)
    assert len(asked) == 3 < made.frames == len(list((tmp_path / "depth").iterdir()))


def test_progress_counts_to_the_end(film, tmp_path):
    seen = []
    convert_film(film, Wanted(tmp_path / "o.mp4"), by_red, on_progress=lambda *now: seen.append(now))
    assert seen == [(number, 12) for number in range(1, 13)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConventionError])
def test_what_progress_or_the_network_raises_stops_it_and_leaves_nothing(film, tmp_path, error):
    def stop(done, total):
        if done == 5:
            raise error

    with pytest.raises(error):
        convert_film(film, Wanted(tmp_path / "o.mp4", tmp_path / "depth"), by_red, on_progress=stop)
    assert list(tmp_path.iterdir()) == [film]


def test_a_target_that_cannot_be_written_is_known_before_the_first_frame(film, tmp_path):
    def predict(image):
        raise AssertionError("a frame was predicted")

    with pytest.raises(FileError, match=r"o\.xyz: the suffix \.xyz names no kind of clip"):
        convert_film(film, Wanted(tmp_path / "o.xyz"), predict)
    with pytest.raises(FileError, match=r"film\.mp4: is the film itself"):
        convert_film(film, Wanted(film), predict)
    with pytest.raises(FileError, match="is there already"):
        convert_film(film, Wanted(depths=tmp_path), predict)


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = {}
    for count in (100, 400):
        path = tmp_path / f"{count}.mp4"
        write_film(path, (moving_square(number, (240, 320)) for number in range(count)))
        command = [
            sys.executable,
            Path(__file__).with_name("peak_memory.py"),
            path,
            tmp_path / f"{count}_o.mp4",
        ]
        peaks[count] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    # 300 frames more would be 66 MB as RGB alone
    assert peaks[400] - peaks[100] < 15e6
