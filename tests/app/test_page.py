"""The page, from a photo to its depth, its scene and its files, in a real browser."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from browser import Watched
from PIL import Image
from playwright.sync_api import Page, Route

import openmidas
from openmidas.files import read_depth, read_image
from openmidas.files.heatmap import Colormap, to_heatmap

pytest_plugins = ["page_fixtures"]

VIOLET = (209, 0, 201)

# by DataTransfer, as browsers hand over what is dropped or pasted
HANDED_OVER = """([kind, name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type: "image/png" }));
  const event = kind === "drop"
    ? new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}"""


def point_at(watched: Watched, row: int, column: int, shape: tuple[int, int]) -> str:
    """What the page says of a pixel of the picture when one points at it."""
    box = watched.page.locator("#view").bounding_box()
    assert box
    x, y = (column + 0.5) / shape[1] * box["width"], (row + 0.5) / shape[0] * box["height"]
    watched.page.locator("#view").hover(position={"x": x, "y": y})
    return watched.page.locator("#reading").inner_text()


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean difference of two pictures of any size, in steps of 255."""
    small = [cv2.resize(picture, (48, 32), interpolation=cv2.INTER_AREA) for picture in (first, second)]
    return float(np.abs(small[0].astype(float) - small[1]).mean())


def test_the_depth_map_shown_is_the_heatmap_of_the_package(watched: Watched, photo: Path) -> None:
    watched.open_photo(photo)
    depth_map = openmidas.load()(photo)
    for colormap in get_args(Colormap):
        watched.page.select_option("#colormap", colormap)
        off = np.abs(watched.canvas("#depth").astype(int) - to_heatmap(depth_map, colormap)).max(axis=2)
        # the page finds its percentiles from a sample of its own, which may move a colour by a shade
        assert np.mean(off > 8) < 0.01, colormap


def test_a_point_is_read_in_numbers_and_in_metres_once_they_are_stated(watched: Watched, photo: Path) -> None:
    watched.open_photo(photo)
    values = openmidas.load()(photo).values
    nearest = np.unravel_index(values.argmax(), values.shape)
    middle = (56, 84)
    read = point_at(watched, *middle, values.shape)
    assert float(re.findall(r"Inverse depth ([\d.]+), without a unit", read)[0]) == pytest.approx(
        values[middle], rel=0.01
    )
    watched.page.fill("#near", "2")
    assert "without a unit" in point_at(watched, *middle, values.shape), "far is still missing"
    watched.page.fill("#far", "9")
    read = point_at(watched, int(nearest[0]), int(nearest[1]), values.shape)
    assert read.startswith("2.00 m (by your 2 m and 9 m); nearer than")


def test_the_slider_uncovers_the_picture_or_its_depth(watched: Watched, photo: Path) -> None:
    watched.open_photo(photo)
    picture, depth = watched.canvas("#picture"), watched.canvas("#depth")
    watched.page.focus("#divide")
    watched.page.keyboard.press("End")
    assert difference(watched.seen("#view"), picture) < 3
    watched.page.keyboard.press("Home")
    assert difference(watched.seen("#view"), depth) < 3
    for _ in range(50):
        watched.page.keyboard.press("ArrowRight")
    left, right = np.hsplit(cv2.resize(watched.seen("#view"), (168, 112), interpolation=cv2.INTER_AREA), 2)
    assert difference(left, picture[:, :84]) < 3
    assert difference(right, depth[:, 84:]) < 3


def test_the_edge_can_be_dragged(watched: Watched, photo: Path) -> None:
    watched.open_photo(photo)
    box = watched.page.locator("#view").bounding_box()
    assert box
    watched.page.mouse.move(box["x"] + box["width"] / 2 + 9, box["y"] + 20)
    watched.page.mouse.down()
    watched.page.mouse.move(box["x"] + box["width"] / 4, box["y"] - 40)
    watched.page.mouse.up()
    watched.page.mouse.move(box["x"] + 5, box["y"] + 20)
    assert watched.page.locator("#divide").input_value() == "25"
    seen = cv2.resize(watched.seen("#view"), (168, 112), interpolation=cv2.INTER_AREA)
    assert difference(seen[:, 50:], watched.canvas("#depth")[:, 50:]) < 3


