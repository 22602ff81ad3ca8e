"""How does a fake service run beside the service under test: in a thread of the test, or as a process of its own?"""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.fakes.stack.backend_v1 import backend_v1, backend_v1m
from tests.fakes.stack.backend_v2 import backend_v2
from tests.fakes.stack.control import ControlRoutes
from tests.fakes.stack.listener import HOST, Listener
from tests.fakes.stack.remote import Control
from tests.fakes.stack.state import State
from tests.fakes.stack.terms import Terms
from tests.fakes.stack.threshold import threshold
from tests.fakes.stack.wire import App, Wire

ROOT = Path(__file__).resolve().parents[3]
STEP_S = 10.0
BACKENDS: dict[str, Callable[[State], App]] = {"v1": backend_v1, "v1m": backend_v1m, "v2": backend_v2}
# Which versions each service has. TradingService and DataAggregator are one server: each serves the routes of both.
SERVICES: dict[str, dict[str, Callable[[State], App]]] = {
    "trading": BACKENDS,
    "aggregator": BACKENDS,
    "threshold": {"": threshold},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A fake service that runs: where it is, and the handle that looks into it."""

    name: str
    version: str
    port: int
    control: Control

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The services that were asked for, each on a port of its own."""

    services: dict[str, Service]

    @property
    def trading(self) -> Service:
        return self.services["trading"]

    @property
    def aggregator(self) -> Service:
        return self.services["aggregator"]

    @property
    def threshold(self) -> Service:
        return self.services["threshold"]


class Host:
    """One service and its control in the running event loop."""

    def __init__(self, name: str, version: str, *, port: int = 0, control_port: int = 0) -> None:
        self._state = State(name, version, Terms())
        self.listener = Listener(Wire(SERVICES[name][version](self._state), self._state), port)
        self.control = Listener(ControlRoutes(self._state, self.listener).app(), control_port)

    async def start(self) -> None:
        await self.control.open()
        await self.listener.open()

    async def stop(self) -> None:
        self._state.thaw()
        await self.listener.close()
        await self.control.close()


class _Thread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(STEP_S)

    def end(self) -> None:
        self.run(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STEP_S)
        self._loop.close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def running_stack(
    *, trading: str | None = None, aggregator: str | None = None, threshold: bool = False
) -> Iterator[Stack]:
    """Run the services that are named (versions v1 | v1m | v2) in a thread of this process until the block ends.

    Outside the service under test, so that killing that leaves the ledger whole. Under a load that keeps this process
    busy use `stack_processes`.
    """
    thread = _Thread()
    hosts = {name: Host(name, version) for name, version in _asked(trading, aggregator, threshold).items()}
    try:
        for host in hosts.values():
            thread.run(host.start())
        versions = _asked(trading, aggregator, threshold)
        yield Stack(
            services={
                name: _service(name, versions[name], host.listener.port, host.control.port)
                for name, host in hosts.items()
            }
        )
    finally:
        for host in hosts.values():
            thread.run(host.stop())
        thread.end()


@contextmanager
def stack_processes(
    *, trading: str | None = None, aggregator: str | None = None, threshold: bool = False
) -> Iterator[Stack]:
    """As `running_stack`, each service as a process."""
    with ExitStack() as ends:
        services = {}
        for name, version in _asked(trading, aggregator, threshold).items():
            services[name] = ends.enter_context(_process(name, version))
        yield Stack(services=services)


@contextmanager
def _process(name: str, version: str) -> Iterator[Service]:
    command = [sys.executable, "-m", "tests.fakes.stack", "--service", name, "--version", version]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ports = json.loads(process.stdout.readline())
            yield _service(name, version, ports["port"], ports["control_port"])
        finally:
            process.terminate()


def _asked(trading: str | None, aggregator: str | None, threshold: bool) -> dict[str, str]:
    versions = {"trading": trading, "aggregator": aggregator, "threshold": "" if threshold else None}
    return {name: version for name, version in versions.items() if version is not None}


def _service(name: str, version: str, port: int, control_port: int) -> Service:
    return Service(name=name, version=version, port=port, control=Control(f"http://{HOST}:{control_port}"))
