"""Clips: right colours, sizes, rates and loops when read back by others; whole or not there; constant memory."""

import subprocess
import sys
import weakref
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from test_atomic import disk_full_after_1000_bytes

from openmidas.files import FileError
from openmidas.files.video import check_clip, write_clip

FILES = ["a.mp4", "a.webm", "a.gif", "a.webp"]
PURE = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3, "black": (0,) * 3}


def patches():
    """One 32-pixel square of each pure colour."""
    return np.repeat(np.repeat(np.array([list(PURE.values())], np.uint8), 32, axis=0), 32, axis=1)


def noise(count, shape=(32, 48)):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(count)]


def numbered(count):
    """Frames that get brighter, so that each is told from its neighbours."""
    return [np.full((32, 48, 3), 20 + 200 * number // count, np.uint8) for number in range(count)]


def read_frames(path):
    if path.suffix in (".mp4", ".webm"):
        with av.open(str(path)) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with Image.open(path) as picture:
        frames = []
        for number in range(picture.n_frames):
            picture.seek(number)
            frames.append(np.asarray(picture.convert("RGB")))
        return frames


def durations_ms(path):
    with Image.open(path) as picture:
        found = []
        for number in range(picture.n_frames):
            picture.seek(number)
            picture.load()
            found.append(picture.info["duration"])
        return found


@pytest.mark.parametrize("name", FILES)
def test_pure_colours_come_back(tmp_path, name):
    write_clip(tmp_path / name, [patches()] * 3, 10)
    middles = read_frames(tmp_path / name)[-1][16, 16::32].astype(int)
    np.testing.assert_allclose(middles, list(PURE.values()), atol=4)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_luma_is_that_of_bt709_in_limited_range_and_the_file_says_so(tmp_path, name):
    write_clip(tmp_path / name, [patches()] * 2, 10)
    with av.open(str(tmp_path / name)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        luma = next(container.decode(video=0)).to_ndarray()[16, 16:160:32]
    assert tags == (1, 1, 1, 1)
    # 16 + 219 (0.2126 R + 0.7152 G + 0.0722 B)
    np.testing.assert_allclose(luma.astype(int), [62.6, 172.6, 31.8, 235, 16], atol=1.5)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.webm", "vp9")])
def test_a_film_has_its_frames_in_order_its_rate_and_its_codec(tmp_path, name, codec):
    write_clip(tmp_path / name, numbered(12), 25)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.codec.canonical_name, stream.codec_context.pix_fmt) == (codec, "yuv420p")
        assert stream.average_rate == 25
        assert container.duration / av.time_base == pytest.approx(12 / 25, abs=0.01)
    brightness = [frame.mean() for frame in read_frames(tmp_path / name)]
    np.testing.assert_allclose(brightness, [frame.mean() for frame in numbered(12)], atol=4)


def test_the_rate_of_television_is_exact(tmp_path):
    write_clip(tmp_path / "a.mp4", numbered(3), 30000 / 1001)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_an_odd_size_loses_its_last_row_and_column(tmp_path, name):
    frame = np.full((33, 47, 3), 90, np.uint8)
    frame[-1], frame[:, -1] = 255, 255
    write_clip(tmp_path / name, [frame], 10)
    (found,) = read_frames(tmp_path / name)
    assert found.shape == (32, 46, 3)
    np.testing.assert_allclose(found.astype(int), 90, atol=3)


def test_an_mp4_starts_with_what_a_player_needs_first(tmp_path):
    write_clip(tmp_path / "a.mp4", numbered(3), 10)
    content = (tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(("name", "shown_ms"), [("a.gif", {30, 40}), ("a.webp", {33, 34})])
def test_an_animation_loops_for_ever_and_lasts_as_long_as_its_frames(tmp_path, name, shown_ms):
    write_clip(tmp_path / name, noise(9), 30)
    with Image.open(tmp_path / name) as picture:
        assert (picture.n_frames, picture.size, picture.info["loop"]) == (9, (48, 32), 0)
    assert sum(durations_ms(tmp_path / name)) == 300
    assert set(durations_ms(tmp_path / name)) == shown_ms


def test_frames_that_are_alike_still_take_their_time(tmp_path):
    write_clip(tmp_path / "a.gif", [*numbered(2)[:1] * 4, *numbered(2)[1:]], 10)
    assert durations_ms(tmp_path / "a.gif") == [400, 100]


def test_all_frames_of_a_gif_share_256_colours(tmp_path):
    write_clip(tmp_path / "a.gif", noise(5), 10)
    colours = np.concatenate([frame.reshape(-1, 3) for frame in read_frames(tmp_path / "a.gif")])
    assert 200 < len(np.unique(colours, axis=0)) <= 256


def test_a_gif_spreads_its_error_so_that_a_gradient_keeps_its_mean(tmp_path):
    y, x = np.mgrid[:64, :200]
    frame = np.stack([x * 255 / 200, y * 255 / 64, 255 - x * 255 / 200], axis=-1).astype(np.uint8)
    write_clip(tmp_path / "a.gif", [frame, frame[::-1]], 10)
    found = read_frames(tmp_path / "a.gif")[0]
    cells = [part.reshape(8, 8, 25, 8, 3).mean(axis=(1, 3)) for part in (found, frame)]
    assert np.abs(cells[0] - cells[1]).mean() < 1  # 1.8 when every pixel takes the nearest colour


def test_a_name_without_suffix_is_a_folder_of_the_very_frames(tmp_path):
    frames = noise(3)
    write_clip(tmp_path / "clip", iter(frames), 30)
    paths = sorted((tmp_path / "clip").iterdir())
    assert [path.name for path in paths] == ["00000.png", "00001.png", "00002.png"]
    for path, frame in zip(paths, frames, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), frame)
    assert list(tmp_path.iterdir()) == [tmp_path / "clip"]


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "clip"])
def test_frames_are_let_go_once_they_are_written(tmp_path, name):
    held, most = [], 0

    def frames():
        nonlocal most
        for number in range(30):
            frame = np.full((32, 48, 3), number, np.uint8)
            held.append(weakref.ref(frame))
            most = max(most, sum(reference() is not None for reference in held))
            yield frame

    write_clip(tmp_path / name, frames(), 10)
    assert len(held) == 30
    assert most <= 3  # the first, which gives the size, the one that is written, and the new one


