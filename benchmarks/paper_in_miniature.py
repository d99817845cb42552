"""The findings of Ranftl et al. (TPAMI 2022) on worlds small enough for a processor: losses, mixing, Pareto, encoder.

python benchmarks/paper_in_miniature.py --out DIR [--seeds 0 1 2] [--encoder FILE] [--photos DIR --labels DIR]
    [--measured DIR] [--draw FILE.webp]

Trains the embedded network once for every arm and seed, and prints a table of zero-shot errors, a table of the paper's
findings, and one JSON line. What is finished stands in DIR/log.jsonl and is not done again: stop it when you like, and
give the same command to go on. Several may run side by side, each with seeds of its own; one with all of them then
prints the tables. Explained in docs/paper-in-miniature.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from zlib import crc32

import cv2
import numpy as np
import torch
from torch import nn

import openmidas
from openmidas.depth_map import DepthMap
from openmidas.evaluation.folder import Measured, read_measured, scores_by_set
from openmidas.files.cores import usable_cores
from openmidas.models.presets import preset_named
from openmidas.networks.normalisation import calibrate_norms, insert_norms
from openmidas.networks.predictor import predictor_of
from openmidas.networks.tiny import TinyNetwork, insert_tiny_norms
from openmidas.training.annotations import Sample, annotated
from openmidas.training.data import Source, draw_batch, source_of
from openmidas.training.held import read_labelled_photos
from openmidas.training.labels import list_labels
from openmidas.training.loop import Running, plan_of, train
from openmidas.training.losses import GRADIENT_WEIGHT
from openmidas.training.recipes import Mixing, Part, Phase, Recipe
from openmidas.training.run_folder import LOG, append_line, read_log, source_state
from openmidas.training.starting import load_mobilenet
from openmidas.training.synthetic import FAMILIES
from openmidas.training.synthetic.degrade import DEGRADATIONS, Degradation, Image
from openmidas.training.synthetic.worlds import family_world, world

SIZE = (96, 128)  # of what the network sees
WORLD_SIZE = (120, 160)  # of what that is cropped from
BATCH = 20  # pictures of a minibatch, of all sets together: whole numbers of each of 1, 4 and 5 sets
DECODER_RATE = 1.5e-3
PRETRAINED_RATE = (
    DECODER_RATE / 10
)  # the paper's ratio; an encoder that knows nothing learns like the decoder
HELD_OUT_SEED = 900_000
FALSE_MATCHES = 10  # rectangles of 1/8 by 1/8 of the picture
EVERYWHERE = tuple(FAMILIES)
PHOTOS, MIX = "photos", ("rgbd", "sfm", "stereo", "ordinal", "photos")
# of a set's pictures, where sets are unbalanced: large sets of metric depth, small ones of films, as in the paper
SHARES = MappingProxyType({"rgbd": 1.0, "photos": 1.0, "ordinal": 1 / 4, "sfm": 1 / 8, "stereo": 1 / 16})
ByArm = Mapping[str, Mapping[int, Mapping[str, Any]]]  # results of every seed
COLUMNS = MappingProxyType({"worlds": "held-out worlds", "measured": "measured pictures"})


def with_false_matches(truth: DepthMap, image: Image, rng: np.random.Generator) -> DepthMap:
    """The truth, but for ten rectangles that have any inverse depth up to twice the nearest: some 14 % of it."""
    values = truth.to_inverse_depth().values.copy()
    (height, width), nearest = values.shape, float(np.nanmax(values))
    for _ in range(FALSE_MATCHES):
        y, x = int(rng.integers(height * 7 // 8)), int(rng.integers(width * 7 // 8))
        values[y : y + height // 8, x : x + width // 8] = rng.uniform(0, 2 * nearest)
    return DepthMap.from_values(values, "inverse_depth", truth.ambiguity)


class WorldSet(NamedTuple):
    """How the truth of its worlds is known, and which kinds of worlds there are in the set."""

    degrade: Degradation
    families: tuple[str, ...]


# each kind of truth where it is found: depth cameras indoors, structure from motion in the open
WORLD_SETS: Mapping[str, WorldSet] = MappingProxyType(
    {
        "rgbd": WorldSet(DEGRADATIONS["rgbd"], ("room", "tabletop")),
        "sfm": WorldSet(DEGRADATIONS["sfm"], ("street", "landscape")),
        "stereo": WorldSet(DEGRADATIONS["stereo"], ("street", "clutter")),
        "ordinal": WorldSet(DEGRADATIONS["ordinal"], EVERYWHERE),
        "exact": WorldSet(DEGRADATIONS["rendered"], EVERYWHERE),
        "outliers": WorldSet(with_false_matches, EVERYWHERE),
    }
)


@dataclass(frozen=True)
class Arm:
    """One way to train. sets: those of them that are there, in equal parts of a minibatch; question: of the paper."""

    name: str
    question: str
    sets: tuple[str, ...]
    loss: str = "ssi-trim"  # but for pairs, which are ranked
    gradient_weight: float = GRADIENT_WEIGHT
    mixing: Mixing = "naive"
    unbalanced: bool = False
    pretrained: bool = True


ARMS = (
    *(
        Arm(f"{kind}, {loss}", "a: loss", (kind,), loss, gradient_weight=0)
        for kind, loss in product(("exact", "outliers"), ("ssi-mse", "ssi-mae", "ssi-trim"))
    ),
    *(
        Arm(f"outliers, {loss}, gradients", "a: loss", ("outliers",), loss)
        for loss in ("ssi-mae", "ssi-trim")
    ),
    *(Arm(f"{kind} alone", "b: mixing", (kind,)) for kind in MIX),
    Arm("mix", "b: mixing", MIX),
    Arm("mix, Pareto", "c: Pareto", MIX, mixing="pareto"),
    Arm("unbalanced mix", "c: Pareto", MIX, unbalanced=True),
    Arm("unbalanced mix, Pareto", "c: Pareto", MIX, mixing="pareto", unbalanced=True),
    Arm("mix, random encoder", "d: encoder", MIX, pretrained=False),
)
# what the paper finds: the first is better than the second
FINDINGS = (
    ("outliers, ssi-trim", "outliers, ssi-mae"),
    ("outliers, ssi-mae", "outliers, ssi-mse"),
    ("outliers, ssi-trim, gradients", "outliers, ssi-mae, gradients"),
    *(("mix", f"{kind} alone") for kind in MIX),
    ("unbalanced mix, Pareto", "unbalanced mix"),
    ("mix, Pareto", "mix"),
    ("mix", "mix, random encoder"),
)


@dataclass(frozen=True)
class Settings:
    """What a result depends on besides its arm and seed. pictures: of each set. held_out: worlds to measure on."""

    out: Path
    steps: int
    pictures: int
    held_out: int
    encoder: Path | None
    photos: Path | None
    labels: Path | None
    measured: Path | None

    def noted(self) -> dict[str, Any]:
        """As it stands beside every result: results count together where this is equal."""
        names = {
            name: getattr(self, name) and getattr(self, name).name
            for name in ("encoder", "photos", "labels", "measured")
        }
        sizes = {"steps": self.steps, "pictures": self.pictures, "held_out": self.held_out}
        return {**sizes, **names, "label_count": self.labels and len(list_labels(self.labels)), **code()}


@cache
def code() -> dict[str, Any]:
    """Version and git state of the package as it was when it was first asked for: that is what runs."""
    return {"openmidas": openmidas.__version__, "package_git": source_state(Path(openmidas.__file__).parent)}


# -- data -----------------------------------------------------------------------------------------------------------


def made_set(name: str, seed: int, count: int) -> list[Sample]:
    """The first worlds of a set, every family of it in turn."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(partial(made_sample, name, seed), range(count)))


