"""Depth beside the photo in HEIC: files made by pillow-heif, their alpha channel renamed to a depth image."""

import io
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pillow_heif import from_pillow

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import encoding_named
from openmidas.files import FileError, read_depth, read_encoding, read_image
from openmidas.files.heic_depth import read_heic_depth

LEVELS = (np.add.outer(np.arange(48), np.arange(64)) * 2.2).astype(np.uint8)
ALPHA, DEPTH = b"urn:mpeg:hevc:2015:auxid:1\0", b"urn:mpeg:hevc:2015:auxid:2\0"
NUMBERS = ("z_near", "z_far", "d_min", "d_max")
INVERSE_Z, DISPARITY, Z, UNEVEN_DISPARITY = range(4)
# as an iPhone writes it: d_min 0.548828125, d_max 2.181640625
APPLE = bytes.fromhex("000000110000000d4e01b109351e78c80103c5d020")


def heic(levels=LEVELS, orientation=1) -> bytes:
    """A HEIC file with an alpha channel of these levels, lossless."""
    pixels = np.dstack([np.full((*levels.shape, 3), 128, np.uint8), levels])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    from_pillow(Image.fromarray(pixels)).save(stream, quality=-1, chroma=444, exif=exif.tobytes())
    return stream.getvalue()


@pytest.fixture(scope="module")
def plain() -> bytes:
    return heic()


def with_depth(data: bytes, message: bytes = b"") -> bytes:
    """The alpha channel renamed, with a message about it in the auxC box, and all sizes and offsets put right."""
    out, more = bytearray(data.replace(ALPHA, DEPTH)), len(message)
    for box in (b"auxC", b"ipco", b"iprp", b"meta"):
        add(out, out.index(box) - 4, more)
    locations = out.index(b"iloc") + 12
    for item in range(int.from_bytes(out[locations - 2 : locations], "big")):
        add(out, locations + 18 * item + 4, more)
    at = out.index(DEPTH) + len(DEPTH)
    return bytes(out[:at] + message + out[at:])


def add(data: bytearray, at: int, more: int) -> None:
    data[at : at + 4] = struct.pack(">I", int.from_bytes(data[at : at + 4], "big") + more)


def message(kind: int, **numbers: float) -> bytes:
    """A depth representation SEI message, ISO/IEC 23008-2 G.14.2.3, framed as in HEIF."""
    bits = "".join(str(int(name in numbers)) for name in NUMBERS) + exp_golomb(kind)
    if "d_min" in numbers or "d_max" in numbers:
        bits += exp_golomb(0)
    bits += "".join(number(numbers[name]) for name in NUMBERS if name in numbers) + "1"
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    unit = bytes([39 << 1, 1, 177, len(payload)]) + payload
    return struct.pack(">II", 4 + len(unit), len(unit)) + unit


def exp_golomb(value: int) -> str:
    binary = f"{value + 1:b}"
    return "0" * (len(binary) - 1) + binary


def number(value: float) -> str:
    mantissa, exponent = math.frexp(abs(value))
    return f"{int(value < 0)}{exponent + 30:07b}{22:05b}{round((2 * mantissa - 1) * 2**23):023b}"


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "a.heic"


def test_disparity_with_its_range_is_metric_inverse_depth(path, plain):
    written(path, with_depth(plain, message(DISPARITY, d_min=0.25, d_max=2.5)))
    got = read_depth(path)
    assert (got.quantity, got.ambiguity) == ("inverse_depth", "metric")
    np.testing.assert_allclose(got.values, 0.25 + LEVELS / 255 * 2.25, rtol=1e-6)


def test_the_message_of_an_iphone_is_understood(path, plain):
    encoding = read_encoding(written(path, with_depth(plain, APPLE)))
    assert (encoding.zero, encoding.one, encoding.unit) == (0.548828125, 2.181640625, "1/m")


def test_inverse_z_is_even_between_the_planes(path, plain):
    written(path, with_depth(plain, message(INVERSE_Z, z_near=0.5, z_far=8)))
    got = read_depth(path)
    assert (got.quantity, got.ambiguity) == ("inverse_depth", "metric")
    np.testing.assert_allclose(got.values, 1 / 8 + LEVELS / 255 * (2 - 1 / 8), rtol=1e-6)


