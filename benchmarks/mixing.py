"""What Pareto mixing costs beside naive mixing: time of a step's forward and backward passes, and memory.

python benchmarks/mixing.py [--network dpt_beit_base_384] [--side 192] [--sets 5]

Prints a table and one JSON line. Every row is a process of its own with one thread. Time is the processor's in user
mode: it depends little on what else the machine does. Memory is the peak of what the passes take beyond the network.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import torch
from torch import Tensor, nn

from openmidas.networks.published import PUBLISHED
from openmidas.training.mixing import naive_backward, pareto_backward

MIB = 2**20
Losses = Callable[[nn.Module, Tensor, Tensor], Sequence[Tensor]]
Backward = Callable[[Sequence[Tensor], Iterable[nn.Parameter]], object]


def of_one_pass(network: nn.Module, images: Tensor, target: Tensor) -> list[Tensor]:
    """The losses of one forward pass of the whole minibatch, as batch norms need it."""
    return list((network(images) - target).abs().mean(dim=(1, 2)))


def of_a_pass_each(network: nn.Module, images: Tensor, target: Tensor) -> list[Tensor]:
    """The losses of a forward pass for each set."""
    return [
        (network(image) - goal).abs().mean()
        for image, goal in zip(images.split(1), target.split(1), strict=True)
    ]


def bytes_of(network: nn.Module) -> int:
    return sum(parameter.nbytes for parameter in network.parameters())


def rows(network_bytes: int, sets: int) -> dict[str, tuple[Losses, Backward]]:
    """Each way to a gradient; chunks of all sets together take as much as one gradient of the network."""
    kept = partial(pareto_backward, chunk_bytes=sets * network_bytes)
    chunks = partial(pareto_backward, chunk_bytes=network_bytes)
    return {
        "naive": (of_one_pass, naive_backward),
        "Pareto, kept, one forward pass": (of_one_pass, kept),
        "Pareto, kept, a forward pass each": (of_a_pass_each, kept),
        "Pareto, chunks, one forward pass": (of_one_pass, chunks),
        "Pareto, chunks, a forward pass each": (of_a_pass_each, chunks),
    }


def held_bytes() -> int:
    """Resident memory now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def time_s() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def measure(name: str, options: argparse.Namespace) -> dict[str, float]:
    """User seconds of a row's passes, and their peak memory beyond the network."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = PUBLISHED[options.network].build().train()
    images = torch.rand(options.sets, 3, options.side, options.side)
    target = torch.rand(options.sets, options.side, options.side)
    losses, backward = rows(bytes_of(network), options.sets)[name]
    before, start = held_bytes(), time_s()
    backward(losses(network, images, target), network.parameters())
    seconds = time_s() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    return {
        "seconds": round(seconds, 2),
        "peak MiB": round(peak / MIB),
        "network MiB": round(bytes_of(network) / MIB),
    }


def main() -> None:
    """Measure each row, print the table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="dpt_beit_base_384", choices=PUBLISHED)
    parser.add_argument("--side", type=int, default=192, help="of the square pictures, one a set")
    parser.add_argument("--sets", type=int, default=5)
    options = parser.parse_args()
    # what is freed goes back at once: peaks are of what is in use
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(MIB)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        measured = {name: pool.submit(measure, name, options).result() for name in rows(0, options.sets)}
    naive = measured["naive"]
    for row in measured.values():
        row["of naive"] = round(row["seconds"] / naive["seconds"], 2)
        row["more gradients"] = round((row["peak MiB"] - naive["peak MiB"]) / row["network MiB"], 2)
    print_table(f"{options.network}, {options.sets} sets", measured)
    print("\n" + json.dumps({**vars(options), **measured}))


def print_table(title: str, measured: dict[str, dict[str, float]]) -> None:
    """One Markdown table."""
    columns = list(measured["naive"])
    print(f"| {title} | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for name, row in measured.items():
        print(f"| {name} | {' | '.join(str(row[column]) for column in columns)} |")


if __name__ == "__main__":
    main()
