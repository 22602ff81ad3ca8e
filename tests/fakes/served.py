"""The real service as a process: at least two workers on a free loopback port, ended by its pid."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_S = 90.0

REQUEST: dict[str, Any] = {
    "user_id": "user123",
    "symbol": "BTC",
    "signal_data": {"confidence": 0.85, "rsi": 65.0, "change_percent": 3.5, "volume": 1.5e9, "action": "BUY"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer: status, headers in lower case, raw body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running service: where it is, what it logs, who supervises it."""

    url: str
    port: int
    log: Path
    pid: int
    data_dir: Path

    def get(self, path: str) -> Answer:
        return self.send("GET", path, None, {})

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.send("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})

    def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=dict(headers))  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - a loopback URL of ours
                return _answer(response)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error)

    def worker_pids(self) -> list[int]:
        """Every process below the supervisor that serves the API."""
        found = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in found.split() if b"worker" in _command(int(pid))]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # it ended in this moment


def _answer(response: Any) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status=response.status, headers=headers, body=response.read())


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, port: int, changes: Mapping[str, str]) -> dict[str, str]:
    """What a served process of the tests has in its environment."""
    ours = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "WORKERS": "2",
        "DATA_DIR": str(folder / "data"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": "1",
    }
    return os.environ | ours | dict(changes)


def serve_command() -> list[str]:
    """The command of `make serve`."""
    return [str(Path(sys.executable).parent / "bentoml"), "serve", "service:RLService"]


@contextmanager
def served(folder: Path, **changes: str) -> Iterator[Served]:
    """Serve with these environment variables until the block ends."""
    port = free_port()
    log = folder / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            serve_command(),
            cwd=ROOT,
            env=environment(folder, port, changes),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Served(url=f"http://127.0.0.1:{port}", port=port, log=log, pid=process.pid, data_dir=folder / "data")
    try:
        _wait_ready(service, process)
        yield service
    finally:
        _end(process)


def _wait_ready(service: Served, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise AssertionError(f"the service ended with {process.returncode}:\n{service.log.read_text()[-4000:]}")
        try:
            if service.get("/api/v1/ready").status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready after {START_S} s:\n{service.log.read_text()[-4000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
