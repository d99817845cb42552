"""OpenEXR files of other programs, and the library's own traps."""

import subprocess
import sys

import numpy as np
import pytest

from openmidas.encoding import encoding_named
from openmidas.files import FileError, read_depth, read_numbers
from openmidas.files.exr import write_exr


@pytest.mark.parametrize(
    "channels", [["Z"], ["ViewLayer.Depth.Z"], ["V"], ["Z", "R", "G", "B"], ["L.Depth.Z", "L.R"]]
)
def test_an_exr_of_another_program_reads_its_depth_channel(tmp_path, channels):
    openexr = pytest.importorskip("OpenEXR")
    metres = np.array([[1.5, 2], [np.inf, np.nan]], np.float32)
    pixels = {name: metres if "Z" in name or name == "V" else np.zeros_like(metres) for name in channels}
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    openexr.File(header, pixels).write(str(tmp_path / "a.exr"))
    with pytest.raises(FileError, match="name the encoding"):
        read_depth(tmp_path / "a.exr")
    got = read_depth(tmp_path / "a.exr", encoding_named("metres"))
    assert np.array_equal(got.values, metres, equal_nan=True)


def test_exr_of_an_array_that_is_not_contiguous_is_written_as_it_looks(tmp_path):
    pytest.importorskip("OpenEXR")
    turned = np.arange(12, dtype=np.float32).reshape(3, 4).T[::-1]
    write_exr(tmp_path / "a.exr", turned, encoding_named("metres"))
    assert np.array_equal(read_numbers(tmp_path / "a.exr").codes, turned)


def test_an_exr_without_depth_names_its_channels(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    grey = np.zeros((2, 2), np.float32)
    openexr.File(header, {"R": grey, "G": grey, "B": grey}).write(str(tmp_path / "a.exr"))
    with pytest.raises(FileError, match="has the channels B, G, R"):
        read_depth(tmp_path / "a.exr", encoding_named("metres"))


def test_exr_without_its_library_names_the_command(tmp_path):
    code = (
        "import sys; sys.modules['OpenEXR'] = None\n"
        "from openmidas.files import FileError, read_depth\n"
        "try: read_depth(sys.argv[1])\n"
        "except FileError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.exr"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("EXR needs an optional library: pip install 'openmidas[files]'")
