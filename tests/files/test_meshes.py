"""The front of the 3D files: what it refuses, and points for programs."""

import numpy as np
import pytest
from surfaces import PICTURE, cloud, slope, textured

from openmidas.files.errors import FileError
from openmidas.files.meshes import write_mesh, write_points
from openmidas.mesh import Mesh, PointCloud


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".obj"])
def test_a_mesh_without_triangles_is_refused(tmp_path, suffix):
    empty = Mesh(slope(), np.empty((0, 3), np.int32))
    with pytest.raises(FileError, match=rf"a\{suffix}: the mesh has no triangle: more of its depth map"):
        write_mesh(tmp_path / f"a{suffix}", empty)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".npz"])
def test_a_cloud_without_points_is_refused(tmp_path, suffix):
    with pytest.raises(FileError, match=rf"a\{suffix}: there is no point to write"):
        write_points(tmp_path / f"a{suffix}", PointCloud(np.empty((0, 3), np.float32)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".obj"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_sky_at_infinity_is_refused(tmp_path, suffix, value):
    vertices = slope()
    vertices[3, 2] = value
    with pytest.raises(FileError, match="vertices are not all finite: leave the sky"):
        write_mesh(tmp_path / f"a{suffix}", Mesh(vertices, textured().triangles))


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".npz"])
def test_normals_that_are_no_numbers_are_refused(tmp_path, suffix):
    with pytest.raises(FileError, match="normals are not all finite"):
        write_points(tmp_path / f"a{suffix}", PointCloud(slope(), normals=np.full_like(slope(), np.nan)))


@pytest.mark.parametrize("name", ["a.stl", "a", "a.npz", "a.jpg"])
def test_other_suffixes_are_refused_for_meshes(tmp_path, name):
    with pytest.raises(FileError, match=r"no kind of file for a mesh: use one of \.glb, \.ply, \.obj"):
        write_mesh(tmp_path / name, textured())


@pytest.mark.parametrize("name", ["a.obj", "a.xyz", "a"])
def test_other_suffixes_are_refused_for_points(tmp_path, name):
    with pytest.raises(FileError, match=r"no kind of file for points: use one of \.glb, \.ply, \.npz"):
        write_points(tmp_path / name, cloud())


@pytest.mark.parametrize("name", ["a.PLY", "a.GLB", "a.OBJ"])
def test_suffixes_in_capitals_are_known(tmp_path, name):
    write_mesh(tmp_path / name, textured())
    assert (tmp_path / name).stat().st_size > 500


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".obj"])
def test_a_folder_that_is_not_there_is_named(tmp_path, suffix):
    with pytest.raises(FileError, match="does not exist: create it first"):
        write_mesh(tmp_path / "nowhere" / f"a{suffix}", textured())


def test_points_for_programs_keep_our_axes_and_say_so(tmp_path):
    write_points(tmp_path / "a.npz", cloud())
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["points"], slope())
        assert np.array_equal(arrays["colours"], PICTURE.reshape(-1, 3))
        assert np.array_equal(arrays["normals"], cloud().normals)
        assert (arrays["axes"].item(), arrays["unit"].item()) == ("x right, y down, z forward", "metre")


def test_points_without_colours_have_no_such_array(tmp_path):
    write_points(tmp_path / "a.npz", PointCloud(slope()))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"points", "axes", "unit"}
