"""A server without a network: a pool of one process, its number on standard output, then sleep (or leave)."""

import asyncio
import sys
import tempfile
from dataclasses import replace

from openmidas.app.limits import Limits
from openmidas.app.workers import WorkerPool


async def main():
    pool = WorkerPool(replace(Limits(), workers=1), ())
    await pool.start()
    while not pool.pids:
        await asyncio.sleep(0.01)
    print(*pool.pids, flush=True)
    if "leave" not in sys.argv:
        await asyncio.sleep(60)


if __name__ == "__main__":
    tempfile.tempdir = sys.argv[1]
    asyncio.run(main())
