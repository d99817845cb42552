"""Meshes come back from the files that this package and trimesh write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from surfaces import PICTURE, coloured, slope, textured

from openmidas.files import FileError, write_mesh
from openmidas.files.mesh_reading import read_mesh
from openmidas.mesh import Mesh


def corners(mesh: Mesh) -> np.ndarray:
    """Every triangle's corners: readers may number the vertices anew."""
    return np.sort(mesh.vertices[mesh.triangles].reshape(-1, 9), axis=0)


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_a_textured_mesh_comes_back_with_its_texture_in_place(tmp_path: Path, suffix: str) -> None:
    write_mesh(tmp_path / f"slope.{suffix}", textured())
    found = read_mesh(tmp_path / f"slope.{suffix}")
    np.testing.assert_allclose(corners(found), corners(textured()), atol=1e-5)
    assert found.texture is not None
    assert found.uv is not None
    height, width = PICTURE.shape[:2]
    columns, rows = np.floor(found.uv * (width, height)).astype(int).T
    nearest = np.linalg.norm(found.vertices[:, None] - slope(), axis=2).argmin(axis=1)
    np.testing.assert_array_equal(found.texture[rows, columns], PICTURE.reshape(-1, 3)[nearest])


def test_colours_at_vertices_come_back(tmp_path: Path) -> None:
    write_mesh(tmp_path / "slope.ply", coloured())
    found = read_mesh(tmp_path / "slope.ply")
    nearest = np.linalg.norm(found.vertices[:, None] - slope(), axis=2).argmin(axis=1)
    np.testing.assert_array_equal(found.colours, PICTURE.reshape(-1, 3)[nearest])


def test_what_has_no_colours_is_grey_and_lit_from_the_upper_left(tmp_path: Path) -> None:
    trimesh.creation.icosphere(radius=1.0).export(tmp_path / "ball.stl")
    found = read_mesh(tmp_path / "ball.stl")
    assert found.colours is not None
    brightness = found.colours[:, 0].astype(int)
    lit, unlit = found.vertices @ (-1, -1, -1) > 1.5, found.vertices @ (-1, -1, -1) < 0
    assert brightness[lit].min() > 170
    assert (brightness[unlit] == 70).all()


@pytest.mark.parametrize("name", ["none.glb", "page.glb", "empty.obj", "film.mp4"])
def test_what_is_no_mesh_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "page.glb").write_text("<html>")
    (tmp_path / "empty.obj").touch()
    with pytest.raises(FileError, match=name) as caught:
        read_mesh(tmp_path / name)
    assert "\n" not in str(caught.value)
