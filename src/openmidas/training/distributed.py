"""Several processes that train one network: who is who, and the mean of their gradients."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Processes:
    """Which of how many this one is; number 0 writes, and measures. here: how many share this machine's cores."""

    number: int
    count: int
    here: int = 1


ALONE = Processes(0, 1)
_TOLD = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
# All others wait for the first one while it labels every photograph or measures, longer than PyTorch's 10 (NCCL) or 30
# (gloo) minutes. It need not be short: where one process dies torchrun ends the others.
LONGEST_WAIT = timedelta(days=2)


def check_launcher() -> None:
    """ValueError where several processes were started, and not told of each other as torchrun tells them."""
    several = os.environ.get("WORLD_SIZE", "1")
    if several != "1" and (missing := _untold()):
        raise ValueError(
            f"the environment has WORLD_SIZE={several}, but no {', '.join(missing)}: "
            "start it with torchrun, or unset WORLD_SIZE"
        )


def _untold() -> list[str]:
    return [name for name in ("WORLD_SIZE", *_TOLD) if name not in os.environ]


@contextlib.contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Within the block this process works with the others that torchrun started; without torchrun it is alone."""
    if _untold():
        yield ALONE
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group(_BACKENDS[device], timeout=LONGEST_WAIT)
    try:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        yield Processes(distributed.get_rank(), distributed.get_world_size(), here)
    finally:
        distributed.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Every gradient becomes its mean over the processes; one process alone keeps its own.

    One tensor after the other: no second copy of all gradients is ever held.
    """
    if not distributed.is_initialized():
        return
    for parameter in parameters:
        if parameter.grad is not None:
            average(parameter.grad)


def average(values: torch.Tensor) -> None:
    """The mean over the processes, in place."""
    if distributed.is_initialized():
        distributed.all_reduce(values)
        values /= distributed.get_world_size()


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if distributed.is_initialized():
        distributed.barrier()
