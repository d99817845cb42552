"""What a step frees, the next one gets back without the kernel."""

from __future__ import annotations

import subprocess
import sys

import pytest

STEPS = """
import resource, sys
import numpy as np
from openmidas.training.memory import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    np.full(12 << 20, 1.5)  # 96 MiB, freed at once

if sys.argv[1:] == ["keep"]:
    keep_freed_memory()
step()
before = faults()
for _ in range(5):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library's allocator is what is asked")
def test_a_large_block_that_was_freed_is_used_again() -> None:
    def pages(*arguments: str) -> int:
        command = [sys.executable, "-c", STEPS, *arguments]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert pages("keep") < 100 < pages()
