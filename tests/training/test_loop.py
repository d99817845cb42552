"""The loop learns from any annotation, and goes on from its checkpoint as if it had never been killed."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from learning import PARTS, PHASE, SmallNetwork, learn, sources
from torch import nn

from openmidas.files.errors import FileError
from openmidas.training import loop, monitor
from openmidas.training.annotations import Sample
from openmidas.training.checkpoints import BEST, LAST
from openmidas.training.data import Source, draw_batch
from openmidas.training.distributed import ALONE
from openmidas.training.loop import Running, losses_of, plan_of, predictions_of, train
from openmidas.training.losses import anchor, ranking
from openmidas.training.optimising import (
    averaged_model,
    backward,
    keep_frozen,
    optimiser,
    rate_factor,
    update,
)
from openmidas.training.recipes import Mixing, Recipe
from openmidas.training.sampling import Drawn

LEARNING = Path(__file__).with_name("learning.py")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    learn(folder)
    return folder


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def same(a: Any, b: Any) -> bool:
    """Whether two states agree to the bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def test_every_set_is_learnt_whatever_its_annotation(whole: Path) -> None:
    lines = log(whole)
    assert [line["step"] for line in lines] == list(range(5, 61, 5))
    for part in PARTS:
        assert lines[-1][f"loss {part.name}"] < 0.9 * lines[0][f"loss {part.name}"]
    weights = [sum(line[f"weight {part.name}"] for part in PARTS) for line in lines]
    assert weights == pytest.approx([1.0] * len(lines), abs=1e-3)


def test_a_killed_run_ends_in_the_same_bits_as_one_that_was_not(whole: Path, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, LEARNING, tmp_path])
    wait_for_step(tmp_path / "log.jsonl", 30)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert torch.load(tmp_path / LAST, weights_only=True)["progress"][0] in (20, 40)
    learn(tmp_path)
    states = [torch.load(folder / LAST, weights_only=True) for folder in (whole, tmp_path)]
    assert same(*states)
    timeless = [
        [{**line, "pictures_per_s": 0, "waiting": 0} for line in log(folder)] for folder in (whole, tmp_path)
    ]
    assert timeless[0] == timeless[1]


def wait_for_step(path: Path, step: int) -> None:
    for _ in range(600):
        time.sleep(0.05)
        if path.exists() and f'"step": {step},' in path.read_text():
            return
    raise AssertionError(f"step {step} was never logged")


def less_with_every_step(network: nn.Module) -> dict[str, float]:
    """An error that follows from the network alone: every one is the best so far."""
    return {"abs_rel": 1 / int(network.norm.num_batches_tracked)}


def ends_the_process(do: Callable[..., Any], at: Callable[..., bool]) -> Callable[..., Any]:
    """Does it, but where `at` says so is the end: nothing catches it, and nothing is done after."""

    def dies(*arguments: Any) -> Any:
        if at(*arguments):
            raise KeyboardInterrupt
        return do(*arguments)

    return dies


