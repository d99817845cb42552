"""Numbers as text: Python's own formatting is the reference."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmidas.files.digits import BLOCK, blocks, check_range, decimals, integers, joined, only_where
from openmidas.files.errors import FileError


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), st.integers(1, 6))
def test_decimals_are_the_nearest_of_their_places(values, places):
    lines = joined(decimals(np.array(values), places), "\n").decode().splitlines()
    for line, value in zip(lines, values, strict=True):
        assert re.fullmatch(rf"-?(0|[1-9]\d*)\.\d{{{places}}}", line)
        assert abs(float(line) - value) <= 0.5001 * 10**-places + 1e-15 * abs(value)


def test_decimals_as_python_writes_them():
    values = np.array([0, -0.0, 1, -1, 0.25, -0.001, 123456.789, -0.0000001, 999999.9999996])
    written = joined(decimals(values, 6), "\n").decode().splitlines()
    assert written == [f"{value:.6f}".replace("-0.000000", "0.000000") for value in values]


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20))
def test_whole_numbers_as_python_writes_them(values):
    assert joined(integers(np.array(values)), "\n").decode().splitlines() == list(map(str, values))


def test_what_is_not_kept_leaves_no_trace():
    numbers = integers(np.array([1, 20, 300]))
    lines = joined("<", only_where(numbers, np.array([True, False, True])), ">")
    assert lines == b"<1><><300>"


def test_blocks_are_all_the_lines_once():
    numbers = np.arange(2 * BLOCK + 1)
    assert np.array_equal(np.concatenate([numbers[part] for part in blocks(len(numbers))]), numbers)


def test_numbers_too_great_for_decimals_are_refused():
    check_range("a.obj", np.array([[1e11, -1e11]]))
    with pytest.raises(FileError, match=r"a\.obj: has a coordinate beyond 1e\+11 metres"):
        check_range("a.obj", np.array([[0, -2e11]]))
