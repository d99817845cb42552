"""Reading photographs: files made by Pillow, OpenCV and by hand, compared with what they were made from."""

import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from openmidas.files import FileError, read_focal_length_px, read_image, read_image_size, to_rgb
from openmidas.files.png import encode_png

GRADIENT = np.stack(np.meshgrid(np.arange(0, 240, 4), np.arange(0, 160, 4), [90]), axis=-1)[:, :, 0].astype(
    np.uint8
)
"""(40, 60, 3): red grows to the right, green downwards, so that every turn shows."""

TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}
"""What a viewer must do with the stored pixels, by EXIF orientation."""


def saved(path, pixels, kind=None, **options):
    Image.fromarray(pixels).save(path, kind, **options)
    return path


def encoded(pixels, kind, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp", "webp", "ppm"])
def test_lossless_kinds_give_back_every_pixel(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    assert np.array_equal(read_image(saved(tmp_path / f"a.{suffix}", GRADIENT, **options)), GRADIENT)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif", "heic"])
def test_lossy_kinds_come_close(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "heic":
        pillow_heif = pytest.importorskip("pillow_heif")
        pillow_heif.from_pillow(Image.fromarray(GRADIENT)).save(path, quality=95)
    else:
        saved(path, GRADIENT, quality=95)
    assert np.abs(read_image(path).astype(int) - GRADIENT).mean() < 3


def test_the_content_counts_and_not_the_suffix(tmp_path):
    assert np.array_equal(read_image(saved(tmp_path / "a.jpg", GRADIENT, "PNG")), GRADIENT)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    path = saved(tmp_path / "a", GRADIENT, kind, exif=exif, **options)
    upright = TURNED[orientation](GRADIENT)
    assert read_image_size(path) == upright.shape[:2]
    assert read_image(path).shape == upright.shape
    assert np.abs(read_image(path).astype(int) - upright).mean() < 3


def test_turns_of_the_table_agree_with_the_meaning_of_orientation_6():
    # 6: the stored first row is the picture's right side, so the stored top left goes to the top right.
    stored = np.zeros((2, 3, 1))
    stored[0, 0] = 1
    assert TURNED[6](stored)[0, -1] == 1


def test_cmyk_becomes_rgb(tmp_path):
    cmyk = Image.fromarray(GRADIENT).convert("CMYK")
    cmyk.save(tmp_path / "a.jpg", quality=98)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - GRADIENT).mean() < 3


def test_16_bit_gray_is_scaled_and_not_clipped(tmp_path):
    deep = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    (tmp_path / "a.png").write_bytes(encode_png(deep))
    rgb = read_image(tmp_path / "a.png")
    assert np.array_equal(rgb[:, :, 0], np.round(deep / 257))
    assert np.array_equal(rgb[:, :, 0], rgb[:, :, 2])


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_colour_is_scaled_and_not_clipped(tmp_path, suffix):
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), deep[:, :, ::-1])
    assert np.abs(read_image(tmp_path / f"a.{suffix}") - deep / 257).max() <= 1


