"""The service under load on this machine: requests a second beside the bare network's, waiting times, memory, recovery.

python benchmarks/service.py [--requests 300] [--soak 5000] [--workers N]

Starts the service in a process of its own, asks it over loopback, prints tables and one JSON line. What it is compared
with runs without a server, in processes set up as the workers are, as many pictures at a time as the service can have
in work: as many as there are clients, at most as many as workers. Clients and server share the cores, as nothing else
is to be had here; what each of them takes is told. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from openmidas.app.depth_answers import DepthRequest, depth_answer
from openmidas.app.processes import Report, Setup, TaskProcess, network
from openmidas.files.cores import usable_cores

PHOTO = Path(__file__).parent.parent / "examples" / "cat.jpg"
CLIENTS = (1, 8, 64)
BARE_S, SOAK_PARTS = 2.0, 5
PAGE_BYTES, TICKS_PER_S = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
SERVER = """
import sys
from openmidas.app.limits import Limits
from openmidas.app.server import address_of, bound_socket, server_for
from openmidas.app.settings import Settings
settings = Settings(port=0, limits=Limits(workers=int(sys.argv[1]), waiting=128))
with bound_socket(settings) as listening:
    print(address_of(listening), flush=True)
    server_for(settings).run(sockets=[listening])
"""


def network_alone(photo: bytes) -> Callable[[], object]:
    """The network's arithmetic on one picture that lies there, decoded and resized."""
    predictor = network("tiny")
    pixels, _ = predictor.prepare(photo)
    return lambda: predictor.run(pixels)


def picture_to_depth(photo: bytes) -> Callable[[], object]:
    """What `openmidas.load()` does in a program: from the bytes of a picture to its depth map."""
    return lambda: network("tiny")(photo)


def picture_to_png(photo: bytes) -> Callable[[], object]:
    """All that a worker does for a request."""
    return lambda: depth_answer(photo, DepthRequest("png16", "tiny"))


BARE = {"network": network_alone, "depth": picture_to_depth, "png": picture_to_png}


def often(work: str, photo: bytes, report: Report) -> float:
    """How often a second this process does it."""
    do = BARE[work](photo)
    do()
    count, started_s = 0, time.perf_counter()
    while time.perf_counter() < started_s + BARE_S:
        do()
        count += 1
    return count / (time.perf_counter() - started_s)


def bare(photo: bytes, processes: list[TaskProcess]) -> dict[str, float]:
    """Pictures a second of each kind of work, by all these processes together."""

    def together(work: str) -> float:
        with ThreadPoolExecutor(len(processes)) as pool:
            return sum(pool.map(lambda process: process.run(partial(often, work, photo), 60.0), processes))

    return {work: together(work) for work in BARE}


def without_service(photo: bytes, workers: int) -> dict[int, dict[str, float]]:
    """`bare` for one picture at a time, and for as many as there are workers."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as held:
        setup = Setup(Path(folder), max(1, usable_cores() // workers))
        processes = [TaskProcess(setup) for _ in range(workers)]
        for process in processes:
            held.callback(process.close)
            process.wait_until_ready()
        return {streams: bare(photo, processes[:streams]) for streams in sorted({1, workers})}


class Client:
    """One connection that is kept; as little between socket and clock as can be."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body; 0 where the connection breaks."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
            reader, writer = self._streams
            head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            header = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", header)
            content = await reader.readexactly(int(length[1]) if length else 0)
            if b"connection: close" in header:
                await self.close()
            return int(header.split()[1]), content
        except (OSError, asyncio.IncompleteReadError):
            await self.close()
            return 0, b""

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def load(port: int, photo: bytes, clients: int, requests: int) -> dict[str, float]:
    """So many clients share so many requests; how many a second, how long they wait, and what did not succeed."""
    left = iter(range(requests))
    waited_s: list[float] = []
    statuses: Counter[int] = Counter()

    async def one_client() -> None:
        client = Client(port)
        for _ in left:
            started_s = time.perf_counter()
            status, _ = await client.ask("POST", "/v1/depth?as=png16", photo)
            waited_s.append(time.perf_counter() - started_s)
            statuses[status] += 1
        await client.close()

    started_s = time.perf_counter()
    await asyncio.gather(*(one_client() for _ in range(clients)))
    seconds = time.perf_counter() - started_s
    p50_s, p99_s = np.percentile(waited_s, (50, 99))
    return {
        "per_s": statuses[200] / seconds,
        "p50_ms": 1000 * float(p50_s),
        "p99_ms": 1000 * float(p99_s),
        "longest_ms": 1000 * max(waited_s),
        "lost": requests - statuses[200],
    }


