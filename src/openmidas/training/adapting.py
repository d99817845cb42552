"""What is changed of a recipe where it is trained: its sets that are there, its length, its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path

from openmidas.models.predictor import Running as Computing
from openmidas.models.presets import Preset, preset_named
from openmidas.networks.predictor import check_running
from openmidas.training.distributed import Processes
from openmidas.training.loop import Precision
from openmidas.training.recipes import Mixing, Part, Phase, Recipe, Sizes
from openmidas.training.sources import folder_names


class WantedError(ValueError):
    """What is wanted of a recipe cannot be trained here; its one line says why, by the command's options."""


@dataclass(frozen=True)
class Wanted:
    """The options of the command line, by their names; None leaves what the recipe says.

    data: folders by the recipe's names. batch: how many pictures a minibatch has at most; its sets keep their shares.
    start, encoder: what to begin with, see `first_network`.
    """

    data: Mapping[str, Path]
    network: str | None = None
    steps: int | None = None
    batch: int | None = None
    mixing: Mixing | None = None
    seed: int | None = None
    device: str = "cpu"
    precision: Precision = "float32"
    start: Path | None = None
    encoder: Path | None = None


def adapted(recipe: Recipe, wanted: Wanted) -> Recipe:
    """The recipe as it is wanted, without the sets and phases that there is no folder for; raises WantedError."""
    network = preset_named(wanted.network or recipe.network)
    kept = [_with_parts(phase, wanted) for phase in recipe.phases if _parts_there(phase, wanted)]
    if not kept:
        parts_of_all = [part for phase in recipe.phases for part in phase.parts]
        names = dict.fromkeys(name for part in parts_of_all for name in folder_names(part))
        known = ", ".join(names)
        raise WantedError(f"give at least one folder with --data NAME=FOLDER: NAME is one of {known}")
    lengths = [phase.steps for phase in kept]
    phases = tuple(
        replace(
            phase,
            steps=steps,
            warm_up_steps=min(phase.warm_up_steps, phase.warm_up_steps * steps // phase.steps),
            sizes=_sizes(recipe, phase, network),
            mixing=wanted.mixing or phase.mixing,
            frozen=phase.frozen if network.name == recipe.network else (),
        )
        for phase, steps in zip(kept, shared_out(wanted.steps or sum(lengths), lengths), strict=True)
    )
    seed = recipe.seed if wanted.seed is None else wanted.seed
    return replace(recipe, network=network.name, phases=phases, seed=seed)


def _with_parts(phase: Phase, wanted: Wanted) -> Phase:
    """The phase of the sets that are there, with no more pictures a minibatch than wanted."""
    parts = _parts_there(phase, wanted)
    counts = [part.per_batch for part in parts]
    batch = min(wanted.batch or sum(counts), sum(counts))
    if batch < len(parts):
        raise WantedError(f"--batch {batch} is too small for a picture of each of {len(parts)} sets")
    fewer = zip(parts, shared_out(batch, counts), strict=True)
    return replace(phase, parts=tuple(replace(part, per_batch=count) for part, count in fewer))


def _parts_there(phase: Phase, wanted: Wanted) -> list[Part]:
    return [part for part in phase.parts if _is_there(part, wanted)]


def _is_there(part: Part, wanted: Wanted) -> bool:
    return set(folder_names(part)) <= set(wanted.data)


def shared_out(total: int, sizes: Sequence[int]) -> list[int]:
    """That many steps, or pictures, in the proportion of these sizes, one for each at least."""
    ends = [0]
    for later, end in zip(reversed(range(len(sizes))), accumulate(sizes), strict=True):
        ends.append(max(ends[-1] + 1, min(round(total * end / sum(sizes)), total - later)))
    return [after - before for before, after in pairwise(ends)]


def _sizes(recipe: Recipe, phase: Phase, network: Preset) -> Sizes:
    """Another network than the recipe's sees pictures no larger than its own, or just those that it takes."""
    if network.resize == "square":
        return ((network.side_px, network.side_px),)
    if network.name == recipe.network:
        return phase.sizes
    return tuple((min(height, network.side_px), min(width, network.side_px)) for height, width in phase.sizes)


def left_out(recipe: Recipe, wanted: Wanted) -> list[str]:
    """The recipe's sets that there are no folders of, and the phases that had no other."""
    parts = {part.name: part for phase in recipe.phases for part in phase.parts}
    phases = [phase for phase in recipe.phases if not _parts_there(phase, wanted)]
    missing = [name for name, part in parts.items() if not _is_there(part, wanted)]
    return missing + [f"the phase {phase.name}" for phase in phases]


def check_trainable(recipe: Recipe, device: str) -> None:
    """WantedError for a network that cannot be trained, or not on that device."""
    if preset_named(recipe.network).ambiguity == "metric":
        raise WantedError(
            f"{recipe.network} knows metres, which these losses leave open: take another network"
        )
    try:
        check_running(Computing(device))
    except ValueError as error:
        raise WantedError(f"--device: {error}") from error


def check_shares(recipe: Recipe, processes: Processes) -> None:
    """WantedError where a set's part of the minibatch cannot be shared out equally."""
    for part in (part for phase in recipe.phases for part in phase.parts):
        if part.per_batch % processes.count:
            sharing = f"{part.per_batch} pictures of {part.name} a minibatch, and {processes.count} processes"
            raise WantedError(f"the recipe has {sharing}: take a number of them that divides it")
