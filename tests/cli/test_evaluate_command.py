"""`openmidas evaluate` as a user runs it, on data sets of a few pictures that the tests make."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Run

from openmidas.cli import evaluate as command
from openmidas.depth_map import DepthMap
from openmidas.files import write_depth

SHAPE = (40, 48)
NAMES = ("room/one", "room/two", "street/three")
# the picture holds the truth in its gray, in steps of 1/100 of 1/m: a function of it can be exact
FUNCTIONS = """
import numpy as np

def exact(image):
    return 2.5 * image[..., 0].astype(np.float32) - 7

def upside_down(image):
    return np.ascontiguousarray(image[::-1, :, 0]).astype(np.float32)
"""


@pytest.fixture
def measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pictures with measured depth, and a module of functions in the working folder."""
    monkeypatch.syspath_prepend(folder)
    (folder / "predictors_of_a_test.py").write_text(FUNCTIONS)
    data = folder / "data"
    data.mkdir()
    lines = ["name,set,target"]
    for name in NAMES:
        set_name, stem = name.split("/")
        gray = grays(stem)
        Image.fromarray(np.stack([gray] * 3, axis=-1)).save(data / f"{stem}.webp", lossless=True)
        np.savez(data / f"{stem}_target.npz", inverse_depth=gray / np.float32(100))
        lines.append(f"{stem},{set_name},metric")
    (data / "index.csv").write_text("\n".join(lines))
    return data


@pytest.fixture
def sintel(folder: Path) -> Path:
    """Two frames of a film, in the layout of Sintel."""
    for number in (1, 2):
        gray = grays(f"frame {number}")
        picture = folder / "sintel" / "training" / "final" / "alley" / f"frame_{number:04}.png"
        depth = folder / "sintel" / "training" / "depth" / "alley" / f"frame_{number:04}.dpt"
        for path in (picture, depth):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.stack([gray] * 3, axis=-1)).save(picture)
        header = struct.pack("<fii", 202021.25, SHAPE[1], SHAPE[0])
        depth.write_bytes(header + (100 / gray.astype("<f4")).tobytes())
    return folder / "sintel"


def grays(stem: str) -> np.ndarray:
    return np.random.default_rng(sum(stem.encode())).integers(10, 255, SHAPE, dtype=np.uint8)


def row(text: str, start: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(start))


def test_an_exact_affine_predictor_scores_nothing(openmidas: Run, measured: Path) -> None:
    result = openmidas(
        *("evaluate", "--model", "predictors_of_a_test:exact,predictors_of_a_test:upside_down"),
        *("--data", f"measured={measured}", "--protocol", "measured", "-o", "run"),
    )
    assert (result.code, result.err) == (0, "")
    assert row(result.out, "predictors_of_a_test:exact")[1:4] == [".0000", "/", "1.000"]
    assert row(result.out, "  pictures") == ["pictures", "3", "of", "3"]
    held = json.loads(Path("run/summary.json").read_text(encoding="utf8"))
    exact, upside_down = (line["figures"]["measured"]["AbsRel"] for line in held["lines"])
    assert exact < 1e-5 < 0.1 < upside_down
    lines = Path("run/results.jsonl").read_text(encoding="utf8").splitlines()
    assert {(r["contestant"], r["name"]) for r in map(json.loads, lines)} == {
        (f"predictors_of_a_test:{function}", name) for function in ("exact", "upside_down") for name in NAMES
    }