def test_16_bit_tiff_of_either_byte_order_is_scaled(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    deep = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    for order in "<>":
        tifffile.imwrite(tmp_path / "a.tif", deep, byteorder=order)
        assert np.array_equal(read_image(tmp_path / "a.tif")[:, :, 1], np.round(deep / 257))


def test_float_tiff_from_0_to_1_is_scaled(tmp_path):
    grey = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    assert np.array_equal(
        read_image(saved(tmp_path / "a.tif", grey))[:, :, 0], np.arange(256).reshape(16, 16)
    )


@pytest.mark.parametrize("bad", [np.nan, -0.1, 255.0])
def test_float_tiff_without_an_agreed_white_is_refused(tmp_path, bad):
    grey = np.full((4, 4), 0.5, np.float32)
    grey[1, 2] = bad
    with pytest.raises(FileError, match=r"a\.tif: holds values .* save it with 8 or 16 bits$"):
        read_image(saved(tmp_path / "a.tif", grey))


def test_gray_palette_and_bilevel_become_rgb(tmp_path):
    gray = Image.fromarray(GRADIENT[:, :, 0])
    gray.save(tmp_path / "gray.png")
    assert np.array_equal(read_image(tmp_path / "gray.png"), np.stack([GRADIENT[:, :, 0]] * 3, axis=-1))
    Image.fromarray(GRADIENT).quantize(16).save(tmp_path / "palette.png")
    assert np.abs(read_image(tmp_path / "palette.png").astype(int) - GRADIENT).mean() < 25
    Image.fromarray(GRADIENT).convert("1").save(tmp_path / "bilevel.png")
    assert set(np.unique(read_image(tmp_path / "bilevel.png"))) == {0, 255}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_parts_are_laid_over_white(tmp_path, mode):
    picture = Image.new("RGBA", (4, 4), (10, 10, 10, 255))
    picture.putpixel((1, 2), (10, 10, 10, 0))
    picture.putpixel((3, 3), (10, 10, 10, 51))
    kept = picture.quantize(8) if mode == "PA" else picture.convert(mode)
    kept.save(tmp_path / "a.png")
    rgb = read_image(tmp_path / "a.png")
    assert tuple(rgb[0, 0]) == (10, 10, 10)
    assert tuple(rgb[2, 1]) == (255, 255, 255)
    assert tuple(rgb[3, 3]) == (206, 206, 206)  # a fifth of 10 and four fifths of 255


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_taken(tmp_path, kind):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / "a", kind, save_all=True, append_images=frames[1:])
    assert np.abs(read_image(tmp_path / "a").astype(int) - [255, 0, 0]).max() < 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 20_000), (20_000, 1), (1, 65_500)])
