"""The service under load on this machine: pictures a second beside the bare network's, waiting times, memory, recovery.

python benchmarks/service.py [--requests 200] [--soak 500] [--workers N]

Starts the service in a process of its own, asks it over loopback, prints a table and one JSON line. Clients and server
share the cores, as nothing else is to be had here: what the clients take is missing in the figures. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from openmidas.app.depth_answers import DepthRequest, depth_answer
from openmidas.app.processes import network
from openmidas.files.cores import usable_cores

PHOTO = Path(__file__).parent.parent / "examples" / "cat.jpg"
CLIENTS = (1, 8, 64)
BARE_S = 3.0
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


def per_s(do: Callable[[], object]) -> float:
    """How often a second, one thread a core."""
    do()
    end_s = time.perf_counter() + BARE_S

    def keep_on(number: int) -> int:
        count = 0
        while time.perf_counter() < end_s:
            do()
            count += 1
        return count

    with ThreadPoolExecutor(usable_cores()) as pool:
        return sum(pool.map(keep_on, range(usable_cores()))) / BARE_S


def without_service(photo: bytes) -> np.ndarray:
    """Pictures a second through the network alone, and from JPEG to PNG without a service around it."""
    os.environ["OMP_NUM_THREADS"] = "1"
    predictor = network("tiny")
    pixels, _ = predictor.prepare(photo)
    wanted = DepthRequest("png16", "tiny")
    return np.array([per_s(lambda: predictor.run(pixels)), per_s(lambda: depth_answer(photo, wanted))])


class Client:
    """One connection that is kept; as little between socket and clock as can be."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body; 0 where the connection breaks."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
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
    """So many clients share so many requests; pictures a second, seconds waited, and what did not succeed."""
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


async def until_ready(port: int) -> float:
    """Seconds until it is ready."""
    started_s = time.perf_counter()
    client = Client(port)
    while (await client.ask("GET", "/readyz"))[0] != 200:
        await asyncio.sleep(0.01)
    await client.close()
    return time.perf_counter() - started_s


async def recovery(port: int, pid: int, photo: bytes) -> dict[str, float]:
    """A worker is killed under load."""
    working = asyncio.ensure_future(load(port, photo, 8, 40))
    await asyncio.sleep(0.3)
    os.kill(processes_of(pid)[1], signal.SIGKILL)
    return {"lost": (await working)["lost"], "ready_s": await until_ready(port)}


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


async def measure(options: argparse.Namespace, server: subprocess.Popen[str], port: int) -> dict[str, object]:
    """Everything, in order; the bare network before and after, as other work on the machine comes and goes."""
    photo = PHOTO.read_bytes()
    started_s = await until_ready(port)
    await load(port, photo, 8, 40)
    levels, bare = {}, [without_service(photo)]
    for clients in CLIENTS:
        levels[clients] = await load(port, photo, clients, options.requests)
        bare.append(without_service(photo))
        of_network, of_work = levels[clients]["per_s"] / np.mean(bare[-2:], axis=0)
        levels[clients].update(of_network=of_network, of_work=of_work)
    server_pid, *workers = processes_of(server.pid)
    used_s = [cpu_s([server_pid]), cpu_s(workers)]
    before_mb = memory_mb(server.pid)
    soak = await load(port, photo, 8, options.soak)
    memory = {"before_mb": before_mb, "after_mb": memory_mb(server.pid), "requests": options.soak}
    used_s = [cpu_s([server_pid]) - used_s[0], cpu_s(workers) - used_s[1]]
    network_per_s, work_per_s = np.mean(bare, axis=0)
    return {
        "workers": options.workers,
        "network_per_s": float(network_per_s),
        "work_per_s": float(work_per_s),
        "levels": levels,
        "soak": {**soak, **memory},
        "cpu_ms": {
            name: 1000 * s / options.soak for name, s in zip(("server", "workers"), used_s, strict=True)
        },
        "start_s": started_s,
        "recovery": await recovery(port, server.pid, photo),
        "drain": await drain(port, server, photo),
    }


def print_table(found: dict) -> None:
    """The figures, then the same as JSON."""
    print(
        f"the network alone: {found['network_per_s']:.1f} pictures/s; JPEG to PNG: {found['work_per_s']:.1f}"
    )
    print(
        f"{found['workers']} workers; processor time a request: {found['cpu_ms']['server']:.1f} ms in the server,"
    )
    print(f"{found['cpu_ms']['workers']:.1f} ms in the workers\n")
    print(
        "| clients | requests/s | of the network alone | of JPEG to PNG | p50, ms | p99, ms | longest | lost |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for clients, row in found["levels"].items():
        print(
            f"| {clients} | {row['per_s']:.1f} | {row['of_network']:.2f} | {row['of_work']:.2f} "
            f"| {row['p50_ms']:.0f} | {row['p99_ms']:.0f} | {row['longest_ms']:.0f} | {row['lost']} |"
        )
    soak, recovery_, drained = found["soak"], found["recovery"], found["drain"]
    print(
        f"\nmemory: {soak['before_mb']:.0f} MB, after {soak['requests']} requests {soak['after_mb']:.0f} MB"
    )
    print(
        f"a worker killed: {recovery_['lost']} answers lost, ready {recovery_['ready_s']:.1f} s after the load"
    )
    print(f"SIGTERM: {drained['lost']} of 8 lost, exit code {drained['exit_code']}\n")
    print(json.dumps(found))


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--soak", type=int, default=500)
    parser.add_argument("--workers", type=int, default=usable_cores())
    options = parser.parse_args()
    command = [sys.executable, "-c", SERVER, str(options.workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().rpartition(":")[2])
            print_table(asyncio.run(measure(options, server, port)))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
