"""NumPy's files: what they hold, what other programs put there, what is refused."""

import json

import numpy as np
import pytest

from openmidas.depth_map import DepthMap
from openmidas.encoding import encoding_named
from openmidas.files import FileError, read_depth, write_depth

MAP = DepthMap.from_values([[0.5, 1.0, 2.0]], "inverse_depth", "affine_invariant")
METRIC = DepthMap.from_values([[0.5, 1.0, 2.0]], "inverse_depth", "metric")


def test_npz_holds_the_four_named_arrays(tmp_path):
    depth_map = DepthMap.from_values([[1.5, np.nan]], "depth", "scale_invariant")
    write_depth(tmp_path / "a.npz", depth_map)
    with np.load(tmp_path / "a.npz") as arrays:
        assert np.array_equal(arrays["values"], depth_map.values, equal_nan=True)
        assert np.array_equal(arrays["valid"], depth_map.valid)
        assert (str(arrays["quantity"]), str(arrays["ambiguity"])) == ("depth", "scale_invariant")
        assert json.loads(str(arrays["encoding"]))["name"] == "scale-invariant-depth"


def test_npz_of_another_program_needs_the_four_arrays_only(tmp_path):
    words = {"quantity": "inverse_depth", "ambiguity": "metric"}
    np.savez_compressed(tmp_path / "a.npz", values=[[0.25, 7.0]], valid=[[True, False]], **words)
    assert read_depth(tmp_path / "a.npz") == DepthMap.from_values([[0.25, np.nan]], "inverse_depth", "metric")
    np.savez(tmp_path / "b.npz", values=[[0.25]])
    with pytest.raises(FileError, match="has no array valid or quantity or ambiguity"):
        read_depth(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", values=[[0.25]], valid=[[True]], quantity="disparity", ambiguity="metric")
    with pytest.raises(FileError, match="says it holds metric disparity, which has no meaning"):
        read_depth(tmp_path / "c.npz")


def test_npz_refuses_codes_because_it_holds_values(tmp_path):
    with pytest.raises(FileError, match="NPZ holds values as they are, not opengl codes: use inverse-metres"):
        write_depth(tmp_path / "a.npz", METRIC, encoding_named("opengl", near=0.1, far=9))


@pytest.mark.parametrize("array", [np.zeros((2, 2, 2)), np.zeros(3), np.array([["a"]]), np.zeros((0, 4))])
def test_arrays_of_another_shape_or_kind_are_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(FileError, match="not the floats or codes"):
        read_depth(tmp_path / "a.npy", encoding_named("metres"))


def test_npy_of_integers_reads_as_codes(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[[0], [256], [640]]], np.int32))
    got = read_depth(tmp_path / "a.npy", encoding_named("kitti"))
    assert got.values[0, 2] == 2.5


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match="damaged"):
        read_depth(tmp_path / "a.npy", encoding_named("metres"))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    write_depth(tmp_path / "a.npz", MAP)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (0xFFFF_FFF0).to_bytes(4, "little")  # the first entry's size
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(FileError, match="unpacks to more than any depth map"):
        read_depth(tmp_path / "a.npz")
