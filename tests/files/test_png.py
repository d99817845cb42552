"""The PNG encoder against two decoders that are not ours, Pillow's and OpenCV's."""

import io
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jaxtyping import TypeCheckError
from PIL import Image

from openmidas.files import png
from openmidas.files.png import encode_png

SHAPES = st.one_of(
    st.tuples(st.just(np.uint8), hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.tuples(st.just(np.uint16), hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.tuples(st.just(np.uint8), st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
)


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return np.array(picture)


def by_opencv(data: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels[:, :, ::-1] if pixels.ndim == 3 else pixels


def smooth(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(0).random((6, 8)).astype(np.float32)
    return (cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR) * 65535).astype(np.uint16)


@settings(max_examples=60, deadline=None)
@given(SHAPES.flatmap(lambda kind: hnp.arrays(*kind)))
def test_two_decoders_give_back_every_pixel(pixels):
    data = encode_png(pixels)
    assert np.array_equal(by_pillow(data), pixels)
    assert np.array_equal(by_opencv(data), pixels)


@pytest.mark.parametrize("shape", [(3000, 1201), (1, 70_000), (70_000, 1), (2, 2_000_000)])
def test_pictures_of_several_bands_join_without_a_seam(shape):
    pixels = np.random.default_rng(1).integers(0, 65536, shape).astype(np.uint16)
    data = encode_png(pixels)
    assert np.array_equal(by_pillow(data), pixels)
    if max(shape) < 1 << 20:  # OpenCV's own limit of width
        assert np.array_equal(by_opencv(data), pixels)


def test_the_joined_stream_has_the_checksum_that_zlib_computes():
    data = encode_png(smooth(2500, 1500))
    packed = b"".join(chunks(data, b"IDAT"))
    assert len(zlib.decompress(packed)) == 2500 * (1 + 2 * 1500)


def test_every_chunk_has_the_crc_of_its_bytes():
    data, at = encode_png(smooth(900, 1300), {"a": "b"}), 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        crc = int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        assert crc == zlib.crc32(data[at + 4 : at + 8 + length])
        at += 12 + length
    assert at == len(data)


def chunks(data: bytes, kind: bytes) -> list[bytes]:
    found, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == kind:
            found.append(data[at + 8 : at + 8 + length])
        at += 12 + length
    return found


def test_text_reads_back_before_the_pixels_are_decoded():
    with Image.open(io.BytesIO(encode_png(smooth(50, 60), {"openmidas": '{"a": 1}'}))) as picture:
        assert picture.info["openmidas"] == '{"a": 1}'


def test_smooth_depth_is_no_larger_than_with_a_slow_encoder():
    pixels = smooth(600, 800)
    slow = io.BytesIO()
    Image.fromarray(pixels).save(slow, "PNG", compress_level=6)
    assert len(encode_png(pixels)) <= len(slow.getvalue())


def test_bytes_do_not_depend_on_the_number_of_threads(monkeypatch):
    pixels, written = smooth(3000, 2000), set()
    for threads in (1, 2, 7):
        monkeypatch.setattr(png, "usable_cores", lambda threads=threads: threads)
        written.add(encode_png(pixels))
    assert len(written) == 1


def test_an_array_that_is_not_contiguous_is_written_as_it_looks():
    pixels = smooth(80, 60)[::-2, ::3].T
    assert np.array_equal(by_pillow(encode_png(pixels)), pixels)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((2, 2), np.float32), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3), np.uint16)],
)
def test_other_types_are_refused(pixels):
    with pytest.raises((ValueError, TypeCheckError), match=r"a PNG holds|Type-check"):
        encode_png(pixels)


def test_an_empty_picture_is_refused():
    with pytest.raises(ValueError, match="empty"):
        encode_png(np.zeros((0, 3), np.uint8))
