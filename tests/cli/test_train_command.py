"""`openmidas label` and `openmidas train`, end to end on a few pictures."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from running import Run, names, write_picture

from openmidas.cli.train import folders_in, measured_in, recipe_named
from openmidas.cli.train_app import train
from openmidas.files import read_depth
from openmidas.models.presets import EMBEDDED
from openmidas.training.adapting import Wanted, adapted, check_shares
from openmidas.training.distributed import Processes
from openmidas.training.held import read_labelled_photos
from openmidas.training.recipes import RECIPES
from openmidas.training.starting import check_start

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
DOCS = EXAMPLES.parent / "docs"
COMMAND = Path(sys.executable).with_name("openmidas")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Photographs, their labels, two RGB-D pictures of which the recipe holds one out."""
    photos, kinect = tmp_path / "photos", tmp_path / "kinect"
    photos.mkdir()
    kinect.mkdir()
    for name in ("coffee.jpg", "rocket.jpg"):
        shutil.copy(EXAMPLES / name, photos)
    ramp = np.tile(np.linspace(40, 200, 96).astype(np.uint8)[:, None, None], (1, 128, 3))
    for number in ("0001", "0540"):
        cv2.imwrite(str(kinect / f"{number}.webp"), ramp)
        cv2.imwrite(str(kinect / f"{number}_depth.webp"), ramp[::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])
    done = run("label", photos, tmp_path / "labels")
    assert done.stdout.strip().endswith("2 new labels"), done.stderr
    return tmp_path


def test_labels_are_sixteen_bit_and_span_the_range(data: Path) -> None:
    label = cv2.imread(str(data / "labels" / "coffee.png"), cv2.IMREAD_UNCHANGED)
    assert (label.dtype, label.shape) == (np.uint16, (400, 600))
    assert (label.min(), label.max()) == (0, 65535)


