"""The page for everybody: by keyboard, on a phone, in the dark, with a screen reader, behind a token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser import Watched
from live import served
from playwright.sync_api import Browser

from openmidas.app.settings import Settings

pytest_plugins = ["page_fixtures"]

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text(encoding="utf8")
SCREENS = [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)]


def faults(watched: Watched) -> list[str]:
    """What axe finds wrong with the page as it is, one line each."""
    watched.page.evaluate(AXE)
    found = watched.page.evaluate("axe.run()")["violations"]
    return [f"{fault['id']} ({fault['impact']}): {fault['nodes'][0]['html']}" for fault in found]


@pytest.mark.parametrize(("scheme", "width_px"), SCREENS)
def test_axe_finds_nothing_and_nothing_lies_beside_the_screen(
    browser: Browser, site: str, photo: Path, tmp_path: Path, scheme: str, width_px: int
) -> None:
    watched = Watched.opened(browser, site, scheme, width_px)
    page = watched.page
    empty = faults(watched)
    watched.open_photo(photo)
    page.click("#turn")
    page.get_by_text("The camera is at 0 %").wait_for()
    page.check("#free")
    page.locator("#makers").get_by_text("Fog").click()
    page.locator("#made img").evaluate("image => image.decode()")
    page.screenshot(path=tmp_path / f"{scheme}-{width_px}.png", full_page=True)
    full, width = faults(watched), page.evaluate("document.documentElement.scrollWidth")
    page.context.close()
    assert empty == []
    assert full == []
    assert width == width_px


def test_axe_sees_a_fault(watched: Watched) -> None:
    watched.page.locator("main").evaluate("main => { main.append(document.createElement('input')); }")
    assert any(fault.startswith("label") for fault in faults(watched))


def focus_by_tab(watched: Watched, name: str) -> None:
    """Tab on until the element with that id has the focus."""
    for _ in range(60):
        watched.page.keyboard.press("Tab")
        if watched.page.evaluate("document.activeElement.id") == name:
            return
    raise AssertionError(f"#{name} cannot be reached by the keyboard")


def test_the_keyboard_alone_suffices(watched: Watched, photo: Path) -> None:
    page = watched.page
    with page.expect_file_chooser() as chooser:  # asked for first: it takes effect some time after it returns
        focus_by_tab(watched, "file")
        page.keyboard.press("Space")
    chooser.value.set_files(photo)
    page.get_by_text("Done in").wait_for()
    focus_by_tab(watched, "view")
    page.keyboard.press("Shift+ArrowUp")
    assert "Inverse depth" in page.locator("#reading").inner_text()
    focus_by_tab(watched, "divide")
    page.keyboard.press("End")
    assert page.locator("#divide").input_value() == "100"
    focus_by_tab(watched, "colormap")
    page.keyboard.press("t")
    assert page.locator("#colormap").input_value() == "turbo"
    focus_by_tab(watched, "near")
    page.keyboard.type("1")
    focus_by_tab(watched, "far")
    page.keyboard.type("4")
    assert "by your 1 m and 4 m" in page.locator("#reading").inner_text()
    focus_by_tab(watched, "turn")
    page.keyboard.press("Enter")
    page.get_by_text("The camera is at 0 %").wait_for()
    focus_by_tab(watched, "free")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")  # to the scene
    page.keyboard.press("ArrowLeft")
    page.get_by_text("Too far").wait_for()
    page.keyboard.press("Home")
    page.get_by_text("The camera is at 0 %").wait_for()


def test_where_the_focus_is_can_be_seen(watched: Watched, photo: Path) -> None:
    watched.open_photo(photo)
    for name in ("view", "divide", "model", "near", "turn"):
        focus_by_tab(watched, name)
        outline = watched.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", name


def test_planes_that_make_no_sense_are_told(watched: Watched, photo: Path) -> None:
    watched.open_photo(photo)
    watched.page.fill("#near", "4")
    watched.page.fill("#far", "2")
    watched.page.locator("#far").blur()
    message = watched.page.locator("#far").evaluate("input => input.validationMessage")
    assert message == "The farthest has to be farther than the nearest."
    watched.page.fill("#far", "8")
    watched.page.locator("#far").blur()
    assert watched.page.locator("#far").evaluate("input => input.validationMessage") == ""


def test_a_server_with_a_token_is_asked_for_it_once(browser: Browser, photo: Path) -> None:
    with served(Settings(port=0, token="a-long-enough-secret")) as address:
        watched = Watched.opened(browser, f"{address}/")
        watched.page.fill("#token", "wrong")
        watched.page.keyboard.press("Enter")
        watched.page.locator("#problem:not(:empty)").wait_for()
        watched.page.fill("#token", "a-long-enough-secret")
        watched.page.keyboard.press("Enter")
        watched.page.locator("#model option").wait_for(state="attached")
        assert not watched.page.locator("#login").is_visible()
        watched.open_photo(photo)
        stored = watched.page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        watched.page.context.close()
    assert json.loads(stored) == [{}, {}, ""]


def test_a_late_word_on_an_earlier_token_does_not_ask_again(browser: Browser) -> None:
    with served(Settings(port=0, token="a-long-enough-secret")) as address:
        watched = Watched.opened(browser, f"{address}/")
        watched.page.locator("#problem:not(:empty)").wait_for()
        watched.page.evaluate("""() => {
            const asked = window.fetch;
            window.fetch = async (address, options) => {
                const answer = await asked(address, { ...options, signal: undefined });
                if (answer.status === 401) await new Promise((go) => setTimeout(go, 500));
                options.signal?.throwIfAborted();
                return answer;
            };
        }""")
        for token in ("wrong", "a-long-enough-secret"):
            watched.page.fill("#token", token)
            watched.page.keyboard.press("Enter")
        watched.page.locator("#model option").wait_for(state="attached")
        watched.page.wait_for_timeout(1000)
        assert not watched.page.locator("#login").is_visible()
        watched.page.context.close()
