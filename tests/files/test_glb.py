"""GLB: pygltflib and trimesh read back what was written; the pictures are decoded by Pillow."""

import io
import json
import struct

import numpy as np
import pygltflib
import pytest
import trimesh
from PIL import Image
from surfaces import CAMERA, PICTURE, TO_VIEWER, cloud, coloured, grid_triangles, slope, textured

from openmidas.camera import Camera
from openmidas.files.errors import FileError
from openmidas.files.glb import file_header
from openmidas.files.meshes import write_mesh, write_points
from openmidas.mesh import Mesh

KINDS = {5126: "<f4", 5125: "<u4", 5123: "<u2"}
COUNTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def numbers(gltf: pygltflib.GLTF2, index: int) -> np.ndarray:
    """The numbers of an accessor as stored."""
    accessor = gltf.accessors[index]
    view = gltf.bufferViews[accessor.bufferView]
    data = gltf.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    return np.frombuffer(data, KINDS[accessor.componentType]).reshape(-1, COUNTS[accessor.type])


def embedded(gltf: pygltflib.GLTF2) -> tuple[str, np.ndarray]:
    image = gltf.images[0]
    view = gltf.bufferViews[image.bufferView]
    data = gltf.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    return image.mimeType, np.asarray(Image.open(io.BytesIO(data)))


def written(path, mesh: Mesh, camera: Camera | None = None) -> tuple[pygltflib.GLTF2, pygltflib.Primitive]:
    write_mesh(path, mesh, camera)
    gltf = pygltflib.GLTF2().load_binary(path)
    return gltf, gltf.meshes[0].primitives[0]


def test_positions_are_turned_to_y_up_and_keep_their_metres(tmp_path):
    gltf, primitive = written(tmp_path / "a.glb", textured())
    positions = numbers(gltf, primitive.attributes.POSITION)
    assert np.array_equal(positions, slope() * TO_VIEWER)
    accessor = gltf.accessors[primitive.attributes.POSITION]
    assert np.array_equal(np.float32([accessor.min, accessor.max]), [positions.min(0), positions.max(0)])
    assert gltf.asset.extras == {"axes": "x right, y up, z towards the viewer", "unit": "metre"}


def test_what_is_above_in_the_picture_is_above_and_faces_the_viewer(tmp_path):
    write_mesh(tmp_path / "a.glb", textured())
    read = trimesh.load_scene(tmp_path / "a.glb", process=False).to_mesh()
    assert read.vertices[0][1] > 0 > read.vertices[-1][1]
    assert read.vertices[0][0] < 0 < read.vertices[-1][0]
    assert (np.sum(read.face_normals * -read.triangles_center, axis=1) > 0).all()


def test_a_vertex_finds_its_colour_in_the_texture(tmp_path):
    gltf, primitive = written(tmp_path / "a.glb", textured())
    mime_type, picture = embedded(gltf)
    assert mime_type == "image/png"
    assert np.array_equal(picture, PICTURE)
    # glTF: (0, 0) is the upper left corner of the upper left pixel
    columns, rows = (numbers(gltf, primitive.attributes.TEXCOORD_0) * PICTURE.shape[1::-1]).astype(int).T
    assert np.array_equal(picture[rows, columns], PICTURE.reshape(-1, 3))


def test_trimesh_finds_the_same_colours(tmp_path):
    write_mesh(tmp_path / "a.glb", textured())
    (read,) = trimesh.load_scene(tmp_path / "a.glb", process=False).geometry.values()
    assert np.array_equal(read.faces, grid_triangles(CAMERA.shape))
    assert np.array_equal(read.visual.to_color().vertex_colors[:, :3], PICTURE.reshape(-1, 3))


def test_large_photographs_are_jpeg_small_ones_exact(tmp_path):
    noise = np.random.default_rng(0).integers(120, 136, (1700, 1700, 3), np.uint8)
    photo = noise + np.linspace(0, 100, 1700).astype(np.uint8)[:, None]
    gltf, _ = written(tmp_path / "a.glb", textured(picture=photo))
    mime_type, picture = embedded(gltf)
    assert mime_type == "image/jpeg"
    assert np.abs(picture.astype(int) - photo).mean() < 4


def test_the_photograph_is_shown_as_it_is_from_both_sides(tmp_path):
    gltf, _ = written(tmp_path / "a.glb", textured())
    (material,) = gltf.materials
    assert material.doubleSided
    assert "KHR_materials_unlit" in material.extensions
    assert gltf.extensionsUsed == ["KHR_materials_unlit"]
    # for viewers that know no unlit
    assert material.pbrMetallicRoughness.metallicFactor == 0
    assert material.pbrMetallicRoughness.roughnessFactor == 1


