"""Ground truth of public data sets, from files made by hand as their pages describe them."""

import numpy as np
import pytest

from openmidas.files import FileError, read_diode, read_eth3d, read_middlebury


def test_eth3d_is_headerless_floats_with_0_and_inf_not_valid(tmp_path):
    metres = np.array([[1.5, np.inf, 3.0], [0.0, 20.0, np.nan]], "<f4")
    (tmp_path / "DSC_0001.JPG").write_bytes(metres.tobytes())
    got = read_eth3d(tmp_path / "DSC_0001.JPG", shape=(2, 3))
    assert (got.quantity, got.ambiguity) == ("depth", "metric")
    assert np.array_equal(got.values, [[1.5, np.nan, 3.0], [np.nan, 20.0, np.nan]], equal_nan=True)


def test_eth3d_of_another_size_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(bytes(24))
    with pytest.raises(FileError, match="should hold 6048×4032 floats but has 24 bytes"):
        read_eth3d(tmp_path / "a")


CALIBRATION = """cam0=[4000 0 1244.772; 0 4000 1019.507; 0 0 1]
cam1=[4000 0 1369.115; 0 4000 1019.507; 0 0 1]
doffs=100.5
baseline=200
width=3
height=1
"""


def write_scene(folder, calibration=CALIBRATION):
    disparity = np.array([[99.5, np.inf, 299.5]], "<f4")
    (folder / "disp0.pfm").write_bytes(b"Pf\n3 1\n-1\n" + disparity.tobytes())
    (folder / "calib.txt").write_text(calibration)


def test_middlebury_turns_disparity_into_metres(tmp_path):
    # 200 mm * 4000 px / (99.5 + 100.5) px = 4 m, and half of that at twice the sum.
    write_scene(tmp_path)
    got = read_middlebury(tmp_path / "disp0.pfm")
    assert np.allclose(got.values, [[4.0, np.nan, 2.0]], equal_nan=True)
    assert (got.quantity, got.ambiguity) == ("depth", "metric")


def test_middlebury_without_its_calibration_is_refused(tmp_path):
    write_scene(tmp_path, CALIBRATION.replace("doffs", "nothing"))
    with pytest.raises(FileError, match=r"calib\.txt: lacks cam0, doffs or baseline"):
        read_middlebury(tmp_path / "disp0.pfm")
    (tmp_path / "calib.txt").unlink()
    with pytest.raises(FileError, match=r"calib\.txt: no such file"):
        read_middlebury(tmp_path / "disp0.pfm")


def test_diode_is_valid_where_its_second_file_says_so(tmp_path):
    np.save(tmp_path / "a_depth.npy", np.array([[1.5, 2.5], [3.5, 0.0]], np.float32)[:, :, None])
    np.save(tmp_path / "a_depth_mask.npy", np.array([[1.0, 0.0], [1.0, 1.0]]))
    got = read_diode(tmp_path / "a_depth.npy")
    assert np.array_equal(got.values, [[1.5, np.nan], [3.5, np.nan]], equal_nan=True)


def test_diode_with_the_marks_of_another_picture_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 2), np.float32))
    np.save(tmp_path / "b.npy", np.ones((2, 3), np.float32))
    with pytest.raises(FileError, match=r"b\.npy: is of another size than a\.npy"):
        read_diode(tmp_path / "a.npy", tmp_path / "b.npy")
    with pytest.raises(FileError, match=r"a_mask\.npy: no such file"):
        read_diode(tmp_path / "a.npy")