def test_z_is_depth_in_metres(path, plain):
    got = read_depth(written(path, with_depth(plain, message(Z, z_near=0.5, z_far=8))))
    assert (got.quantity, got.ambiguity) == ("depth", "metric")
    np.testing.assert_allclose(got.values, 0.5 + LEVELS / 255 * 7.5, rtol=1e-6)


@pytest.mark.parametrize("about", [b"", message(DISPARITY), message(INVERSE_Z, z_near=1)])
def test_without_its_range_the_map_is_affine_invariant(path, plain, about):
    got = read_depth(written(path, with_depth(plain, about)))
    assert (got.quantity, got.ambiguity) == ("inverse_depth", "affine_invariant")
    np.testing.assert_allclose(got.values, LEVELS / 255, atol=1e-6)


@pytest.mark.parametrize(
    "about",
    [
        message(DISPARITY, d_min=-0.5, d_max=2),
        message(INVERSE_Z, z_near=0.5, z_far=-2),
        message(Z, z_near=-1, z_far=2),
    ],
)
def test_a_range_below_zero_is_no_distance(path, plain, about):
    assert read_depth(written(path, with_depth(plain, about))).ambiguity == "affine_invariant"


@pytest.mark.parametrize(
    ("words", "ambiguity"),
    [
        ("<depthData:Accuracy>relative</depthData:Accuracy>", "affine_invariant"),
        ('<a depthData:Accuracy="relative"/>', "affine_invariant"),
        ("<depthData:Accuracy>absolute</depthData:Accuracy>", "metric"),
        ("relative", "metric"),
    ],
)
def test_relative_accuracy_says_that_the_metres_are_unknown(path, plain, words, ambiguity):
    data = with_depth(plain, message(DISPARITY, d_min=0.25, d_max=2.5))
    metadata = struct.pack(">I4s", 8 + len(words), b"free") + words.encode()
    got = read_depth(written(path, data + metadata))
    assert got.ambiguity == ambiguity
    np.testing.assert_allclose(got.values, 0.25 + LEVELS / 255 * 2.25, rtol=1e-6)


def test_uneven_disparity_is_refused(path, plain):
    written(path, with_depth(plain, message(UNEVEN_DISPARITY, d_min=1, d_max=2)))
    with pytest.raises(FileError, match=r"a\.heic: its depth map is not of 8 bits in even steps"):
        read_depth(path)


def test_a_photo_without_depth_says_so(path, plain):
    with pytest.raises(FileError, match=r"a\.heic: carries no depth map"):
        read_depth(written(path, plain))
    assert read_heic_depth(path) is None


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_map_lies_as_the_photo_does(path, orientation):
    levels = np.zeros((32, 64), np.uint8)
    levels[:16, :16] = 200
    written(path, with_depth(heic(levels, orientation)))
    got = read_depth(path)
    assert got.shape == read_image(path).shape[:2]
    turned = np.rot90(levels, {3: 2, 6: 3, 8: 1}[orientation])
    assert got.shape == turned.shape
    np.testing.assert_allclose(got.values, turned / 255, atol=1e-6)


def test_a_file_that_says_what_it_holds_is_not_overruled(path, plain):
    written(path, with_depth(plain, APPLE))
    with pytest.raises(FileError, match="says itself that it holds heic"):
        read_depth(path, encoding_named("near-white"))


@settings(max_examples=30, deadline=None)
@given(
    share=st.floats(0, 1),
    spoil=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=4),
)
def test_cut_and_spoilt_files_give_a_depth_map_or_one_line(tmp_path_factory, plain, share, spoil):
    path = tmp_path_factory.mktemp("spoilt") / "a.heic"
    whole = with_depth(plain, APPLE)
    data = bytearray(whole[: max(1, int(share * len(whole)))])
    for at, value in spoil:
        data[at % len(data)] = value
    got = outcome(written(path, data))
    assert isinstance(got, DepthMap) or (got.startswith(str(path)) and "\n" not in got)


def outcome(path) -> DepthMap | str:
    """The depth map, or the line that says why there is none; any other exception is a failure."""
    try:
        return read_depth(path)
    except (FileError, ConventionError) as error:
        return str(error)