@pytest.mark.parametrize("name", [*FILES, "clip"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_nothing_behind(tmp_path, name, error):
    def frames():
        yield from numbered(3)
        raise error

    with pytest.raises(error):
        write_clip(tmp_path / name, frames(), 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*FILES, "clip"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, name):
    failure = pytest.raises(
        FileError, match=rf"^[^\n]*{name}[^\n]*: [^\n]*larger than this place allows[^\n]*$"
    )
    with failure, disk_full_after_1000_bytes():
        write_clip(tmp_path / name, noise(4), 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*FILES, "clip"])
@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        ([], "at least one frame"),
        ([*noise(2), *noise(1, (32, 40))], "frame 2 is 40×32, the first is 48×32"),
        ([np.zeros((4, 4, 3), np.uint8)[:0]], "frame 0 is uint8"),
    ],
)
def test_frames_that_make_no_clip_are_refused(tmp_path, name, frames, problem):
    with pytest.raises(FileError, match=problem):
        write_clip(tmp_path / name, iter(frames), 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "frames_per_s", "problem"),
    [
        ("a.avi", 10, r"use one of \.mp4, \.webm, \.gif, \.webp, or none for a folder"),
        ("%04d.png", 10, "none for a folder of PNGs"),
        ("a.gif", 60, "up to 50 frames a second, not at 60"),
        ("a.mp4", 0, "not at 0"),
        ("a.mp4", float("nan"), "not at nan"),
    ],
)
def test_what_cannot_be_a_clip_is_refused_before_a_frame_is_taken(tmp_path, name, frames_per_s, problem):
    def frames():
        raise AssertionError("a frame was taken")
        yield

    with pytest.raises(FileError, match=problem):
        write_clip(tmp_path / name, frames(), frames_per_s)


def test_a_folder_that_is_there_is_never_written_into(tmp_path):
    (tmp_path / "clip").mkdir()
    with pytest.raises(FileError, match="is there already"):
        check_clip(tmp_path / "clip", 10)


@pytest.mark.parametrize("name", [*FILES, "clip"])
def test_a_missing_folder_is_named(tmp_path, name):
    with pytest.raises(FileError, match=r"the folder .*/no does not exist: create it"):
        write_clip(tmp_path / "no" / name, numbered(2), 10)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_a_film_of_one_pixel_is_refused(tmp_path, name):
    with pytest.raises(FileError, match="2×2 pixels or more"):
        write_clip(tmp_path / name, [np.zeros((1, 9, 3), np.uint8)], 10)


def test_a_size_that_the_format_cannot_have_is_refused_in_one_line(tmp_path):
    with pytest.raises(FileError, match=r"^[^\n]*a\.webp: cannot be encoded[^\n]*: choose another size"):
        write_clip(tmp_path / "a.webp", [np.zeros((1, 16384, 3), np.uint8)] * 2, 10)
    with pytest.raises(FileError, match=r"^[^\n]*a\.mp4: cannot be encoded[^\n]*: choose another size"):
        write_clip(tmp_path / "a.mp4", [np.zeros((2, 40000, 3), np.uint8)], 10)
    assert list(tmp_path.iterdir()) == []


def test_a_film_without_its_library_names_the_command_and_a_gif_needs_none(tmp_path):
    code = (
        "import sys; sys.modules['av'] = None\n"
        "import numpy as np\n"
        "from openmidas.files import FileError\n"
        "from openmidas.files.video import write_clip\n"
        "frames = [np.zeros((4, 4, 3), np.uint8)]\n"
        "write_clip(sys.argv[1] + '/a.gif', frames, 10)\n"
        "try: write_clip(sys.argv[1] + '/a.mp4', frames, 10)\n"
        "except FileError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("needs an optional library: pip install 'openmidas[video]'")
    assert (tmp_path / "a.gif").exists()