def test_colours_of_vertices_are_linear_and_come_back_exactly(tmp_path):
    gltf, primitive = written(tmp_path / "a.glb", coloured())
    light = numbers(gltf, primitive.attributes.COLOR_0)[:, :3] / 65535
    shades = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.array_equal(np.rint(255 * shades), PICTURE.reshape(-1, 3))
    assert gltf.accessors[primitive.attributes.COLOR_0].normalized


@pytest.mark.parametrize(("shade", "light"), [(0, 0), (1, 20), (128, 14146), (188, 32957), (255, 65535)])
def test_hand_made_shades(tmp_path, shade, light):
    mesh = coloured()
    colours = np.full((len(mesh.vertices), 3), shade, np.uint8)
    gltf, primitive = written(tmp_path / "a.glb", Mesh(mesh.vertices, mesh.triangles, colours))
    assert numbers(gltf, primitive.attributes.COLOR_0)[0].tolist() == [light, light, light, 65535]


def test_a_shape_without_a_picture_is_lit(tmp_path):
    mesh = coloured()
    gltf, primitive = written(tmp_path / "a.glb", Mesh(mesh.vertices, mesh.triangles))
    assert not gltf.materials[0].extensions
    assert primitive.attributes.COLOR_0 is None


@pytest.mark.parametrize(("count", "kind"), [(65_535, 5123), (65_536, 5125)])
def test_indices_are_as_short_as_they_can_be(tmp_path, count, kind):
    vertices = np.random.default_rng(0).random((count, 3), np.float32)
    triangles = np.array([[0, 1, count - 1]], np.int32)
    gltf, primitive = written(tmp_path / "a.glb", Mesh(vertices, triangles))
    assert gltf.accessors[primitive.indices].componentType == kind
    assert numbers(gltf, primitive.indices).ravel().tolist() == [0, 1, count - 1]


def test_points_are_points_without_normals(tmp_path):
    write_points(tmp_path / "a.glb", cloud())
    gltf = pygltflib.GLTF2().load_binary(tmp_path / "a.glb")
    (primitive,) = gltf.meshes[0].primitives
    assert primitive.mode == pygltflib.POINTS
    assert primitive.attributes.NORMAL is None
    assert np.array_equal(numbers(gltf, primitive.attributes.POSITION), slope() * TO_VIEWER)


@pytest.mark.parametrize("turn", [0.0, 0.3, np.pi])
def test_the_camera_node_sees_what_the_picture_shows(tmp_path, turn):
    rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    camera = CAMERA.moved((0.5, -0.3, 0.1), rotation)
    write_mesh(tmp_path / "a.glb", textured(camera), camera)
    gltf = pygltflib.GLTF2().load_binary(tmp_path / "a.glb")
    (node,) = (node for node in gltf.nodes if node.camera is not None)
    x, y, z, w = node.rotation
    to_world = trimesh.transformations.quaternion_matrix([w, x, y, z])[:3, :3]
    inside = (slope(camera) * TO_VIEWER - node.translation) @ to_world
    # glTF 2.0, 3.10.3: the camera looks along -z, yfov spans the height
    perspective = gltf.cameras[0].perspective
    share_y = inside[:, 1] / -inside[:, 2] / np.tan(perspective.yfov / 2)
    share_x = inside[:, 0] / -inside[:, 2] / np.tan(perspective.yfov / 2) / perspective.aspectRatio
    height, width = camera.shape
    pixels = np.stack([(1 + share_x) * width / 2, (1 - share_y) * height / 2], axis=1)
    np.testing.assert_allclose(pixels, camera.pixel_centres(), atol=1e-4)


def test_chunks_and_views_begin_at_multiples_of_four(tmp_path):
    write_mesh(tmp_path / "a.glb", textured(), CAMERA)
    data = (tmp_path / "a.glb").read_bytes()
    magic, version, length, text_bytes, kind = struct.unpack("<4sIII4s", data[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    assert text_bytes % 4 == length % 4 == 0
    views = json.loads(data[20 : 20 + text_bytes])["bufferViews"]
    assert len(views) == 4
    assert all(view["byteOffset"] % 4 == 0 for view in views)


def test_more_than_the_format_can_count_is_refused():
    assert struct.unpack("<4sII", file_header("a.glb", 2**32 - 4)) == (b"glTF", 2, 2**32 - 4)
    with pytest.raises(FileError, match=r"a\.glb: would have 4\.3 GB, and a GLB at most 4\.2: write \.ply"):
        file_header("a.glb", 2**32)