async def watched_load(port: int, pid: int, photo: bytes, clients: int, requests: int) -> dict[str, float]:
    """`load`, and the processor time that a request takes in the clients, the server and the workers."""

    def used_s() -> np.ndarray:
        server, *workers = processes_of(pid)
        return np.array([time.process_time(), cpu_s([server]), cpu_s(workers)])

    before_s = used_s()
    found = await load(port, photo, clients, requests)
    took_ms = 1000 * (used_s() - before_s) / requests
    return {**found, **dict(zip(("client_ms", "server_ms", "worker_ms"), took_ms.tolist(), strict=True))}


def processes_of(pid: int) -> list[int]:
    """The server and what it started to compute."""
    found = [pid]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"spawn_main" in command:
            found.append(int(folder.name))
    return found


def memory_mb(pid: int) -> float:
    """Resident, of the server and its workers together."""
    pages = [int(Path(f"/proc/{number}/statm").read_text().split()[1]) for number in processes_of(pid)]
    return sum(pages) * PAGE_BYTES / 1e6


def cpu_s(numbers: list[int]) -> float:
    """Processor time that these processes have taken."""
    fields = [Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split() for number in numbers]
    return sum(int(parts[11]) + int(parts[12]) for parts in fields) / TICKS_PER_S


async def until_ready(port: int, workers: int, lost: int = 0) -> float:
    """Seconds until all workers are ready, after so many were lost."""
    started_s, client = time.perf_counter(), Client(port)
    wanted = {f"openmidas_workers_ready {workers}", f"openmidas_workers_lost_total {lost}"}
    while not wanted <= set((await client.ask("GET", "/metrics"))[1].decode().splitlines()):
        await asyncio.sleep(0.01)
    await client.close()
    return time.perf_counter() - started_s


async def recovery(port: int, pid: int, photo: bytes, workers: int) -> dict[str, float]:
    """A worker is killed under load: the answers lost, and how long until there is another."""
    working = asyncio.ensure_future(load(port, photo, 8, 200))
    await asyncio.sleep(0.3)
    os.kill(processes_of(pid)[1], signal.SIGKILL)
    ready_s = await until_ready(port, workers, lost=1)
    return {"lost": (await working)["lost"], "ready_s": ready_s}


async def drain(port: int, server: subprocess.Popen[str], photo: bytes) -> dict[str, float]:
    """SIGTERM with eight requests under way: those lost, and how the server ended."""
    clients = [Client(port) for _ in range(8)]
    working = [asyncio.ensure_future(client.ask("POST", "/v1/depth?as=png16", photo)) for client in clients]
    metrics = Client(port)
    numbers = rb"openmidas_queue_length (\d+)|openmidas_tasks_running (\d+)"
    accepted = done = 0
    while accepted + done < len(working):
        _, text = await metrics.ask("GET", "/metrics")
        accepted = sum(int(a or b) for a, b in re.findall(rf"(?m)^(?:{numbers.decode()})$".encode(), text))
        done = sum(request.done() for request in working)
    server.send_signal(signal.SIGTERM)
    statuses = [status for status, _ in await asyncio.gather(*working)]
    return {
        "lost": sum(status != 200 for status in statuses),
        "exit_code": await asyncio.to_thread(server.wait),
    }


