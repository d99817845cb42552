"""Runs the commands of docs/gallery.md and keeps a small copy of every picture that the page shows.

python docs/make_gallery.py
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageSequence

DOCS = Path(__file__).parent
PAGE = DOCS / "gallery.md"
EXAMPLES = DOCS.parent / "examples"
COMMAND = Path(sys.executable).with_name("openmidas")
LONGER_SIDE_PX = 900
QUALITY = 80


def desk(folder: Path) -> None:
    """photo.jpg and the folder holiday, as the pages suppose them."""
    shutil.copy(EXAMPLES / "coffee.jpg", folder / "photo.jpg")
    (folder / "holiday").mkdir()
    for path in EXAMPLES.glob("*.jpg"):
        shutil.copy(path, folder / "holiday")


def keep_small(source: Path, target: Path) -> None:
    """At most 900 pixels a side, as WebP, moving if it moves."""
    with Image.open(source) as picture:
        frames = [frame.copy() for frame in ImageSequence.Iterator(picture)]
        duration_ms = picture.info.get("duration", 0)
    for frame in frames:
        frame.thumbnail((LONGER_SIDE_PX, LONGER_SIDE_PX), Image.Resampling.LANCZOS)
    moving = {"save_all": True, "append_images": frames[1:], "duration": duration_ms, "loop": 0}
    frames[0].save(target, quality=QUALITY, method=6, **(moving if len(frames) > 1 else {}))
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Run every command of the page in its order, then copy every picture."""
    text = PAGE.read_text(encoding="utf8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        desk(folder)
        for line in re.findall(r"^\$ openmidas (.*)$", text, re.MULTILINE):
            subprocess.run([COMMAND, *shlex.split(line)], cwd=folder, check=True)
        for made, shown in re.findall(r"<!-- (.+?) -->\n!\[[^\]]*\]\((.+?)\)", text):
            keep_small(folder / made, DOCS / shown)


if __name__ == "__main__":
    main()
