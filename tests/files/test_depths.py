"""Depth files: what is written reads back, what is foreign reads as its convention says."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import encoding_for, encoding_named, lossless_encoding
from openmidas.files import FileError, read_depth, read_encoding, read_numbers, write_depth, write_heatmap
from openmidas.files.png import encode_png

MEANINGS = [
    (quantity, ambiguity)
    for quantity in ("depth", "inverse_depth")
    for ambiguity in ("metric", "scale_invariant", "affine_invariant")
]
CARRYING = ["npz", "tiff", "tif", "exr"]
BARE = ["pfm", "npy"]
SKY = np.inf


@st.composite
def depth_maps(draw, meanings=MEANINGS, lowest=2.0**-10):
    """Maps of every meaning, with holes and, where it has a number, sky."""
    quantity, ambiguity = draw(st.sampled_from(meanings))
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
    signed = -(2.0**16) if ambiguity == "affine_invariant" else lowest
    numbers = st.floats(signed, 2.0**16, width=32)
    sky = SKY if quantity == "depth" else 0.0
    values = draw(hnp.arrays(np.float32, shape, elements=st.one_of(numbers, st.just(sky))))
    valid = draw(hnp.arrays(bool, shape))
    return DepthMap(values, valid, quantity, ambiguity)


def example(ambiguity="affine_invariant") -> DepthMap:
    values = np.linspace(0.5, 2, 12, dtype=np.float32).reshape(3, 4)
    return DepthMap.from_values(values, "inverse_depth", ambiguity)


@pytest.mark.parametrize("suffix", CARRYING)
@settings(max_examples=50, deadline=None)
@given(depth_map=depth_maps())
def test_formats_that_carry_the_meaning_read_back_the_same(tmp_path_factory, suffix, depth_map):
    path = tmp_path_factory.mktemp("depth") / f"a.{suffix}"
    write_depth(path, depth_map)
    assert read_depth(path) == depth_map
    assert read_encoding(path) == lossless_encoding(depth_map.quantity, depth_map.ambiguity)


@pytest.mark.parametrize("suffix", BARE)
@settings(max_examples=50, deadline=None)
@given(depth_map=depth_maps())
def test_formats_of_bare_numbers_read_back_when_told_the_meaning(tmp_path_factory, suffix, depth_map):
    path = tmp_path_factory.mktemp("depth") / f"a.{suffix}"
    write_depth(path, depth_map)
    assert read_depth(path, lossless_encoding(depth_map.quantity, depth_map.ambiguity)) == depth_map
    assert read_encoding(path) is None
    with pytest.raises(FileError, match=r"does not say what its float32 numbers mean.*inverse-metres"):
        read_depth(path)


@settings(max_examples=150, deadline=None)
@given(depth_map=depth_maps([m for m in MEANINGS if m != ("depth", "affine_invariant")]))
def test_a_png_reads_back_within_half_a_step(tmp_path_factory, depth_map):
    path = tmp_path_factory.mktemp("depth") / "a.png"
    if not depth_map.to_inverse_depth().valid.any():
        with pytest.raises(ConventionError, match=r"a\.png: .*no valid pixel"):
            write_depth(path, depth_map)
        return
    write_depth(path, depth_map)
    inverse, got, step = depth_map.to_inverse_depth(), read_depth(path), read_encoding(path).step
    assert (got.quantity, got.ambiguity) == ("inverse_depth", depth_map.ambiguity)
    assert np.array_equal(got.valid, inverse.valid)
    rounding = 4 * np.finfo(np.float32).eps * np.nanmax(np.abs(inverse.values))
    assert np.nanmax(np.abs(got.values.astype(float) - inverse.values)) <= step / 2 + rounding


@pytest.mark.parametrize("name", ["kitti", "tum", "millimetres", "centimetres"])
def test_a_png_carries_a_metric_encoding_and_its_unit(tmp_path, name):
    depths = DepthMap.from_values([[1.0, np.nan], [2.5, 9.75]], "depth", "metric")
    write_depth(tmp_path / "a.png", depths, encoding_named(name))
    got = read_depth(tmp_path / "a.png")
    assert read_encoding(tmp_path / "a.png") == encoding_named(name)
    assert read_encoding(tmp_path / "a.png").unit == "m"
    assert np.array_equal(got.valid, depths.valid)
    assert np.nanmax(np.abs(got.values - depths.values)) <= encoding_named(name).step / 2


@pytest.mark.parametrize("suffix", ["png", "exr", "tiff"])
def test_near_and_far_are_carried(tmp_path, suffix):
    bits = 16 if suffix == "png" else None
    encoding = encoding_named("reversed-z", near=0.5, far=np.inf, bits=bits)
    depths = DepthMap.from_values([[0.5, 1.0], [4.0, SKY]], "depth", "metric")
    write_depth(tmp_path / f"a.{suffix}", depths, encoding)
    carried = read_encoding(tmp_path / f"a.{suffix}")
    assert (carried.near, carried.far) == (0.5, np.inf)
    got = read_depth(tmp_path / f"a.{suffix}").to_depth()
    assert np.allclose(got.values, depths.values, rtol=1e-3)


def test_the_default_png_is_the_midas_one(tmp_path):
    write_depth(tmp_path / "a.png", example())
    codes = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert codes.dtype == np.uint16
    assert (codes.min(), codes.max()) == (0, 65535)
    assert codes[2, 3] == 65535  # the nearest pixel is white


def test_a_float_file_is_written_in_the_quantity_that_is_asked_for(tmp_path):
    write_depth(tmp_path / "a.npy", example("metric"), encoding_named("metres"))
    assert np.allclose(np.load(tmp_path / "a.npy"), 1 / example().values)


KITTI_LIKE = np.array([[0, 256, 640], [5000, 1500, 65535]], np.uint16)


@pytest.mark.parametrize(
    ("name", "metres"),
    [
        ("kitti", [[np.nan, 1, 2.5], [19.53125, 5.859375, 255.99609375]]),
        ("tum", [[np.nan, 0.0512, 0.128], [1, 0.3, 13.107]]),
        ("millimetres", [[np.nan, 0.256, 0.64], [5, 1.5, 65.535]]),
        ("centimetres", [[np.nan, 2.56, 6.4], [50, 15, 655.35]]),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tif", "big-endian tif"])
def test_plain_16_bit_files_read_by_their_convention(tmp_path, name, metres, suffix):
    path = tmp_path / f"a.{suffix[-3:]}"
    if suffix == "big-endian tif":
        pytest.importorskip("tifffile").imwrite(path, KITTI_LIKE, byteorder=">")
    else:
        cv2.imwrite(str(path), KITTI_LIKE)
    got = read_depth(path, encoding_named(name))
    assert (got.quantity, got.ambiguity) == ("depth", "metric")
    assert np.allclose(got.values, metres, equal_nan=True)


def test_a_plain_midas_png_is_inverse_depth_from_0_to_1(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), KITTI_LIKE)
    got = read_depth(tmp_path / "a.png", encoding_named("midas"))
    assert (got.quantity, got.ambiguity) == ("inverse_depth", "affine_invariant")
    assert np.allclose(got.values, KITTI_LIKE / 65535)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_8_bit_pictures_read_near_white_and_near_dark(tmp_path, suffix, mode):
    levels = np.full((16, 16), 51, np.uint8)
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(levels).convert(mode).save(tmp_path / f"a.{suffix}", **options)
    white = read_depth(tmp_path / f"a.{suffix}", encoding_named("near-white"))
    dark = read_depth(tmp_path / f"a.{suffix}", encoding_named("near-dark"))
    assert np.allclose(white.values, 0.2)
    assert np.allclose(dark.values, 0.8)


def test_a_plain_png_names_the_encodings_it_could_be(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), KITTI_LIKE)
    with pytest.raises(FileError, match=r"a\.png: does not say .* such as kitti, tum, millimetres.*midas"):
        read_depth(tmp_path / "a.png")


def test_a_file_that_says_what_it_holds_is_not_overruled(tmp_path):
    write_depth(tmp_path / "a.png", example())
    with pytest.raises(FileError, match=r"says itself that it holds midas.*without naming kitti"):
        read_depth(tmp_path / "a.png", encoding_named("kitti"))
    # The name alone leaves the range open; the file knows it.
    assert read_depth(tmp_path / "a.png", encoding_named("midas")) == read_depth(tmp_path / "a.png")


def test_planes_that_differ_from_the_files_own_are_refused(tmp_path):
    encoding = encoding_named("opengl", near=0.1, far=10)
    write_depth(tmp_path / "a.exr", example("metric"), encoding)
    assert read_depth(tmp_path / "a.exr", encoding).ambiguity == "metric"
    with pytest.raises(FileError, match="says itself"):
        read_depth(tmp_path / "a.exr", encoding_named("opengl", near=0.1, far=20))


def test_numbers_of_another_width_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((2, 2), np.uint8))
    with pytest.raises(ConventionError, match=r"a\.png: .*16-bit"):
        read_depth(tmp_path / "a.png", encoding_named("kitti"))


def test_a_heatmap_and_16_bit_colours_are_no_depth(tmp_path):
    write_heatmap(tmp_path / "a.png", example())
    with pytest.raises(FileError, match="is coloured"):
        read_depth(tmp_path / "a.png", encoding_named("near-white"))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((4, 4, 3), 999, np.uint16))
    with pytest.raises(FileError, match="16-bit colours"):
        read_depth(tmp_path / "b.png", encoding_named("near-white"))


def test_ambiguous_maps_cannot_be_written_in_metres(tmp_path):
    with pytest.raises(ConventionError, match=r"a\.png: .*affine_invariant"):
        write_depth(tmp_path / "a.png", example(), encoding_named("kitti"))
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_cannot_hold_the_numbers_says_what_it_holds(tmp_path):
    with pytest.raises(FileError, match=r"a\.pfm: this kind holds float32, not the uint16 of kitti"):
        write_depth(tmp_path / "a.pfm", example("metric"), encoding_named("kitti"))
    with pytest.raises(FileError, match=r"a\.png: this kind holds uint8 or uint16, not the float32"):
        write_depth(tmp_path / "a.png", example("metric"), encoding_named("metres"))


@pytest.mark.parametrize("name", ["a.txt", "a", "a.dpt", "a.jpg"])
def test_suffixes_that_are_not_written_are_named(tmp_path, name):
    with pytest.raises(FileError, match=r"use one of \.png, \.pfm, \.npz, \.npy, \.tif, \.tiff, \.exr$"):
        write_depth(tmp_path / name, example())


def test_a_tiff_of_tifffile_reads_and_its_nan_is_not_valid(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    metres = np.array([[1.5, np.nan], [np.inf, 0.0]], np.float32)
    for options in ({}, {"compression": "zlib"}, {"byteorder": ">"}):
        tifffile.imwrite(tmp_path / "a.tif", metres, **options)
        got = read_depth(tmp_path / "a.tif", encoding_named("metres"))
        assert np.array_equal(got.valid, [[True, False], [True, False]])  # sky is valid, 0 is no measurement
        assert got.values[0, 0] == 1.5


def test_tifffile_reads_our_tiff(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    write_depth(tmp_path / "a.tif", example())
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), example().values)


def test_a_turned_map_is_written_as_it_looks(tmp_path):
    turned = DepthMap.from_values(example().values.T[::-1], "inverse_depth", "affine_invariant")
    for suffix in CARRYING:
        write_depth(tmp_path / f"a.{suffix}", turned)
        assert read_depth(tmp_path / f"a.{suffix}") == turned


@pytest.mark.parametrize("note", ["", "{}", "null", "[" * 100_000, '{"name": 3}'])
def test_a_spoilt_note_is_a_file_error(tmp_path, note):
    (tmp_path / "a.png").write_bytes(encode_png(KITTI_LIKE, {"openmidas": note}))
    with pytest.raises(FileError, match="its note of what the numbers mean is damaged"):
        read_depth(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, about the same data
@pytest.mark.parametrize("suffix", [*CARRYING, *BARE, "png"])
@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused_or_whole(tmp_path_factory, suffix, share):
    path = tmp_path_factory.mktemp("cut") / f"a.{suffix}"
    encoding = lossless_encoding("inverse_depth", "affine_invariant") if suffix in BARE else None
    write_depth(path, example())
    expected, whole = read_depth(path, encoding), path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    got = outcome(path, encoding)
    assert f"a.{suffix}: " in got if isinstance(got, str) else got == expected


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, about the same data
@pytest.mark.parametrize("suffix", [*CARRYING, *BARE, "png"])
@settings(max_examples=60, deadline=None)
@given(spoil=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=12))
def test_spoilt_bytes_give_a_depth_map_or_a_line(tmp_path_factory, suffix, spoil):
    path = tmp_path_factory.mktemp("spoilt") / f"a.{suffix}"
    encoding = lossless_encoding("inverse_depth", "affine_invariant") if suffix in BARE else None
    write_depth(path, example())
    data = bytearray(path.read_bytes())
    for at, value in spoil:
        data[at % len(data)] = value
    path.write_bytes(data)
    got = outcome(path, encoding)
    assert isinstance(got, DepthMap) or ("\n" not in got and f"a.{suffix}: " in got)


def outcome(path, encoding) -> DepthMap | str:
    """The depth map, or the line that says why there is none; any other exception is a failure."""
    try:
        return read_depth(path, encoding)
    except (FileError, ConventionError) as error:
        return str(error)


def test_the_encoding_of_a_map_reads_back_through_every_carrying_format(tmp_path):
    depths = DepthMap.from_values([[0.5, np.nan], [2.0, 3.0]], "inverse_depth", "affine_invariant")
    fitted = encoding_for("midas", depths)
    for suffix in ("png", "tiff"):
        write_depth(tmp_path / f"a.{suffix}", depths, fitted)
        assert read_encoding(tmp_path / f"a.{suffix}") == fitted


def test_numbers_are_given_as_they_are_stored(tmp_path):
    write_depth(tmp_path / "a.png", example())
    codes, encoding = read_numbers(tmp_path / "a.png")
    assert (codes.dtype, codes[0, 0], codes[2, 3]) == (np.uint16, 0, 65535)
    assert encoding == encoding_for("midas", example())