def holes_told(page: Page) -> int:
    """The share of the view that the page says is empty, in percent."""
    return int(re.findall(r"holes cover (\d+) %", page.locator("#space-reading").inner_text())[0])


def test_the_scene_is_drawn_in_3d_within_reach_and_beyond_only_when_forced(
    watched: Watched, photo: Path
) -> None:
    watched.open_photo(photo)
    page = watched.page
    page.click("#turn")
    page.get_by_text("The camera is at 0 %").wait_for()
    assert difference(watched.seen("#space canvas"), read_image(photo)) < 6, (
        "from its own place it is the picture"
    )
    cuts = holes_told(page)  # which are a pixel wide and show, also from there
    page.focus("#space canvas")
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    page.get_by_text("The camera is at 100 %").wait_for()
    assert 3 <= holes_told(page) - cuts <= 6, "the reach ends where 5 % of a view are wrong"
    for _ in range(25):
        page.keyboard.press("ArrowUp")
    page.wait_for_timeout(500)  # longer than it takes to tell where the camera came to rest
    page.get_by_text("The camera is at 100 %").wait_for()
    page.check("#free")
    page.focus("#space canvas")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.get_by_text("Too far: more than 5 %").wait_for()
    assert np.mean(np.abs(watched.seen("#space canvas") - np.array(VIOLET)).max(axis=2) < 4) > 0.1


def test_the_download_is_a_16_bit_png_of_the_depth_map(watched: Watched, photo: Path, tmp_path: Path) -> None:
    watched.open_photo(photo)
    with watched.page.expect_download() as coming:
        watched.page.click("text=PNG, 16 bit")
    assert coming.value.suggested_filename == "cup_depth.png"
    coming.value.save_as(tmp_path / "depth.png")
    with Image.open(tmp_path / "depth.png") as image:
        assert image.mode == "I;16"
    wanted = openmidas.load()(photo)
    read = read_depth(tmp_path / "depth.png")
    assert (read.quantity, read.ambiguity) == (wanted.quantity, wanted.ambiguity)
    np.testing.assert_allclose(read.values, wanted.values, atol=np.ptp(wanted.values) / 60_000)


@pytest.mark.parametrize("ending", ["depth.pfm", "depth.npz", "heatmap.jpg", "depth.json", "scene.glb"])
def test_every_other_format_can_be_downloaded(watched: Watched, photo: Path, ending: str) -> None:
    labels = {"depth.pfm": "PFM", "depth.npz": "NPZ", "heatmap.jpg": "Heatmap", "depth.json": "Statistics"}
    watched.open_photo(photo)
    with watched.page.expect_download() as coming:
        watched.page.locator("#downloads button", has_text=labels.get(ending, "GLB")).click()
    assert coming.value.suggested_filename == f"cup_{ending}"
    assert coming.value.path().stat().st_size > 100


def test_everything_that_can_be_made_is_shown(watched: Watched, photo: Path) -> None:
    watched.open_photo(photo)
    buttons = watched.page.locator("#makers button")
    for label in buttons.all_inner_texts():
        watched.page.locator("#makers").get_by_text(label, exact=True).click()
        watched.page.locator("#made h4").get_by_text(label, exact=True).wait_for()
        shown = watched.page.locator("#made img, #made video")
        shown.evaluate(
            "thing => thing.decode?.() ?? (thing.readyState || new Promise(done => thing.onloadeddata = done))"
        )
        width = shown.evaluate("thing => thing.naturalWidth ?? thing.videoWidth")
        assert width >= 160, label


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_can_be_dropped_or_pasted(watched: Watched, photo: Path, way: str) -> None:
    content = base64.b64encode(photo.read_bytes()).decode()
    watched.page.evaluate(HANDED_OVER, [way, "handed-over.png", content])
    watched.page.get_by_text("Done in").wait_for()
    assert watched.page.locator("#photo-name").inner_text() == "handed-over.png"
    assert watched.canvas("#picture").shape == (112, 168, 3)


