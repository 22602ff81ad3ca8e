"""`make bench`: several servers, one policy, one worker each; capacity by wrk, latency by an open loop.

The open loop sends at half of the capacity just measured, but never more than it can keep up with itself.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.load import BODY, OpenLoop, capacity, open_loop
from benchmarks.policy import settings
from benchmarks.servers import SERVERS, Server, pin_load, running

# Requests a second that the open loop sends on time on a busy core.
OPEN_LOOP_MOST = 3000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one server did: medians over the rounds; rates in requests a second, latencies in milliseconds."""

    name: str
    capacity: float
    rate: float
    p50_ms: float
    p99_ms: float
    memory_mb: float


def main() -> None:
    """Measure every server in turn, several rounds, and print the table."""
    arguments = _arguments()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    pin_load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = settings(folder)
        rows = [_measure(server, environment, arguments.rounds, arguments.seconds) for server in SERVERS]
    print(_table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each server (median)")
    parser.add_argument("--seconds", type=int, default=6, help="length of each measurement")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args()


def _measure(server: Server, environment: dict[str, str], rounds: int, seconds: int) -> Row:
    rates: list[float] = []
    loops: list[OpenLoop] = []
    with running(server, environment) as (port, memory_mb):
        capacity(port, BODY, seconds=2)
        for number in range(rounds):
            rates.append(capacity(port, BODY, seconds=seconds))
            loops.append(asyncio.run(open_loop(port, BODY, rate=min(rates[-1] / 2, OPEN_LOOP_MOST), seconds=seconds)))
            print(f"{server.name}: round {number + 1} of {rounds}: {rates[-1]:.0f} req/s", file=sys.stderr)
            if loops[-1].failed:
                raise RuntimeError(f"{server.name}: {loops[-1].failed} requests failed")
        largest_mb = memory_mb()
    return Row(
        name=server.name,
        capacity=median(rates),
        rate=median(loop.rate for loop in loops),
        p50_ms=median(loop.p50_ms for loop in loops),
        p99_ms=median(loop.p99_ms for loop in loops),
        memory_mb=largest_mb,
    )


def _table(rows: list[Row]) -> str:
    echo, plain_echo, service = rows[:3]
    lines = [
        "| server | req/s | of the echo | of the plain echo | this service is | open loop at | p50 | p99 | memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.name} | {row.capacity:.0f} | {row.capacity / echo.capacity:.2f} | "
            f"{row.capacity / plain_echo.capacity:.2f} | "
            f"{service.capacity / row.capacity:.2f} x | {row.rate:.0f} req/s | "
            f"{row.p50_ms:.2f} ms | {row.p99_ms:.2f} ms | {row.memory_mb:.0f} MB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