def made_sample(name: str, seed: int, number: int) -> Sample:
    degrade, families = WORLD_SETS[name]
    # worlds of the same kinds are the same in every set: these differ in what is known of them
    rng = np.random.default_rng([seed, crc32(" ".join(families).encode()), number])
    made = family_world(families[number % len(families)], int(rng.integers(2**62)), WORLD_SIZE)
    return annotated(made.image, degrade(made.depth_map, made.image, rng))


def read_set(name: str, seed: int, settings: Settings) -> list[Sample]:
    """The pictures of a set that is there, by seed."""
    if name != PHOTOS or settings.photos is None or settings.labels is None:
        return made_set(name, seed, settings.pictures)
    photos = read_labelled_photos(settings.photos, settings.labels)
    return [photos[i] for i in np.random.default_rng(seed).permutation(len(photos))[: settings.pictures]]


def held_out_worlds(count: int) -> list[Measured]:
    """Exact worlds of every kind, as often as `worlds.SHARES` says, that no training sees."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        made = pool.map(lambda number: world(HELD_OUT_SEED, number, SIZE), range(count))
        return [Measured("worlds", each.image, each.depth_map) for each in made]


# -- training -------------------------------------------------------------------------------------------------------


def sets_of(arm: Arm, settings: Settings) -> list[str]:
    """The arm's sets that are there."""
    return [name for name in arm.sets if name != PHOTOS or settings.photos]


