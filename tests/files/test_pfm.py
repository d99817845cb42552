"""PFM and Sintel files written byte by byte by hand, and OpenCV as the second opinion."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from openmidas.depth_map import DepthMap
from openmidas.encoding import encoding_named
from openmidas.files import FileError, read_depth, write_depth
from openmidas.files.pfm import read_pfm, write_pfm

METRES = encoding_named("metres")
ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


@pytest.mark.parametrize(
    ("scale", "order"), [(b"-1.0", "<"), (b"1", ">"), (b"-0.003922", "<"), (b"1e0", ">")]
)
def test_both_byte_orders_read_with_the_bottom_row_first(tmp_path, scale, order):
    data = struct.pack(f"{order}6f", *ROWS[1], *ROWS[0])
    (tmp_path / "a.pfm").write_bytes(b"Pf\n3 2\n" + scale + b"\n" + data)
    assert read_depth(tmp_path / "a.pfm", METRES) == DepthMap.from_values(ROWS, "depth", "metric")


@pytest.mark.parametrize(
    "header", [b"Pf 3 2 -1\n", b"Pf\r\n3 2\r\n-1\r\n", b"Pf\n# made by hand\n3 2\n-1.000000\n"]
)
def test_headers_of_other_programs_read(tmp_path, header):
    (tmp_path / "a.pfm").write_bytes(header + struct.pack("<6f", *ROWS[1], *ROWS[0]))
    assert np.array_equal(read_pfm(tmp_path / "a.pfm").codes, ROWS)


def test_data_that_begin_like_white_space_are_data(tmp_path):
    # 0x0a0a0a0a as a float is a small number, and four line feeds.
    (tmp_path / "a.pfm").write_bytes(b"Pf\n1 1\n-1\n" + b"\n\n\n\n")
    assert read_pfm(tmp_path / "a.pfm").codes[0, 0] == struct.unpack("<f", b"\n\n\n\n")[0]


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_opencv_reads_the_same_numbers(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("pfm") / "a.pfm"
    write_pfm(path, values, METRES)
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), values, equal_nan=True)
    assert np.array_equal(read_pfm(path).codes, values, equal_nan=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Pf\n3 2\n-1\n" + bytes(23), "should hold 3×2 floats but has 23 bytes"),
        (b"Pf\n3 2\n-1\n" + bytes(25), "should hold 3×2 floats but has 25 bytes"),
        (b"Pf\n0 2\n-1\n", "should hold"),
        (b"Pf\n999999999 999999999\n-1\n" + bytes(24), "should hold"),
        (b"PF\n1 1\n-1\n" + bytes(12), "colour PFM"),
        (b"P5\n1 1\n255\n\0", "not a PFM"),
        (b"Pf\n3 2\n", "not a PFM"),
    ],
)
def test_damaged_files_are_refused(tmp_path, data, reason):
    (tmp_path / "a.pfm").write_bytes(data)
    with pytest.raises(FileError, match=rf"a\.pfm: .*{reason}"):
        read_depth(tmp_path / "a.pfm", METRES)


def test_sintel_files_hold_metres_top_row_first(tmp_path):
    data = struct.pack("<fii6f", 202021.25, 3, 2, *ROWS[0], *ROWS[1])
    (tmp_path / "a.dpt").write_bytes(data)
    assert data[:4] == b"PIEH"  # the tag's bytes, as Sintel's own reader says
    assert read_depth(tmp_path / "a.dpt") == DepthMap.from_values(ROWS, "depth", "metric")


@pytest.mark.parametrize("cut", [3, 11, 20, 35])
def test_damaged_sintel_files_are_refused(tmp_path, cut):
    data = struct.pack("<fii6f", 202021.25, 3, 2, *ROWS[0], *ROWS[1])
    (tmp_path / "a.dpt").write_bytes(data[:cut])
    with pytest.raises(FileError, match=r"a\.dpt: (is not a Sintel|should hold)"):
        read_depth(tmp_path / "a.dpt")


def test_negative_sizes_in_a_sintel_file_are_refused(tmp_path):
    (tmp_path / "a.dpt").write_bytes(struct.pack("<fii6f", 202021.25, -3, -2, *ROWS[0], *ROWS[1]))
    with pytest.raises(FileError, match="should hold"):
        read_depth(tmp_path / "a.dpt")


def test_what_is_not_valid_is_nan_in_the_file(tmp_path):
    write_depth(tmp_path / "a.pfm", DepthMap.from_values([[np.nan, 2.0, np.inf]], "depth", "metric"))
    assert np.array_equal(read_pfm(tmp_path / "a.pfm").codes, [[np.nan, 2.0, np.inf]], equal_nan=True)
