"""The servers that are compared: one worker each, the same policy, pinned to one core."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_S = 60.0


def _cores() -> tuple[int, int]:
    """One core for the server and another for the load; the same one where there is no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


SERVER_CORE, LOAD_CORE = _cores()


def pin_load() -> None:
    """Keep this process and what it starts off the server's core."""
    os.sched_setaffinity(0, {LOAD_CORE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A command with `{port}` where its port goes, and the path that answers once it is up."""

    name: str
    command: tuple[str, ...]
    alive: str


_BIN = str(Path(sys.executable).parent)
_UVICORN = (sys.executable, "-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log")

SERVERS = (
    Server(name="bare ASGI echo", command=(*_UVICORN, "benchmarks.echo:app"), alive="/"),
    Server(
        name="bare ASGI echo, asyncio and h11",
        command=(*_UVICORN, "--loop", "asyncio", "--http", "h11", "benchmarks.echo:app"),
        alive="/",
    ),
    Server(name="this service", command=(f"{_BIN}/bentoml", "serve", "service:RLService"), alive="/api/v1/ready"),
    Server(name="FastAPI + SB3", command=(*_UVICORN, "benchmarks.fastapi_sb3:app"), alive="/openapi.json"),
    Server(
        name="BentoML defaults + SB3",
        command=(f"{_BIN}/bentoml", "serve", "benchmarks.naive_bentoml:NaiveService"),
        alive="/readyz",
    ),
)


@contextmanager
def running(
    server: Server, environment: dict[str, str], *, root: Path = ROOT, pinned: bool = True
) -> Iterator[tuple[int, Callable[[], float]]]:
    """Start the server of the tree at `root`, on its core if `pinned`, wait until it answers, and end it afterwards.

    Gives its port and a look at its memory (MB).
    """
    port = _free_port()
    pin = ["taskset", "-c", str(SERVER_CORE)] if pinned else []
    command = [*pin, *(part.format(port=port) for part in server.command)]
    ours = {"PORT": str(port), "BENCH_PORT": str(port), "OMP_NUM_THREADS": "1", **environment}
    process = subprocess.Popen(
        command,
        cwd=root,
        env=os.environ | ours,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}{server.alive}")
        yield port, lambda: largest_memory_mb(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def largest_memory_mb(session: int) -> float:
    """Resident memory of the largest process of a session, MB of 2**20 bytes: the one that serves."""
    sizes = [0.0]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) != session:
                continue
            rows = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
        except OSError:
            continue  # it has just ended
        sizes.append(int(rows.get("VmRSS", "0 kB").split()[0]) / 1024)
    return max(sizes)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=1.0):  # noqa: S310 - a loopback URL of ours
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} did not answer within {START_S} s")