def arms_of(settings: Settings) -> list[Arm]:
    """Those that can be trained: without an encoder's weights all are random, and there is nothing to compare."""
    return [arm for arm in ARMS if sets_of(arm, settings) and (arm.pretrained or settings.encoder)]


def recipe_of(arm: Arm, names: Sequence[str], seed: int, settings: Settings) -> Recipe:
    """The arm as a recipe of the one training loop."""
    part = partial(
        Part, layout="in memory", per_batch=BATCH // len(names), gradient_weight=arm.gradient_weight
    )
    losses = {name: "ranking" if name == "ordinal" else arm.loss for name in names}
    phase = Phase(
        "all",
        tuple(part(name, loss=loss) for name, loss in losses.items()),
        settings.steps,
        (SIZE,),
        encoder_rate=PRETRAINED_RATE if arm.pretrained and settings.encoder else DECODER_RATE,
        decoder_rate=DECODER_RATE,
        mixing=arm.mixing,
        warm_up_steps=settings.steps // 10,
        weight_decay=0.01,
        average_decay=0.95,
        anchor_weight=0.05,
        log_steps=settings.steps,
        checkpoint_steps=settings.steps,
    )
    return Recipe("tiny", (phase,), seed)


def new_network(encoder: Path | None, pictures: torch.Tensor) -> TinyNetwork:
    """With batch norms throughout, so that a random encoder learns too; those of a given one begin where it is."""
    network = TinyNetwork()
    if encoder:
        load_mobilenet(network, encoder)
    insert_norms(network.encoder)
    if encoder:
        calibrate_norms(network.encoder, pictures)
    insert_tiny_norms(network)
    return network


def trained(arm: Arm, seed: int, samples: Mapping[str, Sequence[Sample]], settings: Settings) -> nn.Module:
    """The averaged network after the arm's steps."""
    recipe = recipe_of(arm, list(samples), seed, settings)
    (phase,) = recipe.phases
    sources: dict[str, Source] = {}
    for part in phase.parts:
        count = len(samples[part.name]) * (SHARES[part.name] if arm.unbalanced else 1)
        sources[part.name] = source_of(part, samples[part.name][: max(1, round(count))])
    torch.manual_seed(seed)
    pictures = draw_batch(sources, plan_of(recipe, phase), 0).image
    network = new_network(settings.encoder if arm.pretrained else None, pictures)
    with tempfile.TemporaryDirectory() as folder:
        return train(network, sources, recipe, phase, Running(Path(folder), lambda _: {}))


def errors_of(network: nn.Module, pictures: Mapping[str, Sequence[Measured]]) -> dict[str, float]:
    """AbsRel and δ<1.25 of each column, by the zero-shot protocol."""
    predict = predictor_of(network, preset_named("tiny"), SIZE[0])
    scores = {name: scores_by_set(predict, each)["mean"]._asdict() for name, each in pictures.items()}
    return {f"{name} {field}": value for name, each in scores.items() for field, value in each.items()}


def run(settings: Settings, seeds: Sequence[int]) -> None:
    """Train and measure every arm and seed that is not in the log yet, one seed after the other."""
    settings.out.mkdir(parents=True, exist_ok=True)
    pictures = {"worlds": held_out_worlds(settings.held_out)}
    if settings.measured:
        pictures["measured"] = read_measured(settings.measured)
    for seed in seeds:
        done = {line["arm"] for line in results(settings) if line["seed"] == seed}
        held: dict[str, list[Sample]] = {}
        for arm in (arm for arm in arms_of(settings) if arm.name not in done):
            names = sets_of(arm, settings)
            held |= {name: read_set(name, seed, settings) for name in names if name not in held}
            start = time.monotonic()
            network = trained(arm, seed, {name: held[name] for name in names}, settings)
            numbers = errors_of(network, pictures) | {"seconds": time.monotonic() - start}
            append_line(settings.out / LOG, {"arm": arm.name, "seed": seed, **settings.noted(), **numbers})
            said = ", ".join(f"{key} {value:.4g}" for key, value in numbers.items())
            print(f"seed {seed}, {arm.name}: {said}", flush=True)


# -- results --------------------------------------------------------------------------------------------------------


def results(settings: Settings) -> Iterator[dict[str, Any]]:
    """The lines of the log that were made with these settings."""
    noted = settings.noted()
    return (line for line in read_log(settings.out) if noted.items() <= line.items())