def test_a_folder_of_predictions_equals_the_live_predictor(openmidas: Run, measured: Path) -> None:
    for name in NAMES:
        path = Path("ready", f"{name}.npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        values = grays(name.partition("/")[2])[::-1].astype(np.float32)
        write_depth(path, DepthMap.from_values(values, "inverse_depth", "affine_invariant"))
    result = openmidas(
        *("evaluate", "--model", "ready,predictors_of_a_test:upside_down"),
        *("--data", f"measured={measured}", "--protocol", "measured", "-o", "run"),
    )
    assert result.code == 0
    ready, live = json.loads(Path("run/summary.json").read_text())["lines"]
    assert ready["figures"] == live["figures"]


def test_the_published_row_of_the_network_stands_below(openmidas: Run, sintel: Path) -> None:
    for number in (1, 2):
        path = Path("midas_v21_384", "sintel", "alley", f"frame_{number:04}_depth.npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        values = grays(f"frame {number}").astype(np.float32)
        write_depth(path, DepthMap.from_values(values, "inverse_depth", "affine_invariant"))
    result = openmidas("evaluate", "--model", "./midas_v21_384,tiny", "--data", f"sintel={sintel}")
    assert result.code == 0
    assert row(result.out, "midas_v21_384 ")[1:] == [".0000", "+100.0", "%", "+100.0", "%"]
    assert row(result.out, "  pictures") == ["pictures", "2", "of", "1064"]
    assert row(result.out, "midas_v21_384, published")[2:] == [".3285", "+2.5", "%", "+2.5", "%"]
    assert sorted(path.name for path in Path().iterdir()) == ["midas_v21_384", "sintel"]


def test_bad_pictures_are_named_and_counted_and_the_table_stands(openmidas: Run, measured: Path) -> None:
    (measured / "two_target.npz").write_bytes(b"PK, but no archive")
    np.savez(measured / "three_target.npz", inverse_depth=np.zeros(SHAPE, np.float32))
    words = ("evaluate", "--model", "predictors_of_a_test:exact", "--data", f"measured={measured}")
    result = openmidas(*words, "--protocol", "measured")
    assert result.code == 1
    assert row(result.out, "predictors_of_a_test:exact")[1:4] == [".0000", "/", "1.000"]
    assert row(result.out, "  pictures") == ["pictures", "1", "of", "3"]
    first, *failures = result.err.splitlines()
    assert first == "2 failed, and no figure stands on them:"
    assert sorted(line.partition(": ")[0] for line in failures) == [
        "  predictors_of_a_test:exact, measured room/two",
        "  predictors_of_a_test:exact, measured street/three",
    ]
    assert "holds no inverse_depth" in result.err
    assert "no pixel of the target counts" in result.err


def test_what_is_done_is_said_and_a_table_can_be_had_again(openmidas: Run, measured: Path) -> None:
    words = ("evaluate", "--data", f"measured={measured}", "--protocol", "measured", "-o", "run", "--model")
    assert row(openmidas(*words, "tiny", "--limit", "2").out, "  pictures") == ["pictures", "2", "of", "2"]
    whole = openmidas(*words, "tiny")
    assert whole.out.startswith("2 of 3 pictures done before.\n")
    again = openmidas(*words, "tiny").out
    assert again.partition("\n")[2] == whole.out.partition("\n")[2]
    joined = openmidas(*words, "tiny,predictors_of_a_test:exact")
    assert row(joined.out, "tiny")[:4] == row(again, "tiny")[:4]
    assert Path("run/results.jsonl").read_bytes().count(b"\n") == 6


def test_a_page_is_drawn_of_the_run(openmidas: Run, measured: Path) -> None:
    words = ("evaluate", "--data", f"measured={measured}", "--protocol", "measured")
    result = openmidas(*words, "--report", "page.html")
    assert result.code == 0
    assert result.out.endswith("Wrote page.html.\n")
    assert "tiny" in Path("page.html").read_text(encoding="utf8")
    assert not Path("run").exists()


def test_ctrl_c_leaves_a_run_to_go_on_with(
    openmidas: Run, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        "evaluate",
        "--data",
        f"measured={measured}",
        "--protocol",
        "measured",
        "-o",
        "run",
        "--jobs",
        "1",
    )
    done = command.evaluate

    def interrupted(*arguments: object) -> object:
        yield next(done(*arguments))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "evaluate", interrupted)
    result = openmidas(*words)
    assert (result.code, result.out) == (130, "")
    assert result.err.startswith("Stopped. ")
    assert result.err.count("\n") == 1
    monkeypatch.setattr(command, "evaluate", done)
    assert openmidas(*words).out.startswith("1 of 3 pictures done before.\n")


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("--protocol", "midas-2020"), 2, "--data is needed"),
        (("--data", "nyu"), 2, "--data is SET=FOLDER, with commas between, not 'nyu'"),
        (("--data", "diode=x"), 2, "--data has no 'diode': there are diw, eth3d"),
        (("--protocol", "mine", "--data", "nyu=x"), 2, "--protocol has no 'mine'"),
        (("--data", "sintel=nowhere"), 1, "nowhere: no such folder"),
        (("--data", "sintel=sintel", "--model", "midas_v4"), 1, "'midas_v4' is no contestant"),
        (("--data", "sintel=sintel", "--model", "tiny,tiny"), 2, "--model has two of the name tiny"),
    ],
)
def test_what_cannot_be_asked_for_is_said(
    openmidas: Run, sintel: Path, words: tuple[str, ...], code: int, problem: str
) -> None:
    result = openmidas("evaluate", *words)
    assert (result.code, result.out) == (code, "")
    assert problem in result.err
    assert "Traceback" not in result.err


def test_a_run_of_other_data_is_refused_in_one_line(openmidas: Run, measured: Path) -> None:
    words = ("evaluate", "--data", f"measured={measured}", "--protocol", "measured", "-o", "run")
    assert openmidas(*words).code == 0
    (measured / "index.csv").write_text("name,set,target\none,room,metric\n")
    result = openmidas(*words)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(
        "Error: run: holds a run with another data measured (see its run.json): choose"
    )
    assert result.err.count("\n") == 1


def test_the_list_has_protocols_sets_and_published_figures_with_their_source(openmidas: Run) -> None:
    result = openmidas("evaluate", "--list")
    assert result.code == 0
    assert " ".join(row(result.out, "    nyu (NYU)")) == "nyu (NYU) 654 % δ>1.25 inverse depth 0 to 10 m 10 m"
    assert " ".join(row(result.out, "    dpt_beit_large_512")) == (
        "dpt_beit_large_512 .1137 .0659 .2366 6.13 11.56* 1.86*"
    )
    assert "Published (README of MiDaS 3.1" in result.out
    assert max(map(len, result.out.splitlines())) <= 120
