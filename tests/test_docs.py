"""README and docs say what is true: their Python examples give what they print, their commands run."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = Path(sys.executable).with_name("openmidas")


def commands(page: Path) -> list[str]:
    """The lines `$ openmidas …` of the page's console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf8"), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ openmidas")]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the pages suppose it: a photo, and a folder of them."""
    examples = sorted((ROOT / "examples").glob("*.jpg"))
    shutil.copy(ROOT / "examples" / "coffee.jpg", tmp_path / "photo.jpg")
    (tmp_path / "holiday").mkdir()
    for path in examples:
        shutil.copy(path, tmp_path / "holiday")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_give_what_they_print(page: Path, desk: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_commands_run(page: Path, desk: Path) -> None:
    for line in commands(page):
        done = subprocess.run([COMMAND, *shlex.split(line)[1:]], capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_readme_has_commands_to_run() -> None:
    assert len(commands(ROOT / "README.md")) >= 3


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf8"), flags=re.DOTALL)  # code is no link
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
