"""OBJ with its material and texture: trimesh reads back what was written, a line parser the rest."""

import re

import numpy as np
import pytest
import trimesh
from PIL import Image
from surfaces import PICTURE, TO_VIEWER, coloured, slope, textured

from openmidas.files.errors import FileError
from openmidas.files.meshes import write_mesh
from openmidas.mesh import Mesh

AS_WRITTEN = 0.5000001e-6  # half of the last decimal


def rows(path, word: str) -> np.ndarray:
    lines = path.read_text("ascii").splitlines()
    return np.array([line.split()[1:] for line in lines if line.split()[0] == word]).astype(float)


def test_a_triangle_line_by_line(tmp_path):
    vertices = np.array([[0, 0, 1], [0, 2, 1], [3.25, 0, 1]], np.float32)
    write_mesh(tmp_path / "a.obj", Mesh(vertices, np.array([[0, 1, 2]], np.int32)))
    assert (tmp_path / "a.obj").read_text("ascii").splitlines() == [
        "# made by openmidas",
        "# axes: x right, y up, z towards the viewer",
        "# unit: metre",
        "v 0.000000 0.000000 -1.000000",
        "v 0.000000 -2.000000 -1.000000",
        "v 3.250000 0.000000 -1.000000",
        "f 1 2 3",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["a.obj"]


def test_trimesh_reads_positions_triangles_and_texture(tmp_path):
    write_mesh(tmp_path / "a.obj", textured())
    read = trimesh.load_mesh(tmp_path / "a.obj", process=False, maintain_order=True)
    np.testing.assert_allclose(read.vertices, slope() * TO_VIEWER, atol=AS_WRITTEN)
    assert np.array_equal(read.faces, textured().triangles)
    assert (np.sum(read.face_normals * -read.triangles_center, axis=1) > 0).all()
    assert np.array_equal(read.visual.to_color().vertex_colors[:, :3], PICTURE.reshape(-1, 3))


def test_the_texture_lies_beside_and_its_v_goes_up(tmp_path):
    write_mesh(tmp_path / "a.obj", textured())
    assert {path.name for path in tmp_path.iterdir()} == {"a.obj", "a.mtl", "a_texture.png"}
    assert "mtllib a.mtl" in (tmp_path / "a.obj").read_text("ascii")
    assert "map_Kd a_texture.png" in (tmp_path / "a.mtl").read_text("ascii")
    picture = np.asarray(Image.open(tmp_path / "a_texture.png"))
    u, v = rows(tmp_path / "a.obj", "vt").T
    height, width = PICTURE.shape[:2]
    found = picture[((1 - v) * height).astype(int), (u * width).astype(int)]
    assert np.array_equal(found, PICTURE.reshape(-1, 3))


def test_colours_of_vertices_follow_their_positions(tmp_path):
    write_mesh(tmp_path / "a.obj", coloured())
    found = rows(tmp_path / "a.obj", "v")
    assert np.array_equal(np.rint(255 * found[:, 3:]), PICTURE.reshape(-1, 3))
    read = trimesh.load_mesh(tmp_path / "a.obj", process=False)
    assert np.abs(read.visual.vertex_colors[:, :3].astype(int) - PICTURE.reshape(-1, 3)).max() <= 1


@pytest.mark.parametrize("name", ["my photo", "wie schön", "a#b", "-x", "ünïcödé 100%", "写真", "a.b"])
def test_odd_names_are_found_again(tmp_path, name):
    write_mesh(tmp_path / f"{name}.obj", textured())
    read = trimesh.load_mesh(tmp_path / f"{name}.obj", process=False, maintain_order=True)
    assert np.array_equal(read.visual.to_color().vertex_colors[:, :3], PICTURE.reshape(-1, 3))
    beside = {path.name for path in tmp_path.iterdir()} - {f"{name}.obj"}
    assert all(re.fullmatch(r"[A-Za-z0-9._][A-Za-z0-9._-]*", other) for other in beside)


def test_odd_names_do_not_take_each_others_texture(tmp_path):
    for name in ("a b", "a_b", "a#b"):
        write_mesh(tmp_path / f"{name}.obj", textured())
    assert len(list(tmp_path.iterdir())) == 9


def test_the_photograph_of_the_same_name_is_left_alone(tmp_path):
    for suffix in ("jpg", "png"):
        (tmp_path / f"photo.{suffix}").write_bytes(b"the original")
    write_mesh(tmp_path / "photo.obj", textured())
    assert {(tmp_path / f"photo.{suffix}").read_bytes() for suffix in ("jpg", "png")} == {b"the original"}


def test_all_three_files_or_none(tmp_path):
    (tmp_path / "a.mtl").mkdir()
    with pytest.raises(FileError, match=r"a\.mtl: is a folder"):
        write_mesh(tmp_path / "a.obj", textured())
    assert [path.name for path in tmp_path.iterdir()] == ["a.mtl"]


def test_what_is_too_far_for_its_decimals_is_refused(tmp_path):
    mesh = textured()
    with pytest.raises(FileError, match=r"a\.obj: has a coordinate beyond"):
        write_mesh(tmp_path / "a.obj", Mesh(mesh.vertices * np.float32(1e12), mesh.triangles))
