"""Contact sheets, plots and figures: everything is there, in its place, in a file of the kind that was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cards import SHAPE, card_before_wall
from PIL import Image

from openmidas.files.errors import FileError
from openmidas.scene.damage import Probe, Reach, reach_of, to_probe
from openmidas.scene.figure import (
    TOO_FAR_DAMAGE,
    Entry,
    View,
    standard_views,
    to_contact_sheet,
    write_damage_plot,
    write_figure,
)
from openmidas.scene.layers import build_scene

IMAGE, DEPTH_MAP, CAMERA = card_before_wall()


@pytest.fixture(scope="module")
def parts() -> tuple[Probe, Reach, list[View]]:
    scene = build_scene(IMAGE, DEPTH_MAP, CAMERA)
    probe = to_probe(scene)
    reach = reach_of(probe)
    return probe, reach, standard_views(scene, probe, reach)


def test_the_views_go_as_far_as_they_may_and_the_last_too_far(parts: tuple[Probe, Reach, list[View]]) -> None:
    _, reach, views = parts
    assert [view.name for view in views] == [
        "centre",
        "left",
        "right",
        "up",
        "down",
        "forward",
        "too far right",
    ]
    assert all(view.damage <= reach.damage for view in views[:-1])
    assert views[-1].damage > 2 * reach.damage
    assert views[-1].damage <= TOO_FAR_DAMAGE
    assert "right: " in views[-1].label
    assert f"{views[-1].damage:.0%} damage" in views[-1].label


def test_the_sheet_has_the_views_with_a_label_below_each(parts: tuple[Probe, Reach, list[View]]) -> None:
    _, _, views = parts
    sheet = to_contact_sheet(DEPTH_MAP, views)
    height, width = SHAPE
    assert sheet.shape == (8 + 2 * (height + 34), 8 + 4 * (width + 8), 3)
    np.testing.assert_array_equal(sheet[8 : 8 + height, 8 : 8 + width], views[0].picture)
    second_row = sheet[8 + height + 34 :]
    np.testing.assert_array_equal(second_row[:height, 8 : 8 + width], views[3].picture)
    for column in range(4):
        label = sheet[8 + height : 8 + height + 26, 8 + column * (width + 8) :][:, :width]
        assert (label < 100).any()
        assert (label[:, :1] == 255).all()


def test_a_figure_is_written_as_png_and_as_pdf(
    tmp_path: Path, parts: tuple[Probe, Reach, list[View]]
) -> None:
    probe, reach, views = parts
    entry = Entry(IMAGE, DEPTH_MAP, views[-2:])
    write_figure(tmp_path / "figure.png", [entry, entry])
    with Image.open(tmp_path / "figure.png") as figure:
        assert min(figure.size) > 500
        assert np.asarray(figure.convert("RGB")).std() > 20
    write_figure(tmp_path / "figure.pdf", [entry])
    write_damage_plot(tmp_path / "damage.pdf", probe, reach)
    for name in ("figure.pdf", "damage.pdf"):
        assert (tmp_path / name).read_bytes().startswith(b"%PDF")


def test_the_same_pictures_give_the_same_pdf(tmp_path: Path, parts: tuple[Probe, Reach, list[View]]) -> None:
    for name in ("one.pdf", "two.pdf"):
        write_figure(tmp_path / name, [Entry(IMAGE, DEPTH_MAP, parts[2][-1:])])
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()


def test_what_cannot_be_drawn_is_refused(tmp_path: Path, parts: tuple[Probe, Reach, list[View]]) -> None:
    with pytest.raises(FileError, match="png or"):
        write_figure(tmp_path / "figure.docx", [Entry(IMAGE, DEPTH_MAP, parts[2])])
    with pytest.raises(ValueError, match="at least one"):
        write_figure(tmp_path / "figure.png", [])
    assert list(tmp_path.iterdir()) == []