@pytest.mark.filterwarnings("ignore")
def test_train_goes_through_both_phases_and_writes_a_network_that_predicts(data: Path) -> None:
    folders = f"photos={data / 'photos'},labels={data / 'labels'},kinect={data / 'kinect'}"
    command = ["train", "tiny", "-o", data / "run", "--data", folders, "--steps", 2, "--start", EMBEDDED]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "Left out, for want of a folder: synthetic." in done.stdout
    lines = [json.loads(line) for line in (data / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert {"loss photos", "loss kinect", "delta1 kinect held out", "abs_rel", "pictures_per_s"} <= set(
        lines[0]
    )
    # before the second phase the photographs were labelled anew
    assert {path.name for path in (data / "run" / "labels-second").iterdir()} == {"coffee.png", "rocket.png"}
    size = (data / "run" / "tiny.onnx").stat().st_size
    assert size == pytest.approx(EMBEDDED.stat().st_size, rel=0.05)
    done = run("predict", EXAMPLES / "coffee.jpg", "-o", data, "--model", data / "run" / "tiny.onnx")
    assert done.returncode == 0, done.stderr
    done = run(*command[:-2], "--steps", 3)
    assert (done.returncode, "another recipe" in done.stderr) == (1, True)
    labels_by_the_run(data)


def labels_by_the_run(data: Path) -> None:
    """The run and older labels label together."""
    done = run(
        "label", data / "photos", data / "better", "--by", data / "run" / "last.pt", "--by", data / "labels"
    )
    assert done.stdout.strip().endswith("2 new labels"), done.stderr


def test_folders_are_given_by_the_recipe_s_names(tmp_path: Path) -> None:
    found = folders_in(["redweb=a,b/c,wsvd=d=e", "megadepth=f"], RECIPES["midas-2020"])
    assert found == {"redweb": Path("a,b/c"), "wsvd": Path("d=e"), "megadepth": Path("f")}


def test_the_home_folder_is_known_behind_an_equals_sign() -> None:
    found = folders_in(["redweb=~/a,wsvd=b~", "megadepth=~"], RECIPES["midas-2020"])
    assert found == {"redweb": Path.home() / "a", "wsvd": Path("b~"), "megadepth": Path.home()}
    assert folders_in(["wsvd=~nobody-has-this-name/a"], RECIPES["midas-2020"]) == {
        "wsvd": Path("~nobody-has-this-name/a")
    }


def test_measured_sets_are_given_by_their_layouts() -> None:
    found = measured_in(["a,b", "nyu=c,d/e,sintel=f=g"])
    assert found == {"measured": Path("a,b"), "nyu": Path("c,d/e"), "sintel": Path("f=g")}
    assert measured_in(["./a=b"]) == {"measured": Path("a=b")}
    assert measured_in(["nyu=~/c"]) == {"nyu": Path.home() / "c"}


def test_errors_of_measured_sets_go_into_the_log_and_choose_the_best(folder: Path) -> None:
    gray = np.tile(np.arange(10, 58, dtype=np.uint8), (40, 1))
    for name in ("own/a.webp", "own/b.webp", "diode/val/indoors/s/c/d.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.dstack([gray] * 3))
    np.savez(folder / "own/a_target.npz", inverse_depth=gray / np.float32(100))
    np.savez(folder / "own/b_target.npz", inverse_depth=gray * 0)
    (folder / "own/index.csv").write_text("name,set,target\na,rooms,metric\nb,rooms,metric\n")
    np.save(folder / "diode/val/indoors/s/c/d_depth.npy", (100 / gray)[..., None])
    np.save(folder / "diode/val/indoors/s/c/d_depth_mask.npy", np.ones(gray.shape))
    done = run(
        "train", "smoke", "--steps", 1, "--batch", 5, "-o", "run", "--measured", "own,diode_indoor=diode"
    )
    assert done.returncode == 0, done.stderr
    assert "Not measured on: measured rooms/b: no pixel of the target counts" in done.stderr
    line = json.loads((folder / "run/log.jsonl").read_text())
    each = [line[f"abs_rel {name}"] for name in ("worlds held out", "rooms", "diode_indoor measured")]
    assert line["abs_rel"] == pytest.approx(np.mean(each), rel=1e-4)
    stored = torch.load(folder / "run/best.pt", weights_only=True)
    assert stored["error"] == pytest.approx(line["abs_rel"], rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "redweb=sets,wsvd=gone"], "gone: no such folder"),  # not after days of the first phase
        (["--data", "redweb=gone"], "gone: no such folder"),
        (["--data", "movies=empty"], "manifest.csv: holds nothing of that layout"),
        (["--data", "redweb=sets", "--measured", "sets"], "index.csv: is not there"),
        (
            ["--data", "redweb=sets", "--measured", "dark"],
            "dark: has no picture to measure on (rooms/a: no pixel",
        ),
        (["--data", "redweb=sets", "--measured", "sintel=gone"], "gone: no such folder"),
        (["--data", "redweb=sets", "--encoder", "sets/Imgs/0.jpg"], "holds more than weights, or is damaged"),
        (["--data", "redweb=sets", "--start", "gone.pt"], "gone.pt: no such file"),
        (["--data", "redweb=sets", "-o", "sets/Imgs/0.jpg"], "0.jpg: is a file: choose another name"),
    ],
)
def test_what_cannot_be_opened_is_said_before_anything_is_written(
    arguments: list[str], words: str, openmidas: Run, folder: Path
) -> None:
    write_picture(folder / "sets/Imgs/0.jpg")
    (folder / "sets/RDs").mkdir()
    cv2.imwrite(str(folder / "sets/RDs/0.png"), np.zeros((40, 48), np.uint8))
    write_picture(folder / "dark/a.webp")
    np.savez(folder / "dark/a_target.npz", inverse_depth=np.zeros((40, 48)))
    (folder / "dark/index.csv").write_text("name,set,target\na,rooms,metric\n")
    (folder / "empty").mkdir()
    (folder / "empty/manifest.csv").write_text("image,target\n")
    before = names(folder)
    result = openmidas("train", "midas-2020", "--network", "tiny", "--start", EMBEDDED, *arguments)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert words in result.err
    assert names(folder) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "RECIPE has no 'nothing': there are midas-2020"),
        (["tiny"], "NAME is one of photos, labels, kinect, synthetic"),
        (["tiny", "--data", "photos=a"], "give at least one folder"),
        (["tiny", "--data", "cats=a"], "--data has no 'cats'"),
        (["tiny", "--data", "photos"], "--data is NAME=FOLDER"),
        (["smoke", "--data", "x=y"], "every set of this recipe is made while it trains: leave --data out"),
        (["smoke", "--network", "dpt_hybrid_nyu"], "knows metres"),
        (["smoke", "--network", "resnet"], "--network has no 'resnet'"),
        (["nothing.jso"], "your own FILE.json"),
        (["smoke", "--seed", "-1"], "Invalid value for '--seed'"),
        (["smoke", "--batch", "4"], "--batch 4 is too small for a picture of each of 5 sets"),
        (["smoke", "--mixing", "sum"], "there are naive, pareto"),
        (["smoke", "--precision", "int8"], "there are float32, bfloat16, float16"),
        (["smoke", "--measured", "nuy=NYU"], "--measured has no 'nuy': there are diw, eth3d"),
        (["smoke", "--measured", "nyu=a", "--measured", "nyu=b"], "has the layout nyu twice"),
        (["smoke", "--device", "cuda"], "finds no cuda device"),
    ],
)
def test_what_cannot_be_wanted_is_said_before_anything_is_written(
    arguments: list[str], words: str, openmidas: Run, folder: Path
) -> None:
    result = openmidas("train", *arguments)
    assert result.code == 2
    assert words in " ".join(result.err.split())
    assert not list(folder.iterdir())