async def soak(port: int, pid: int, photo: bytes, requests: int) -> dict[str, object]:
    """Many requests by eight clients; memory before, in between and at the end, by requests answered."""
    part = max(1, requests // SOAK_PARTS)
    memory, lost = {0: memory_mb(pid)}, 0.0
    for number in range(SOAK_PARTS):
        lost += (await load(port, photo, 8, part))["lost"]
        memory[(number + 1) * part] = memory_mb(pid)
    return {"memory_mb": memory, "lost": lost}


async def measure(options: argparse.Namespace, server: subprocess.Popen[str], port: int) -> dict[str, Any]:
    """Everything, in order; the bare network before and after, as other work on the machine comes and goes."""
    photo = PHOTO.read_bytes()
    started_s = await until_ready(port, options.workers)
    await load(port, photo, 8, 60)
    before = without_service(photo, options.workers)
    levels = {
        clients: await watched_load(port, server.pid, photo, clients, options.requests) for clients in CLIENTS
    }
    after = without_service(photo, options.workers)
    means = {
        streams: {work: (before[streams][work] + after[streams][work]) / 2 for work in BARE}
        for streams in before
    }
    return {
        "workers": options.workers,
        "threads": max(1, usable_cores() // options.workers),
        "bare_per_s": means,
        "levels": {
            clients: {**found, "shares": shares(found["per_s"], means[min(clients, options.workers)])}
            for clients, found in levels.items()
        },
        "soak": await soak(port, server.pid, photo, options.soak),
        "start_s": started_s,
        "recovery": await recovery(port, server.pid, photo, options.workers),
        "drain": await drain(port, server, photo),
    }


def shares(per_s: float, bare_per_s: dict[str, float]) -> dict[str, float]:
    """Requests a second over those of the bare works."""
    return {work: per_s / bare_per_s[work] for work in BARE}


def print_tables(found: dict[str, Any]) -> None:
    """The figures, then the same as JSON."""
    print(f"{found['workers']} workers of {found['threads']} threads; without a server, pictures/s:\n")
    print("| at a time | network alone | picture to depth map | picture to PNG |\n|---|---|---|---|")
    for streams, row in found["bare_per_s"].items():
        print(f"| {streams} | " + " | ".join(f"{row[work]:.1f}" for work in BARE) + " |")
    print(
        "\n| clients | requests/s | of the network alone | of picture to depth map | of picture to PNG ",
        end="",
    )
    print("| p50, ms | p99, ms | lost | processor ms: client | server | worker |")
    print("|---" * 11 + "|")
    for clients, row in found["levels"].items():
        part = " | ".join(f"{row['shares'][work]:.2f}" for work in BARE)
        times = " | ".join(f"{row[name]:.1f}" for name in ("client_ms", "server_ms", "worker_ms"))
        waited = f"{row['p50_ms']:.0f} | {row['p99_ms']:.0f} | {row['lost']}"
        print(f"| {clients} | {row['per_s']:.1f} | {part} | {waited} | {times} |")
    soaked, recovered, drained = found["soak"], found["recovery"], found["drain"]
    memory = ", ".join(f"{requests}: {mb:.0f}" for requests, mb in soaked["memory_mb"].items())
    print(f"\nmemory in MB after so many requests, {soaked['lost']:.0f} of them lost: {memory}")
    print(
        f"a worker killed: {recovered['lost']} of 200 answers lost, replaced after {recovered['ready_s']:.1f} s"
    )
    print(f"SIGTERM: {drained['lost']} of 8 lost, exit code {drained['exit_code']}\n")
    print(json.dumps(found))


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--soak", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=usable_cores())
    options = parser.parse_args()
    command = [sys.executable, "-c", SERVER, str(options.workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().rpartition(":")[2])
            print_tables(asyncio.run(measure(options, server, port)))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