def test_a_photo_can_be_taken(watched: Watched) -> None:
    watched.page.click("#shoot")
    watched.page.locator("#camera-view").evaluate(
        "video => video.videoWidth || new Promise(done => video.onloadeddata = done)"
    )
    watched.page.click("#camera-take")
    watched.page.get_by_text("Done in").wait_for()
    assert watched.page.locator("#photo-name").inner_text() == "photo.jpg"
    assert not watched.page.locator("#camera").is_visible()
    assert watched.canvas("#picture").std() > 10


def test_what_is_transparent_lies_on_white_as_in_the_package(
    watched: Watched, photo: Path, tmp_path: Path
) -> None:
    with Image.open(photo) as image:
        half = np.repeat(np.uint8([0, 255]), image.width // 2)
        image.putalpha(Image.fromarray(np.tile(half, (image.height, 1))))
        image.save(tmp_path / "cut-out.png")
    watched.open_photo(tmp_path / "cut-out.png")
    np.testing.assert_array_equal(watched.canvas("#picture"), read_image(tmp_path / "cut-out.png"))


def test_a_large_photo_is_shown_small_and_made_whole(watched: Watched, tmp_path: Path) -> None:
    large = np.kron(np.arange(64, dtype=np.uint8).reshape(8, 8, 1) * 4, np.ones((150, 250, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "large.png"), large)
    watched.open_photo(tmp_path / "large.png")
    assert watched.canvas("#picture").shape == (576, 960, 3)
    with watched.page.expect_download() as coming:
        watched.page.click("text=PNG, 16 bit")
    with Image.open(coming.value.path()) as image:
        assert image.size == (2000, 1200)


def test_a_picture_that_the_browser_does_not_know_still_gets_its_depth(
    watched: Watched, photo: Path, tmp_path: Path
) -> None:
    with Image.open(photo) as image:
        image.save(tmp_path / "scan.tiff")
    watched.open_photo(tmp_path / "scan.tiff")
    assert "cannot show such a file" in watched.page.locator("#reading").inner_text()
    assert difference(watched.canvas("#depth"), to_heatmap(openmidas.load()(photo))) < 3


def test_what_was_opened_in_this_visit_comes_back_without_asking(
    watched: Watched, photo: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.png"
    cv2.imwrite(str(second), cv2.flip(cv2.imread(str(photo)), 1))
    watched.open_photo(photo)
    first = watched.canvas("#depth")
    watched.open_photo(second)
    asked = len(watched.asked)
    watched.page.locator("#visited").get_by_role("button", name="cup.png").click()
    assert watched.page.locator("#photo-name").inner_text() == "cup.png"
    np.testing.assert_array_equal(watched.canvas("#depth"), first)
    assert len(watched.asked) == asked
    watched.page.reload()
    assert not watched.page.locator("#visit").is_visible()


def test_what_takes_long_goes_on_beside_a_download_but_not_under_another_photo(
    watched: Watched, photo: Path, tmp_path: Path
) -> None:
    page, held = watched.page, list[Route]()
    second = tmp_path / "second.png"
    second.write_bytes(photo.read_bytes())
    watched.open_photo(second)
    watched.open_photo(photo)
    page.route("**/v1/effect/fog**", lambda route: held.append(route))
    fog = page.locator("#makers").get_by_text("Fog")
    with page.expect_request("**/v1/effect/fog**"):
        fog.click()
    with page.expect_download() as coming:
        page.click("text=PNG, 16 bit")
    assert coming.value.suggested_filename == "cup_depth.png"
    assert page.locator("#busy").is_visible()
    held.pop().continue_()
    page.get_by_text("Save cup_fog.png").wait_for()
    with page.expect_request("**/v1/effect/fog**"):
        fog.click()
    with page.expect_event("requestfailed"):
        page.locator("#visited").get_by_role("button", name="second.png").click()
    page.locator("#busy").wait_for(state="hidden")
    assert page.locator("#made").inner_text() == ""


def test_what_is_no_picture_is_told_in_plain_words(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("not a picture")
    watched.page.set_input_files("#file", tmp_path / "note.txt")
    problem = watched.page.locator("#problem:not(:empty)").inner_text()
    assert len(problem) > 20
    assert not re.search(r"[{}]|422|Error", problem), problem
    assert not watched.page.locator("#photo").is_visible()
    refused = watched.complaints.pop()  # browsers log what a server refuses
    assert "422" in refused