@pytest.mark.parametrize("page", ["help", "training.md"])
def test_examples_for_torchrun_have_minibatches_that_can_be_shared(page: str, openmidas: Run) -> None:
    text = openmidas("train", "--help").out if page == "help" else (DOCS / page).read_text(encoding="utf8")
    lines = text.replace("\\\n", " ").splitlines()
    commands = [shlex.split(line) for line in lines if line.strip().startswith("torchrun ")]
    assert commands
    for command in commands:
        processes = int(command[command.index("--nproc-per-node") + 1])
        options = train.make_context("train", command[command.index("train") + 1 :]).params
        recipe = recipe_named(options["recipe"])
        wanted = Wanted(folders_in(options["data"], recipe))
        check_shares(adapted(recipe, wanted), Processes(0, processes))
        check_start(adapted(recipe, wanted).phases[0], options["start"], options["encoder"])


def test_two_processes_of_the_command_leave_what_one_does(folder: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    smoke = [COMMAND, "train", "smoke", "--steps", "2", "-o"]
    for command in ([*torchrun, "--nproc-per-node", "2", *smoke, "two"], [*smoke, "one"]):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Wrote") == 1
    (one,), (two,) = ((folder / run / "log.jsonl").read_text().splitlines() for run in ("one", "two"))
    left = {path.name for path in (folder / "two").iterdir()}
    assert left == {path.name for path in (folder / "one").iterdir()}
    assert "tiny.onnx" in left
    noted = json.loads((folder / "two/starts.jsonl").read_text())  # one line
    assert noted["processes"] == 2
    # to what batch norms make of it, which see the pictures of their own process alone
    alone, both = json.loads(one), json.loads(two)
    for name in (name for name in alone if name.startswith(("loss", "abs_rel"))):
        assert both[name] == pytest.approx(alone[name], rel=0.05), name


def test_a_recipe_of_one_s_own_trains_on_sets_of_different_annotation(folder: Path) -> None:
    """LiDAR of KITTI and pairs of Depth in the Wild, each in its authors' layout."""
    drive = "2011_09_28_drive_0001_sync"
    write_picture(folder / f"kitti/2011_09_28/{drive}/image_02/data/0000000005.png")
    depths = folder / "kitti/train" / drive / "proj_depth/groundtruth/image_02/0000000005.png"
    depths.parent.mkdir(parents=True)
    cv2.imwrite(str(depths), np.tile(np.arange(48, dtype=np.uint16) * 256, (40, 1)))
    write_picture(folder / "diw/DIW_train_val/a.png")
    # so many pairs that a crop has some of them
    lines = [f"./DIW_train_val/a.png\n{row},5,20,{row},<,48,40\n" for row in range(1, 40, 2)]
    (folder / "diw/DIW_train_val.csv").write_text("".join(lines))
    parts = [
        {"name": "road", "layout": "kitti_train", "per_batch": 2, "loss": "ssi-mae"},
        {"name": "diw", "layout": "diw_train", "per_batch": 2, "loss": "ranking"},
    ]
    phase = {"name": "mix", "parts": parts, "steps": 200, "sizes": [[32, 64]], "log_steps": 1}
    rates = {"encoder_rate": 1e-3, "decoder_rate": 1e-3}
    (folder / "mine.json").write_text(json.dumps({"network": "tiny", "phases": [phase | rates]}))
    done = run("train", "mine.json", "--data", "road=kitti,diw=diw", "--steps", 2, "--seed", 7)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("Wrote mine/tiny.onnx.")
    logged = [json.loads(line) for line in (folder / "mine/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [1, 2]
    assert all(line["loss road"] > 0 and line["loss diw"] > 0 for line in logged)
    stored = json.loads((folder / "mine/recipe.json").read_text())
    assert (stored["seed"], stored["phases"][0]["steps"]) == (7, 2)
    assert json.loads((folder / "mine/sets.json").read_text()) == {"mix": {"road": 1, "diw": 1}}


def test_what_is_wrong_with_a_recipe_of_one_s_own_is_one_line(openmidas: Run, folder: Path) -> None:
    (folder / "mine.json").write_text('{"network": "tiny", "phases": [], "sede": 1}')
    result = openmidas("train", "mine.json")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "mine.json: sede is no field: there are network, phases, seed" in result.err
    assert names(folder) == ["mine.json"]


def test_photographs_without_a_label_elsewhere_are_left_out(data: Path) -> None:
    (data / "labels" / "rocket.png").unlink()
    done = run("label", data / "photos", data / "few", "--by", data / "labels")
    assert done.stdout.strip().endswith("1 new labels"), done.stderr
    assert [path.name for path in (data / "few").iterdir()] == ["coffee.png"]


def test_photographs_without_labels_are_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    folders = f"photos={data / 'photos'},labels={tmp_path / 'none'}"
    done = run("train", "tiny", "-o", tmp_path / "run", "--data", folders, "--start", EMBEDDED)
    assert done.returncode == 1
    assert "no photograph has a label" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["bad.pt", "bad.onnx", "other.pt", "other.onnx", "none.pt"])
def test_files_that_hold_no_network_are_named_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(EXAMPLES / "coffee.jpg", tmp_path / "photos")
    for bad in ("bad.pt", "bad.onnx"):
        (tmp_path / bad).write_text("no network")
    torch.save({"average": {"module.weight": torch.zeros(1)}}, tmp_path / "other.pt")
    node = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(node), tmp_path / "other.onnx")
    done = run("label", tmp_path / "photos", tmp_path / "labels", "--by", tmp_path / name)
    assert done.returncode == 1
    assert name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_bad_photographs_are_listed_and_the_others_labelled(openmidas: Run, folder: Path) -> None:
    for name in ("1.png", "2.png", "4.png"):
        write_picture(folder / "photos" / name)
    whole = (folder / "photos/1.png").read_bytes()
    (folder / "photos/1.png").write_bytes(whole[: len(whole) // 2])
    write_picture(folder / "photos/3.png", (20, 40))  # too small to predict
    result = openmidas("label", "photos", "labels")
    assert (result.code, result.out) == (1, "labels: 2 new labels\n")
    title, *lines = result.err.splitlines()
    assert title == "2 failed:"
    assert lines[0].startswith("  photos/1.png: cannot be decoded")
    assert lines[1].startswith("  photos/3.png: is 40×20 pixels")
    assert len(lines) == 2
    assert names(folder / "labels") == ["2.png", "4.png"]


def test_photographs_of_one_name_are_not_given_one_label(openmidas: Run, folder: Path) -> None:
    for name in ("a.jpg", "a.png", "b.png"):
        write_picture(folder / "photos" / name)
    result = openmidas("label", "photos", "labels")
    words = "Error: photos/a.png: would have the same label as a.jpg: rename one\n"
    assert result == (1, "", words)
    assert "labels" not in {path.name for path in folder.iterdir()}


def test_a_folder_without_photographs_is_not_labelled_in_silence(openmidas: Run, folder: Path) -> None:
    (folder / "photos").mkdir()
    result = openmidas("label", "photos", "labels")
    assert result == (1, "", "Error: photos: no photographs in this folder: name another one\n")


def test_what_predict_writes_labels_alone_and_beside_labels(openmidas: Run, folder: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        write_picture(folder / "photos" / name, (64, 96))
    assert openmidas("predict", "photos/a.png", "photos/b.png", "-o", "predicted").code == 0
    assert openmidas("label", "photos", "labels").out == "labels: 3 new labels\n"
    (folder / "labels/a.png").unlink()
    (folder / "photos/c.png").write_bytes(b"no picture")  # no matter: one folder has no label of it
    both = openmidas("label", "photos", "both", "--by", "predicted", "--by", "labels")
    assert both == (0, "both: 1 new labels\n", "")
    assert names(folder / "both") == ["b.png"]
    (folder / "labels/b.png").unlink()
    refused = openmidas("label", "photos", "none", "--by", "predicted", "--by", "labels")
    words = "Error: photos: no photograph has a label in every one of the folders: leave one out\n"
    assert refused == (1, "", words)
    for path in (folder / "labels").iterdir():
        path.rename(path.with_stem("other"))
    refused = openmidas("label", "photos", "none", "--by", "predicted", "--by", "labels")
    words = "Error: labels: no photograph has a label of its name here: label them first\n"
    assert refused == (1, "", words)
    (sample, _) = read_labelled_photos(folder / "photos", folder / "predicted")
    predicted = read_depth(folder / "predicted/a_depth.png").values
    assert np.corrcoef(sample.target.ravel(), predicted.ravel())[0, 1] > 0.999
