"""`import openmidas` is light; predicting needs no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import openmidas

HEAVY = ("torch", "cv2", "PIL", "onnxruntime", "onnx", "scipy", "rich", "click", "OpenEXR", "numba", "ray")
EXAMPLE = Path(__file__).parent.parent / "examples" / "cat.jpg"
REPORT = """
import json, resource, sys
cpu_s = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"modules": sorted(sys.modules), "cpu_s": cpu_s.ru_utime + cpu_s.ru_stime}))
"""


def run_python(code: str, path: Sequence[Path] = ()) -> dict[str, object]:
    """What a fresh process has loaded, and the CPU seconds it took, after running the code."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, "-c", code + REPORT]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def heavy(modules: Collection[str]) -> set[str]:
    return {module for module in modules if module.split(".")[0] in HEAVY}


def test_import_is_light() -> None:
    after = run_python("import openmidas")
    assert not heavy(after["modules"])
    # CPU time, so that a busy machine does not fail it; an empty Python takes 0.01 to 0.03
    assert after["cpu_s"] < 0.25


def test_the_test_above_sees_a_heavy_import(tmp_path: Path) -> None:
    package = tmp_path / "openmidas"
    package.mkdir()
    (tmp_path / "torch.py").write_text("from time import process_time\nwhile process_time() < 0.3: pass\n")
    (package / "__init__.py").write_text(Path(openmidas.__file__).read_text() + "\nimport torch\n")
    after = run_python("import openmidas", [tmp_path])
    assert heavy(after["modules"]) == {"torch"}
    assert after["cpu_s"] > 0.25


def test_predicting_loads_neither_torch_nor_what_the_picture_does_not_need(tmp_path: Path) -> None:
    arguments = ["openmidas", str(EXAMPLE), "-o", str(tmp_path)]
    after = run_python(f"""
import sys
sys.argv = {arguments!r}
from openmidas.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
""")
    loaded = {module.split(".")[0] for module in after["modules"]}
    assert {"cv2", "onnxruntime", "click"} <= loaded
    assert not {"torch", "onnx", "scipy", "rich", "typer", "pydantic", "OpenEXR", "pillow_heif"} & loaded
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat_depth.png", "cat_heatmap.png"]


def test_predicting_leaves_nothing_at_home(tmp_path: Path) -> None:
    """No device id and no store of telemetry, as ONNX Runtime would have them."""
    home, environment = tmp_path / "home", dict(os.environ)
    home.mkdir()
    environment |= {"HOME": str(home), "USERPROFILE": str(home)}
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        environment.pop(name, None)
    command = [Path(sys.executable).with_name("openmidas"), EXAMPLE, "-o", tmp_path]
    subprocess.run(command, capture_output=True, env=environment, check=True)
    assert not list(home.rglob("*"))


def test_a_published_network_without_torch_says_what_to_install() -> None:
    code = """
import sys
sys.modules["torch"] = None
import openmidas
try:
    openmidas.load("dpt_large_384")
except ModuleNotFoundError as error:
    assert str(error) == "dpt_large_384 needs torch: pip install 'openmidas[train]'", error
else:
    raise AssertionError
"""
    run_python(code, [Path(openmidas.__file__).parent.parent])
