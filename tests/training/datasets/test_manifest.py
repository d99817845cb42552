"""One's own set: a table of pictures and targets, as CSV and as Parquet."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from miniatures import INF, NAN, depth_of, put, write_gray, write_gray16, write_npy, write_picture
from pyarrow import parquet

from openmidas.depth_map import DepthMap
from openmidas.files import FileError, write_depth
from openmidas.training.datasets.manifest import read_manifest

TABLE = """\
image,target,encoding,valid,near,far,bits
b/two.jpg,b/two.png,millimetres,,,,
one.png,one.npy,affine-invariant-inverse-depth,one_valid.png,,,
three.png,three.png,opengl,,0.5,inf,8
"""


def write_files(root: Path) -> None:
    for name in ("b/two.jpg", "one.png"):
        write_picture(root / name, (1, 3))
    write_gray16(root / "b/two.png", [[0, 1500, 3]])
    write_npy(root / "one.npy", [[-1, 0.25, 5]])
    write_gray(root / "one_valid.png", [[255, 1, 0]])
    write_gray(root / "three.png", [[0, 255, 51]])


def write_csv(root: Path, table: str = TABLE) -> None:
    write_files(root)
    put(root / "manifest.csv", table.encode())


def write_parquet(root: Path) -> None:
    write_files(root)
    columns = {
        "image": ["b/two.jpg", "one.png", "three.png"],
        "target": ["b/two.png", "one.npy", "three.png"],
        "encoding": ["millimetres", "affine-invariant-inverse-depth", "opengl"],
        "valid": [None, "one_valid.png", None],
        "near": [None, None, 0.5],
        "far": [None, None, float("inf")],
        "bits": [None, None, 8],
    }
    parquet.write_table(pyarrow.table(columns), root / "manifest.parquet")


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_pictures_come_in_the_tables_order_with_what_their_numbers_mean(
    write: object, tmp_path: Path
) -> None:
    write(tmp_path)  # type: ignore[operator]
    entries = read_manifest(tmp_path)
    assert [entry.name for entry in entries] == ["b/two", "one", "three"]
    assert [entry.target for entry in entries] == [
        tmp_path / n for n in ("b/two.png", "one.npy", "three.png")
    ]
    assert entries[0].read_image().shape == (1, 3, 3)
    two, one, three = map(depth_of, entries)
    assert (two.quantity, two.ambiguity) == ("depth", "metric")
    np.testing.assert_array_equal(two.values, np.array([[np.nan, 1.5, 0.003]], np.float32))
    assert (one.quantity, one.ambiguity) == ("inverse_depth", "affine_invariant")
    np.testing.assert_array_equal(one.values, np.array([[-1, 0.25, np.nan]], np.float32))
    # 0.5 m at 0, infinitely far at 255, inverse depth in even steps between
    assert (three.quantity, three.ambiguity) == ("inverse_depth", "metric")
    np.testing.assert_allclose(three.values, [[2, 0, 1.6]], rtol=1e-6)


def test_the_table_may_be_named_itself_and_have_two_columns(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    write_depth(tmp_path / "a.npz", DepthMap.from_values([[1.0, 2.0]], "depth", "scale_invariant"))
    put(tmp_path / "mine.csv", b"image,target\na.png,a.npz\n")
    (entry,) = read_manifest(tmp_path / "mine.csv")
    assert depth_of(entry).ambiguity == "scale_invariant"


SKY = """\
image,target,encoding,valid,sky
a.png,converging.npy,affine-invariant-inverse-depth,valid.png,sky.png
b.png,parallel.npy,affine-invariant-inverse-depth,valid.png,sky.png
c.png,parallel.npy,metres,,sky.png
d.png,parallel.npy,scale-invariant-inverse-depth,,sky.png
e.png,parallel.npy,affine-invariant-inverse-depth,valid.png,
"""


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a", [[5, -2, -2, NAN]]),  # behind the farthest that was seen
        ("b", [[5, 2, 0, NAN]]),
        ("c", [[5, 2, INF, 9]]),
        ("d", [[5, 2, 0, 9]]),
        ("e", [[5, 2, NAN, NAN]]),  # whether it is sky is not known
    ],
)
def test_sky_is_valid_and_farthest_where_a_picture_marks_it(
    name: str, values: list[list[float]], tmp_path: Path
) -> None:
    put(tmp_path / "manifest.csv", SKY.encode())
    write_npy(tmp_path / "converging.npy", [[5, -2, 7, 9]])
    write_npy(tmp_path / "parallel.npy", [[5, 2, 7, 9]])
    write_gray(tmp_path / "valid.png", [[255, 255, 0, 0]])
    write_gray(tmp_path / "sky.png", [[0, 0, 255, 0]])
    entry = {entry.name: entry for entry in read_manifest(tmp_path)}[name]
    depth = depth_of(entry)
    np.testing.assert_array_equal(depth.values, np.array(values, np.float32))
    np.testing.assert_array_equal(depth.valid, ~np.isnan(values))


def test_marks_of_another_size_are_named(tmp_path: Path) -> None:
    put(tmp_path / "manifest.csv", b"image,target,encoding,sky\na.png,a.npy,metres,sky.png\n")
    write_npy(tmp_path / "a.npy", [[5, 2]])
    write_gray(tmp_path / "sky.png", [[0, 0, 255]])
    with pytest.raises(FileError, match=r"sky\.png: has 1×3 pixels, its target 1×2"):
        read_manifest(tmp_path)[0].read_target()


def test_paths_that_lead_out_give_names_that_do_not(tmp_path: Path) -> None:
    put(
        tmp_path / "sets/manifest.csv",
        b"image,target\n../pictures/a.jpg,../depths/a.npz\n/disk/b.jpg,b.npz\n",
    )
    entries = read_manifest(tmp_path / "sets")
    assert [entry.name for entry in entries] == ["pictures/a", "disk/b"]
    assert entries[0].image == tmp_path / "sets/../pictures/a.jpg"
    assert entries[1].image == Path("/disk/b.jpg")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("image,encoding\na.png,kitti\n", "has no column target: it needs image and target"),
        ("", r"is empty \(0 bytes\)"),
        ("image,target\n", "holds nothing of that layout: give each picture a line with its image"),
        ("image,target\na.png,\n", "picture 1 has no image or no target"),
        ("image,target\n.,a.npy\n", "picture 1 has no image or no target"),
        ("image,target,encoding\na.png,a.npy,feet\n", r"picture 1, a\.png: unknown encoding 'feet'"),
        ("image,target,encoding\na.png,a.npy,opengl\n", r"picture 1, a\.png: opengl needs near and far"),
        ("image,target,encoding,near\na.png,a.npy,opengl,close\n", r"picture 1, a\.png: could not convert"),
        ("image,target,encoding,near,far,bits\na.png,a.npy,opengl,1,2,inf\n", r"picture 1, a\.png: cannot"),
        ("image,target\na.png,a.npy\na.jpg,b.npy\n", "names the picture a twice"),
        ('image,target\n"a.png,a.npy\nb.png,b.npy\n', "is no table"),
    ],
)
def test_a_table_without_meaning_is_refused_before_a_file_is_opened(
    table: str, words: str, tmp_path: Path
) -> None:
    put(tmp_path / "manifest.csv", table.encode())
    with pytest.raises(FileError, match=rf"manifest\.csv: {words}"):
        read_manifest(tmp_path)


def test_what_is_missing_or_damaged_is_named_when_it_is_read(tmp_path: Path) -> None:
    write_csv(tmp_path)
    entries = read_manifest(tmp_path)
    (tmp_path / "one_valid.png").unlink()
    with pytest.raises(FileError, match=r"one_valid\.png: no such file"):
        entries[1].read_target()
    (tmp_path / "b/two.png").write_bytes(b"\x89PNG")
    with pytest.raises(FileError, match=r"two\.png: "):
        entries[0].read_target()


def test_parquet_that_is_none_and_without_its_library_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "manifest.parquet", b"PAR1")
    with pytest.raises(FileError, match=r"manifest\.parquet: is no Parquet file or damaged"):
        read_manifest(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        FileError, match=r"Parquet needs an optional library: pip install 'openmidas\[data\]'"
    ):
        read_manifest(tmp_path)
