"""The served process with its own exit code in reach, and clients that say how each of their calls ended."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.served import REQUEST, ROOT, Served, environment, free_port, serve_command

BODY = json.dumps(REQUEST).encode()
HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service and the process that supervises it."""

    service: Served
    process: subprocess.Popen[bytes]

    def worker_pids(self) -> list[int]:
        """The workers that live, where there are no runners."""
        return [pid for pid in children(self.process.pid) if lives(pid)]

    def ready(self) -> bool:
        """Whether some worker answers that it is ready."""
        try:
            return self.service.get("/api/v1/ready").status == 200
        except OSError:
            return False


@contextmanager
def running(folder: Path, port: int | None = None, **changes: str) -> Iterator[Running]:
    """Serve; the block may end the process as it likes, afterwards nothing of it is left."""
    port = port or free_port()
    log = folder / f"serve-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            serve_command(),
            cwd=ROOT,
            env=environment(folder, port, changes),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    service = Served(url=url, port=port, log=log, pid=process.pid, data_dir=folder / "data")
    found = Running(service=service, process=process)
    pids: list[int] = []
    try:
        wait_until(found.ready, 90.0, log)
        pids = children(process.pid)
        yield found
    finally:
        pids += children(process.pid) if process.poll() is None else []
        for pid in [process.pid, *pids]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def wait_until(holds: Callable[[], object], at_most_s: float, log: Path | None = None) -> float:
    """Wait for something to hold; the seconds it took."""
    started_s = time.monotonic()
    while not holds():
        told = "" if log is None else log.read_text()[-4000:]
        assert time.monotonic() - started_s < at_most_s, f"not within {at_most_s} s\n{told}"
        time.sleep(0.02)
    return time.monotonic() - started_s


def children(pid: int) -> list[int]:
    """The processes that this one started and has not reaped."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    return _state(pid) not in (None, "Z")


def stopped(pid: int) -> bool:
    """Whether a process was stopped and may go on."""
    return _state(pid) == "T"


def _state(pid: int) -> str | None:
    # The letter of /proc, None for no process.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


@dataclass
class Clients:
    """Threads that call as fast as they are answered: each call on a connection of its own, or all on one."""

    port: int
    keep: bool
    answers: list[int] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)
    slowest_s: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def calling(self, threads: int) -> Iterator["Clients"]:
        """Call until the block ends."""
        callers = [threading.Thread(target=self._call) for _ in range(threads)]
        for caller in callers:
            caller.start()
        try:
            yield self
        finally:
            self.stop.set()
            for caller in callers:
                caller.join()

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.stop.is_set():
            started_s = time.monotonic()
            try:
                connection.request("POST", "/api/v1/predict", BODY, HEADERS)
                answer = connection.getresponse()
                answer.read()
                self.answers.append(answer.status)
                if not self.keep:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append((started_s, type(error).__name__))
                connection.close()
                time.sleep(0.01)
            self.slowest_s = max(self.slowest_s, time.monotonic() - started_s)
        connection.close()
