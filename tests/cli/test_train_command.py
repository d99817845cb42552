"""`openmidas label` and `openmidas train`, end to end on a few pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click
import cv2
import numpy as np
import onnx
import pytest
import torch
from running import Run, names, write_picture

from openmidas.cli.train import Wanted, _check_shares, _shared_out, adapted, folders_in, left_out
from openmidas.models.presets import EMBEDDED
from openmidas.training.distributed import Processes
from openmidas.training.recipes import RECIPES, Sizes

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
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


def test_sets_without_a_folder_are_left_out_and_steps_shared_between_the_phases() -> None:
    recipe = RECIPES["midas-2020"]
    wanted = Wanted({"redweb": Path("a"), "wsvd": Path("b")}, steps=600, network="dpt_swin2_tiny_256")
    less = adapted(recipe, wanted)
    assert [[part.name for part in phase.parts] for phase in less.phases] == [["redweb"], ["redweb", "wsvd"]]
    assert [phase.steps for phase in less.phases] == [500, 100]  # pictures of 8 and of 40 a minibatch
    assert less.phases[0].sizes == ((256, 256),)  # all that this network takes
    assert left_out(recipe, wanted) == ["diml_indoor", "movies", "megadepth"]
    assert adapted(RECIPES["smoke"], Wanted({})) == RECIPES["smoke"]


def test_a_phase_without_any_folder_is_left_out_and_said_to_be() -> None:
    recipe, wanted = RECIPES["midas-2020"], Wanted({"movies": Path("a")}, steps=7)
    (mix,) = adapted(recipe, wanted).phases
    assert (mix.name, mix.steps, [part.name for part in mix.parts]) == ("mix", 7, ["movies"])
    assert left_out(recipe, wanted)[-2:] == ["wsvd", "the phase pretrain"]


@pytest.mark.parametrize(
    ("total", "sizes", "shares"),
    [(3, [500, 100], [2, 1]), (3, [100, 500], [1, 2]), (1, [1, 1], [1, 1]), (9, [9999, 1], [8, 1])],
)
def test_steps_are_shared_out_to_the_last_one(total: int, sizes: list[int], shares: list[int]) -> None:
    assert _shared_out(total, sizes) == shares


def test_another_network_sees_no_pictures_larger_than_its_own() -> None:
    def sizes(recipe: str, network: str | None) -> Sizes:
        return adapted(RECIPES[recipe], Wanted({"redweb": Path("a")}, network=network)).phases[0].sizes

    assert sizes("midas-2020", None) == ((384, 384),)
    assert sizes("midas-2020", "midas_v21_small_256") == ((256, 256),)
    assert sizes("midas-2020", "dpt_beit_large_512") == ((384, 384),)
    assert sizes("smoke", "midas_v21_small_256") == RECIPES["smoke"].phases[0].sizes


def test_the_mixing_of_the_command_line_is_that_of_every_phase() -> None:
    wanted = Wanted({"redweb": Path("a"), "wsvd": Path("b")}, mixing="naive")
    assert {phase.mixing for phase in adapted(RECIPES["midas-2020"], wanted).phases} == {"naive"}


def test_a_smaller_minibatch_keeps_the_shares_of_the_sets_and_a_larger_one_is_not_made() -> None:
    wanted = Wanted({name: Path(name) for name in ("photos", "labels", "kinect", "synthetic")}, batch=10)
    shares = [[part.per_batch for part in phase.parts] for phase in adapted(RECIPES["tiny"], wanted).phases]
    assert shares == [[3, 4, 3]] * 2  # of five, six and five
    assert adapted(RECIPES["smoke"], Wanted({}, batch=11)) == RECIPES["smoke"]
    with pytest.raises(click.UsageError, match="--batch 4 is too small for a picture of each of 5 sets"):
        adapted(RECIPES["smoke"], Wanted({}, batch=4))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "redweb=sets,wsvd=gone"], "gone: no such folder"),  # not after days of the first phase
        (["--data", "redweb=gone"], "gone: no such folder"),
        (["--data", "movies=empty"], "manifest.csv: holds nothing of that layout"),
        (["--data", "redweb=sets", "--measured", "sets"], "index.csv: is not there"),
        (["--data", "redweb=sets", "--encoder", "sets/Imgs/0.jpg"], "holds no folded weights of MobileNetV2"),
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
    (folder / "empty").mkdir()
    (folder / "empty/manifest.csv").write_text("image,target\n")
    before = names(folder)
    result = openmidas("train", "midas-2020", "--network", "tiny", *arguments)
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
        (["smoke", "--network", "dpt_hybrid_nyu"], "knows metres"),
        (["smoke", "--network", "resnet"], "--network has no 'resnet'"),
        (["smoke", "--mixing", "sum"], "there are naive, pareto"),
        (["smoke", "--precision", "int8"], "there are float32, bfloat16, float16"),
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


def test_processes_among_whom_the_minibatch_cannot_be_shared_are_too_many() -> None:
    _check_shares(RECIPES["smoke"], Processes(1, 2))
    with pytest.raises(click.UsageError, match="2 pictures of lidar a minibatch, and 4 processes"):
        _check_shares(RECIPES["smoke"], Processes(0, 4))


def test_photographs_without_a_label_elsewhere_are_left_out(data: Path) -> None:
    (data / "labels" / "rocket.png").unlink()
    done = run("label", data / "photos", data / "few", "--by", data / "labels")
    assert done.stdout.strip().endswith("1 new labels"), done.stderr
    assert [path.name for path in (data / "few").iterdir()] == ["coffee.png"]


def test_photographs_without_labels_are_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    folders = f"photos={data / 'photos'},labels={tmp_path / 'none'}"
    done = run("train", "tiny", "-o", tmp_path / "run", "--data", folders)
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
