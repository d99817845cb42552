"""PLY: one file byte by byte, and trimesh as the second opinion."""

import struct

import numpy as np
import pytest
import trimesh
from surfaces import PICTURE, TO_VIEWER, cloud, coloured, slope, textured

from openmidas.files.meshes import write_mesh, write_points
from openmidas.mesh import Mesh, PointCloud

HEADER = """ply
format binary_little_endian 1.0
comment made by openmidas
comment axes: x right, y up, z towards the viewer
comment unit: metre
element vertex 3
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
element face 1
property list uchar int vertex_indices
end_header
"""


def test_a_triangle_byte_by_byte(tmp_path):
    vertices = np.array([[0, 0, 1], [0, 2, 1], [3, 0, 1]], np.float32)
    colours = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 255]], np.uint8)
    write_mesh(tmp_path / "a.ply", Mesh(vertices, np.array([[0, 1, 2]], np.int32), colours))
    rows = ((0, 0, -1, 1, 2, 3), (0, -2, -1, 4, 5, 6), (3, 0, -1, 7, 8, 255))
    expected = HEADER.encode() + b"".join(struct.pack("<3f3B", *row) for row in rows)
    assert (tmp_path / "a.ply").read_bytes() == expected + struct.pack("<B3i", 3, 0, 1, 2)


def test_points_byte_by_byte(tmp_path):
    ones = np.ones((1, 3), np.float32)
    write_points(tmp_path / "a.ply", PointCloud(ones, np.array([[9, 8, 7]], np.uint8), -ones))
    data = (tmp_path / "a.ply").read_bytes()
    names = ["x", "y", "z", "nx", "ny", "nz", "red", "green", "blue"]
    assert [line.split()[2] for line in data.decode("latin1").splitlines() if "property" in line] == names
    assert data.endswith(b"end_header\n" + struct.pack("<6f3B", 1, -1, -1, -1, 1, 1, 9, 8, 7))


@pytest.mark.parametrize("mesh", [textured(), coloured()], ids=["textured", "coloured"])
def test_trimesh_reads_positions_triangles_and_colours(tmp_path, mesh):
    write_mesh(tmp_path / "a.ply", mesh)
    read = trimesh.load_mesh(tmp_path / "a.ply", process=False)
    assert np.array_equal(read.vertices, mesh.vertices * TO_VIEWER)
    assert np.array_equal(read.faces, mesh.triangles)
    assert np.array_equal(read.visual.vertex_colors[:, :3], PICTURE.reshape(-1, 3))


def test_what_is_above_in_the_picture_is_above_and_faces_the_viewer(tmp_path):
    write_mesh(tmp_path / "a.ply", textured())
    read = trimesh.load_mesh(tmp_path / "a.ply", process=False)
    top, bottom = read.vertices[0], read.vertices[-1]
    assert top[1] > 0 > bottom[1]
    assert top[0] < 0 < bottom[0]
    # the viewer stands at the origin
    assert (np.sum(read.face_normals * -read.triangles_center, axis=1) > 0).all()


def test_a_mesh_without_colours_has_none_in_the_file(tmp_path):
    mesh = coloured()
    write_mesh(tmp_path / "a.ply", Mesh(mesh.vertices, mesh.triangles))
    assert b"red" not in (tmp_path / "a.ply").read_bytes()
    assert len(trimesh.load_mesh(tmp_path / "a.ply", process=False).faces) == len(mesh.triangles)


def test_trimesh_reads_points(tmp_path):
    write_points(tmp_path / "a.ply", cloud())
    read = trimesh.load(tmp_path / "a.ply")
    assert np.array_equal(read.vertices, slope() * TO_VIEWER)
    assert np.array_equal(read.colors[:, :3], PICTURE.reshape(-1, 3))