def by_arm(settings: Settings, seeds: Sequence[int]) -> ByArm:
    """The lines of every arm by seed, arms in their order."""
    found = [line for line in results(settings) if line["seed"] in seeds]
    return {
        arm.name: {line["seed"]: line for line in found if line["arm"] == arm.name}
        for arm in arms_of(settings)
    }


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over the seeds."""
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}" if values else "–"


def print_arms(arms: ByArm, names: Sequence[str]) -> None:
    """Errors of every arm."""
    keys = [f"{name} {field}" for name, field in product(names, ("abs_rel", "delta1"))]
    titles = [f"{COLUMNS[name]}: {field}" for name, field in product(names, ("AbsRel", "δ<1.25"))]
    print(f"| arm | seeds | {' | '.join(titles)} |\n|---|---|{'---|' * len(keys)}")
    for arm, lines in arms.items():
        cells = [mean_and_spread([line[key] for line in lines.values()]) for key in keys]
        print(f"| {arm} | {len(lines)} | {' | '.join(cells)} |")


def verdicts(arms: ByArm, names: Sequence[str]) -> list[dict[str, Any]]:
    """For every finding and column: by how much AbsRel is larger in the worse arm, seed by seed."""
    rows = []
    for (better, worse), name in product(FINDINGS, names):
        first, second, key = arms.get(better, {}), arms.get(worse, {}), f"{name} abs_rel"
        more = [round(second[seed][key] - first[seed][key], 4) for seed in sorted(first.keys() & second)]
        if more:
            rows.append({"better": better, "worse": worse, "on": name, "worse_by": more})
    return rows


def print_verdicts(rows: Sequence[Mapping[str, Any]]) -> None:
    print("\n| the paper: | is better than | on | AbsRel less by | in seeds |\n|---|---|---|---|---|")
    for row in rows:
        more = row["worse_by"]
        share = f"{sum(each > 0 for each in more)} of {len(more)}"
        print(
            f"| {row['better']} | {row['worse']} | {COLUMNS[row['on']]} | {mean_and_spread(more)} | {share} |"
        )


def draw(arms: ByArm, names: Sequence[str], path: Path) -> None:
    """AbsRel of every arm, a panel for each column: means, and every seed as a dot, from the least to the most."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter
    from PIL import Image as Picture

    figure = Figure((4.2 + 2.6 * len(names), 5.2), dpi=110, layout="constrained")
    questions = [arm.question for arm in ARMS if arm.name in arms]
    rows = np.arange(len(arms))
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names), sharey=True)), names, strict=True):
        for row, lines, question in zip(rows, arms.values(), questions, strict=True):
            values = [line[f"{name} abs_rel"] for line in lines.values()]
            colour = f"C{sorted(set(questions)).index(question)}"
            axes.plot(values, [row] * len(values), ".-", color=colour, alpha=0.4)
            axes.plot(np.mean(values), row, "o", color=colour)
        axes.set(title=COLUMNS[name], xlabel="AbsRel (less is better)", yticks=rows, yticklabels=list(arms))
        axes.set_xscale("log")  # errors have a long tail
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.grid(axis="x", alpha=0.3)
    axes.invert_yaxis()  # shared by all
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    Picture.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(path, quality=80, method=6)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300, help="of every arm")
    parser.add_argument("--pictures", type=int, default=240, help="of every set")
    parser.add_argument("--held-out", type=int, default=100, help="worlds to measure on")
    parser.add_argument(
        "--encoder",
        type=Path,
        help="MobileNetV2, as training takes it; for all arms but one",
    )
    parser.add_argument("--photos", type=Path, help="photographs, with --labels")
    parser.add_argument("--labels", type=Path, help="gray pictures of the same names, near bright")
    parser.add_argument("--measured", type=Path, help="pictures with measured depth, to measure on")
    parser.add_argument("--draw", type=Path, help="picture to write (WebP)")
    options = parser.parse_args(arguments)
    if (options.photos is None) != (options.labels is None):
        parser.error("--photos and --labels belong together")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, print the tables and the JSON line, draw if asked."""
    options = vars(parsed(arguments))
    seeds, picture = options.pop("seeds"), options.pop("draw")
    settings = Settings(**options)
    cv2.setNumThreads(1)  # every thread has pictures of its own
    run(settings, seeds)
    arms, names = by_arm(settings, seeds), ["worlds", "measured"] if settings.measured else ["worlds"]
    rows = verdicts(arms, names)
    print_arms(arms, names)
    print_verdicts(rows)
    if picture:
        draw(arms, names, picture)
    print("\n" + json.dumps({"seeds": seeds, **settings.noted(), "findings": rows}, ensure_ascii=False))


if __name__ == "__main__":
    main()