def test_extreme_shapes_are_read(tmp_path, shape):
    path = saved(tmp_path / "a.jpg", np.full(shape, 128, np.uint8))
    assert read_image_size(path) == shape
    assert read_image(path).shape == (*shape, 3)
    small = read_image(path, (1, 1))
    assert small.min() >= 126
    assert small.max() <= 130


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    needed=st.tuples(st.integers(1, 250), st.integers(1, 250)),
    orientation=st.integers(1, 8),
)
def test_a_smaller_decode_is_never_smaller_than_needed(tmp_path_factory, shape, needed, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path_factory.mktemp("draft") / "a.jpg"
    saved(path, np.zeros(shape, np.uint8), exif=exif)
    full, got = read_image_size(path), read_image(path, needed).shape[:2]
    assert all(g >= min(n, f) for g, n, f in zip(got, needed, full, strict=True))
    assert all(g <= f for g, f in zip(got, full, strict=True))


def test_a_large_jpeg_decodes_at_an_eighth_when_that_is_enough(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.jpg", np.zeros((800, 1600, 3), np.uint8), exif=exif)
    assert read_image(path, (200, 100)).shape == (200, 100, 3)
    assert read_image(path, (201, 100)).shape == (400, 200, 3)
    assert read_image(path).shape == (1600, 800, 3)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, about the same data
@pytest.mark.parametrize("exif", [b"MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40, b"no TIFF header", b"MM\0*"])
def test_broken_exif_does_not_spoil_the_picture(tmp_path, exif):
    (tmp_path / "a.jpg").write_bytes(encoded(GRADIENT, "JPEG", exif=b"Exif\0\0" + exif))
    assert read_image(tmp_path / "a.jpg").shape == GRADIENT.shape
    assert read_focal_length_px(tmp_path / "a.jpg") is None


def test_an_orientation_that_is_no_number_is_none(tmp_path):
    entry = b"\x01\x12" + b"\0\x02" + b"\0\0\0\x04" + b"up!\0"  # tag, type text, four bytes
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + bytes(4)
    path = saved(tmp_path / "a.jpg", GRADIENT, exif=exif)
    assert read_image(path).shape == GRADIENT.shape


def test_a_picture_in_memory_is_turned_and_converted_too():
    exif = Image.Exif()
    exif[0x0112] = 8
    with Image.open(io.BytesIO(encoded(GRADIENT, "PNG", exif=exif))) as picture:
        assert np.array_equal(to_rgb(picture), TURNED[8](GRADIENT))
    assert np.array_equal(to_rgb(Image.fromarray(GRADIENT)), GRADIENT)


def one_line(path, reason: str):
    return pytest.raises(FileError, match=rf"^[^\n]*{path.name}: [^\n]*{reason}[^\n]*$")


def test_missing_folder_and_empty_files_are_named(tmp_path):
    (tmp_path / "empty.png").touch()
    for name, reason in [("no.png", "no such file"), (".", "is a folder"), ("empty.png", "0 bytes")]:
        with one_line(tmp_path / name, reason):
            read_image(tmp_path / name)
        with one_line(tmp_path / name, reason):
            read_image_size(tmp_path / name)


def test_a_path_through_a_file_is_named(tmp_path):
    saved(tmp_path / "a.png", GRADIENT)
    with one_line(tmp_path / "b.png", "is a file, not a folder"):
        read_image(tmp_path / "a.png" / "b.png")


def test_text_named_png_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_text("this is not a picture\n" * 20)
    with one_line(tmp_path / "a.png", "not a picture of a known kind"):
        read_image(tmp_path / "a.png")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    header = struct.pack(">IIBBBBB", 65_535, 65_535, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    for read in (read_image, read_image_size):
        with one_line(tmp_path / "a.png", "65535×65535 pixels, more than 200 million"):
            read(tmp_path / "a.png")


def test_a_picture_between_pillows_two_limits_is_read_without_a_warning(tmp_path):
    path = saved(tmp_path / "a.png", np.zeros((9_500, 10_000), np.uint8), compress_level=1)
    assert read_image_size(path) == (9_500, 10_000)


def test_a_name_with_a_line_break_stays_on_one_line(tmp_path):
    with pytest.raises(FileError) as caught:
        read_image(tmp_path / "two\nlines.png")
    assert "\n" not in str(caught.value)


def test_heic_without_its_library_names_the_command(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40)
    code = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from openmidas.files import FileError, read_image\n"
        "try: read_image(sys.argv[1])\n"
        "except FileError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.heic"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("HEIC needs an optional library: pip install 'openmidas[files]'")


SAMPLES = {
    "JPEG": encoded(GRADIENT, "JPEG"),
    "progressive JPEG": encoded(GRADIENT, "JPEG", progressive=True),
    "PNG": encoded(GRADIENT, "PNG"),
    "WEBP": encoded(GRADIENT, "WEBP"),
    "TIFF": encoded(GRADIENT, "TIFF"),
    "deflated TIFF": encoded(GRADIENT, "TIFF", compression="tiff_deflate"),
    "BMP": encoded(GRADIENT, "BMP"),
    "GIF": encoded(GRADIENT, "GIF"),
    "AVIF": encoded(GRADIENT, "AVIF"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, about the same data
@pytest.mark.parametrize("kind", SAMPLES)
@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_picture_is_refused_or_whole(tmp_path_factory, kind, share):
    whole, path = SAMPLES[kind], tmp_path_factory.mktemp("cut") / "a.bin"
    path.write_bytes(whole)
    expected = read_image(path)
    path.write_bytes(whole[: max(1, int(share * len(whole)))])
    got = outcome(path)
    assert "a.bin: " in got if isinstance(got, str) else np.array_equal(got, expected)


@pytest.mark.parametrize("kind", SAMPLES)
def test_half_a_picture_is_refused(tmp_path, kind):
    (tmp_path / "a.bin").write_bytes(SAMPLES[kind][: len(SAMPLES[kind]) // 2])
    with pytest.raises(FileError, match="damaged"):
        read_image(tmp_path / "a.bin")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, about the same data
@pytest.mark.parametrize("kind", SAMPLES)
@settings(max_examples=60, deadline=None)
@given(spoil=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=12))
def test_spoilt_bytes_give_a_picture_or_a_file_error(tmp_path_factory, kind, spoil):
    data = bytearray(SAMPLES[kind])
    for at, value in spoil:
        data[at % len(data)] = value
    path = tmp_path_factory.mktemp("spoilt") / "a.bin"
    path.write_bytes(data)
    got = outcome(path)
    if isinstance(got, str):
        assert "\n" not in got
    else:
        assert got.dtype == np.uint8
        assert got.shape == (*read_image_size(path), 3)


def outcome(path) -> np.ndarray | str:
    """The picture, or the line that says why there is none; any other exception is a failure."""
    try:
        return read_image(path)
    except FileError as error:
        return str(error)
