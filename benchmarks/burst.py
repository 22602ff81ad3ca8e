"""`make bench-burst`: what a crowd that asks for more than there is gets, and who else is still served meanwhile.

Two workers; first a few connections, for the capacity; then hundreds at once, while health is asked and agents are
paused and resumed. The load runs on the same cores: the times are worse than those of two machines would be.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.load import BODY, PATH, capacity
from benchmarks.policy import settings
from benchmarks.servers import SERVERS, running

SERVICE = next(server for server in SERVERS if server.name == "this service")
USER = "burst-user"
PAUSE_S = 0.05


@dataclass(slots=True, kw_only=True)
class Asked:
    """Latencies (ms) of one kind of request during the burst, and how many got another answer than 200."""

    took_ms: list[float] = field(default_factory=list)
    refused: int = 0

    def told(self) -> str:
        """In one line."""
        if not self.took_ms:
            return f"none answered, {self.refused} refused"
        # The first meets hundreds of connections that are opened at the same moment, the others those that stay.
        first, *later = self.took_ms
        ordered = sorted(later) or [first]
        p99 = ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]
        return (
            f"the first {first:.0f} ms, then p50 {ordered[len(ordered) // 2]:.0f} ms, p99 {p99:.0f} ms; "
            f"{self.refused} of {len(self.took_ms)} refused"
        )


def main() -> None:
    """Print what the burst did."""
    arguments = _arguments()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        environment = settings(Path(name)) | {"WORKERS": "2"}
        with running(SERVICE, environment, pinned=False) as (port, _):
            _post(port, "/api/v1/agents/start", {"user_id": USER})
            capacity(port, BODY, seconds=2)
            most = capacity(port, BODY, seconds=arguments.seconds)
            health, commands, over = Asked(), Asked(), threading.Event()
            asking = [
                threading.Thread(target=_ask_health, args=(port, health, over)),
                threading.Thread(target=_command, args=(port, commands, over)),
            ]
            for thread in asking:
                thread.start()
            good, refused = _flood(port, arguments.connections, arguments.seconds)
            over.set()
            for thread in asking:
                thread.join()
            time.sleep(5.0)
            after = capacity(port, BODY, seconds=arguments.seconds)
    print(f"capacity {most:.0f} req/s")
    print(f"in the burst {good:.0f} req/s answered ({good / most:.2f} of it), {refused:.0f} refused")
    print(f"5 s later {after / most:.2f} of the capacity")
    print(f"health: {health.told()}")
    print(f"agent commands: {commands.told()}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.burst", description=__doc__)
    parser.add_argument("--connections", type=int, default=400, help="clients that ask again at once (at most 1000)")
    parser.add_argument("--seconds", type=int, default=10, help="length of each part")
    return parser.parse_args()


def _flood(port: int, connections: int, seconds: int) -> tuple[float, float]:
    script = f'wrk.method="POST"\nwrk.body=[[{BODY.decode()}]]\nwrk.headers["Content-Type"]="application/json"\n'
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        url = f"http://127.0.0.1:{port}{PATH}"
        command = ["wrk", "-t1", f"-c{min(connections, 1000)}", f"-d{seconds}s", "-s", file.name, url]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    every = re.search(r"(\d+) requests in", printed)
    others = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    assert every is not None, printed
    refused = int(others[1]) if others else 0
    return (int(every[1]) - refused) / seconds, refused / seconds


def _ask_health(port: int, asked: Asked, over: threading.Event) -> None:
    while not over.wait(PAUSE_S):
        # A connection of its own each time, as a cluster's probe has.
        connection = HTTPConnection("127.0.0.1", port, timeout=10.0)
        started_s = time.perf_counter()
        try:
            connection.request("GET", "/api/v1/health")
            answer = connection.getresponse()
            answer.read()
            asked.refused += answer.status != 200
        except OSError:
            asked.refused += 1
        asked.took_ms.append((time.perf_counter() - started_s) * 1000.0)
        connection.close()


def _command(port: int, asked: Asked, over: threading.Event) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30.0)
    action = "pause"
    while not over.wait(PAUSE_S):
        body = json.dumps({"user_id": USER, "action": action}).encode()
        started_s = time.perf_counter()
        connection.request("POST", "/api/v1/agents/control", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        asked.took_ms.append((time.perf_counter() - started_s) * 1000.0)
        asked.refused += answer.status != 200
        if answer.status == 200:
            action = "resume" if action == "pause" else "pause"
    connection.close()


def _post(port: int, path: str, body: dict[str, object]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10.0):  # noqa: S310 - as above
        return


if __name__ == "__main__":
    main()
