"""A server that ends without losing what it accepted."""

from __future__ import annotations

import time
from types import FrameType

import uvicorn

from openmidas.app.workers import WorkerPool


class DrainingServer(uvicorn.Server):
    """uvicorn that answers on while its pool finishes: the first signal to end it only has it refuse new work (503).

    It ends when nothing is left to compute, or after `patience_s`, or as uvicorn does at further signals; sending what
    is ready is uvicorn's own care (`timeout_graceful_shutdown`). uvicorn alone would close its door at once, and a load
    balancer, or a client with a request half sent, would meet a broken connection.
    """

    def __init__(self, config: uvicorn.Config, pool: WorkerPool, patience_s: float) -> None:
        super().__init__(config)
        self._pool, self._patience_s = pool, patience_s
        self._end_s: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal."""
        if self._end_s is not None:
            super().handle_exit(sig, frame)
            if self.force_exit:
                self._pool.abandon()
            return
        self._end_s = time.monotonic() + self._patience_s
        self._pool.stop_accepting()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; True ends the server."""
        if self._end_s is not None and (self._pool.is_idle or time.monotonic() > self._end_s):
            self.should_exit = True
        return await super().on_tick(counter)