@pytest.mark.parametrize("dies_in", ["evaluate", "write_best", "append_line"])
@pytest.mark.parametrize("checkpoint", [20, 60])
def test_a_run_that_is_killed_while_it_measures_loses_nothing(
    dies_in: str, checkpoint: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was learnt is on disk by then; the error, the best network and the line of the log are made up for."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    learn(whole, evaluate=less_with_every_step)
    calls = count(20, 20)
    evaluate = less_with_every_step
    with monkeypatch.context() as patch:
        if dies_in == "evaluate":
            evaluate = ends_the_process(evaluate, lambda _: next(calls) == checkpoint)
        elif dies_in == "write_best":
            patch.setattr(
                loop, dies_in, ends_the_process(loop.write_best, lambda *_: next(calls) == checkpoint)
            )
        else:
            append = ends_the_process(monitor.append_line, lambda _, line: line["step"] == checkpoint)
            patch.setattr(monitor, dies_in, append)
        with pytest.raises(KeyboardInterrupt):
            learn(run, evaluate=evaluate)
    assert log(run)[-1]["step"] == checkpoint - 5
    assert torch.load(run / LAST, weights_only=True)["progress"][0] == checkpoint
    learn(run, evaluate=less_with_every_step)
    for name in (LAST, BEST):
        assert same(*(torch.load(folder / name, weights_only=True) for folder in (whole, run)))
    timeless = [
        [{**line, "pictures_per_s": 0, "waiting": 0} for line in log(folder)] for folder in (whole, run)
    ]
    assert timeless[0] == timeless[1]


def test_an_evaluation_that_fails_does_not_end_the_run(tmp_path: Path) -> None:
    def fails(_: nn.Module) -> dict[str, float]:
        raise FileError("photo.jpg: is gone")

    said: list[str] = []
    running = Running(tmp_path, fails, warn=said.append)
    train(SmallNetwork(), sources(), Recipe("tiny", (PHASE,)), PHASE, running)
    assert torch.load(tmp_path / LAST, weights_only=True)["progress"][0] == 60
    assert said == [f"Not measured after {steps} steps: photo.jpg: is gone" for steps in (20, 40, 60)]
    assert [line["step"] for line in log(tmp_path)] == list(range(5, 61, 5))


@pytest.mark.parametrize("impossible", [math.nan, math.inf])
def test_an_error_that_is_no_number_is_never_the_best_nor_hides_it(impossible: float, tmp_path: Path) -> None:
    errors = iter([impossible, 0.5, impossible])
    learn(tmp_path, evaluate=lambda _: {"abs_rel": next(errors)})
    assert torch.load(tmp_path / BEST, weights_only=True)["error"] == 0.5
    assert [line["abs_rel"] for line in log(tmp_path)[3::4]] == [None, 0.5, None]


def test_a_finished_run_does_nothing_more(whole: Path, tmp_path: Path) -> None:
    before = (whole / LAST).read_bytes()
    steps: list[int] = []
    network = learn(whole, advance=lambda: steps.append(1))
    assert not steps
    assert (whole / LAST).read_bytes() == before
    average = torch.load(whole / LAST, weights_only=True)["average"]
    assert same(network.state_dict()["decoder.weight"], average["module.decoder.weight"])


def test_the_folder_holds_the_best_network_and_pictures(whole: Path) -> None:
    best = torch.load(whole / BEST, weights_only=True)["average"]
    last = torch.load(whole / LAST, weights_only=True)["average"]
    # the error was the same each time: the first stays the best
    assert not torch.equal(best["module.decoder.weight"], last["module.decoder.weight"])
    pictures = sorted((whole / "pictures").iterdir())
    assert [path.stem for path in pictures] == ["0000020", "0000040", "0000060"]
    # three sets in rows, picture, truth and prediction in columns
    height, width, _ = cv2.imread(str(pictures[0])).shape
    assert (height % 3, width % 3, height // 3 - 4) == (0, 0, 32)
    assert list((whole / "tensorboard").iterdir())


def test_phases_follow_one_another_and_the_second_begins_with_the_first_ones_average(tmp_path: Path) -> None:
    first = replace(PHASE, name="pretrain", parts=PARTS[:1], steps=20, mixing="naive")
    still = replace(PHASE, steps=20, encoder_rate=0.0, decoder_rate=0.0, average_decay=0.0)
    network = learn(tmp_path, (first, still), has_norm=False)
    after_first = torch.load(tmp_path / BEST, weights_only=True)["average"]
    torch.testing.assert_close(
        network.state_dict()["decoder.weight"], after_first["module.decoder.weight"], rtol=0, atol=0
    )
    assert [line["step"] for line in log(tmp_path)] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert "loss pairs" not in log(tmp_path)[3]
    assert "loss pairs" in log(tmp_path)[4]


@pytest.mark.parametrize(
    ("mixing", "has_norm", "passes"),
    [("naive", False, [8]), ("pareto", True, [8]), ("pareto", False, [4, 2, 2])],
)
def test_each_set_has_a_forward_pass_where_pareto_and_no_norm_allow_it(
    mixing: Mixing, has_norm: bool, passes: list[int]
) -> None:
    network, phase = SmallNetwork(has_norm), replace(PHASE, mixing=mixing)
    batch = draw_batch(sources(), plan_of(Recipe("tiny", (phase,)), phase), 0)
    together = network(batch.image)
    seen: list[int] = []
    network.register_forward_pre_hook(lambda _, images: seen.append(len(images[0])))
    predictions = predictions_of(network, batch, phase, ALONE)
    assert seen == passes
    torch.testing.assert_close(torch.cat(list(predictions)), together)


@pytest.mark.parametrize("mixing", ["naive", "pareto"])
def test_overflow_in_half_precision_leaves_the_step_out_and_makes_the_scale_smaller(mixing: Mixing) -> None:
    network, phase = SmallNetwork(), replace(PHASE, mixing=mixing)
    adam, scaler = optimiser(network, phase), torch.amp.GradScaler("cpu", init_scale=2.0**30)
    before = network.encoder.weight.clone()
    huge = network(torch.ones(1, 3, 4, 4)).mean() * 1e35
    backward([huge, huge], network, phase, scaler)
    update(network, adam, scaler, 1.0)
    assert torch.equal(network.encoder.weight, before)
    assert scaler.get_scale() == 2.0**29


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_too(precision: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = Recipe("tiny", (PHASE,))
    train(SmallNetwork(), sources(), recipe, PHASE, Running(tmp_path, lambda _: {}, precision=precision))
    assert log(tmp_path)[-1]["loss bright"] < 0.8 * log(tmp_path)[0]["loss bright"]
    assert not (tmp_path / BEST).exists()  # nothing to compare by


@pytest.mark.parametrize("mixing", ["naive", "pareto"])
def test_a_loss_that_is_not_finite_ends_the_run_in_one_line(mixing: Mixing, tmp_path: Path) -> None:
    network = SmallNetwork(has_norm=False)
    nn.init.constant_(network.decoder.bias, math.nan)
    phase = replace(PHASE, mixing=mixing)
    with pytest.raises(FileError, match=r"not finite|no longer finite"):
        train(network, sources(), Recipe("tiny", (phase,)), phase, Running(tmp_path, lambda _: {}))
    assert not (tmp_path / LAST).exists()


@pytest.mark.parametrize(
    ("of_gradient", "precision", "poisoned"),
    [(False, "float32", 4), (False, "float16", 4), (True, "float32", 19)],
)
def test_what_is_not_finite_between_two_checkpoints_is_never_kept(
    of_gradient: bool, precision: Any, poisoned: int, tmp_path: Path
) -> None:
    network, seen = SmallNetwork(), count()

    def poison(_: nn.Module, __: object, answer: torch.Tensor) -> torch.Tensor:
        if next(seen) != poisoned:
            return answer
        if not of_gradient:
            return answer * math.nan
        answer.register_hook(lambda gradient: gradient * math.nan)
        return answer

    network.register_forward_hook(poison)
    running = Running(tmp_path, lambda _: {}, precision=precision)
    with pytest.raises(FileError, match="no longer finite"):
        train(network, sources(), Recipe("tiny", (PHASE,)), PHASE, running)
    assert not (tmp_path / LAST).exists()


@pytest.mark.parametrize(("delay_s", "least", "most"), [(0.0, 0.0, 0.5), (0.05, 0.5, 1.0)])
def test_the_log_says_what_share_of_the_time_the_network_waits_for_pictures(
    delay_s: float, least: float, most: float, tmp_path: Path
) -> None:
    def slow(source: Source) -> Source:
        def read(drawn: Drawn) -> Sample:
            time.sleep(delay_s)
            return source.read(drawn)

        return replace(source, read=read)

    phase = replace(PHASE, steps=20)
    own = {name: slow(source) for name, source in sources().items()}
    running = Running(tmp_path, lambda _: {}, advance=lambda: time.sleep(0.02))
    train(SmallNetwork(), own, Recipe("tiny", (phase,)), phase, running)
    assert least <= log(tmp_path)[-2]["waiting"] <= most


def test_a_picture_of_which_only_pairs_are_known_is_learnt_from_in_any_set() -> None:
    phase = replace(PHASE, parts=(replace(PARTS[2], loss="ssi-trim", per_batch=2),))
    batch = draw_batch(sources(), plan_of(Recipe("tiny", (phase,)), phase), 0)
    prediction = torch.rand(2, *batch.image.shape[2:]) + 1
    losses, (objective,) = losses_of([prediction], batch, phase, ALONE)
    order = ranking(prediction, batch.pairs).mean()
    assert losses.item() == pytest.approx(order.item())
    assert order > 0.1
    held = anchor(prediction, torch.ones_like(batch.valid)).mean()
    assert objective.item() == pytest.approx((order + phase.anchor_weight * held).item())


@pytest.mark.parametrize(("gradient_bytes", "in_chunks"), [(2**20, False), (1, True)])
def test_a_phase_says_how_much_pareto_may_keep(gradient_bytes: int, in_chunks: bool) -> None:
    network, phase = SmallNetwork(), replace(PHASE, gradient_bytes=gradient_bytes)
    accumulated: list[int] = []
    network.decoder.weight.register_post_accumulate_grad_hook(lambda _: accumulated.append(1))
    answer = network(torch.rand(2, 3, 4, 4)).mean()
    backward([answer, answer * 2], network, phase, torch.amp.GradScaler("cpu", enabled=False))
    assert bool(accumulated) == in_chunks  # kept gradients are combined, not accumulated


def test_rate_rises_then_falls_to_its_last_share() -> None:
    factors = [rate_factor(step, PHASE) for step in range(60)]
    assert factors[0] == pytest.approx(0.2)
    assert factors[4] == pytest.approx(1.0)
    assert all(a > b for a, b in pairwise(factors[5:]))
    assert rate_factor(59, PHASE) < 0.02
    level = replace(PHASE, final_share=1.0, warm_up_steps=0)
    assert {rate_factor(step, level) for step in range(60)} == {1.0}


def test_encoder_and_decoder_have_rates_of_their_own_and_frozen_parameters_none() -> None:
    network = SmallNetwork()
    phase = replace(PHASE, encoder_rate=1e-5, decoder_rate=1e-4, frozen=("norm.",))
    keep_frozen(network, phase.frozen)
    groups = optimiser(network, phase).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert rates[id(network.encoder.weight)] == 1e-5
    assert rates[id(network.decoder.bias)] == 1e-4
    assert not {id(p) for p in network.norm.parameters()} & set(rates)


def test_rates_follow_the_size_of_the_weights_where_the_phase_says_so() -> None:
    network = SmallNetwork()
    nn.init.constant_(network.encoder.weight, 0.1)
    groups = optimiser(network, replace(PHASE, encoder_rate=1e-3, rates_follow_size=True)).param_groups
    (rate,) = {g["lr"] for g in groups for p in g["params"] if p is network.encoder.weight}
    assert rate == pytest.approx(2e-3)


def test_an_optimiser_of_changed_weights_takes_the_rates_of_the_checkpoint() -> None:
    network, phase = SmallNetwork(), replace(PHASE, rates_follow_size=True)
    nn.init.constant_(network.encoder.weight, 0.02)  # as small as the smallest rate is for
    nn.init.constant_(network.decoder.weight, 0.02)
    stored = optimiser(network, phase).state_dict()
    nn.init.constant_(network.decoder.weight, 0.04)
    resumed = optimiser(network, phase)
    resumed.load_state_dict(stored)
    (rate,) = {g["lr"] for g in resumed.param_groups for p in g["params"] if p is network.decoder.weight}
    assert rate == pytest.approx(0.5 * phase.decoder_rate)


def test_weights_and_statistics_of_norms_are_averaged() -> None:
    network = SmallNetwork()
    averaged = averaged_model(network, 0.75)
    nn.init.constant_(network.decoder.bias, 1.0)
    averaged.update_parameters(network)  # the first is taken as it is
    averaged.n_averaged.fill_(100)  # far from the start
    nn.init.constant_(network.decoder.bias, 5.0)
    nn.init.constant_(network.norm.running_mean, 4.0)
    averaged.update_parameters(network)
    assert averaged.module.decoder.bias.item() == pytest.approx(2.0)
    assert averaged.module.norm.running_mean[0].item() == pytest.approx(1.0)


def test_the_average_of_a_short_run_is_not_of_its_first_weights() -> None:
    network = SmallNetwork()
    averaged = averaged_model(network, 0.998)
    for step in range(100):
        nn.init.constant_(network.decoder.bias, step)
        averaged.update_parameters(network)
    assert 80 < averaged.module.decoder.bias.item() < 99
