"""The steps in which a worker ends."""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

import pytest

from trading.errors import OperatorNeeded
from wiring.drain import DEAF_S, LAME_DUCK_S, STOP_S, Drain, drain_on_signal

GRACE_S = 20.0


@dataclass
class FakeConfig:
    """Keeps wiring.drain.Config."""

    timeout_graceful_shutdown: int | None = None


@dataclass
class FakeServer:
    """Keeps wiring.drain.Server and Listener: notes what it is told."""

    steps: list[object] = field(default_factory=list)
    config: FakeConfig = field(default_factory=FakeConfig)

    @property
    def servers(self) -> Sequence["FakeServer"]:
        return [self]

    def close(self) -> None:
        self.steps.append("deaf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.steps.append(("exit", sig))

    async def sleep(self, seconds: float) -> None:
        self.steps.append(pytest.approx(seconds))


def begin(steps: list[object]) -> bool:
    steps.append("not ready")
    return True


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_worker_is_first_not_ready_then_deaf_then_ends_within_the_grace() -> None:
    server = FakeServer()

    async def end() -> None:
        Drain(server, lambda: begin(server.steps), grace_s=GRACE_S, sleep=server.sleep).told(signal.SIGTERM)
        await settled()

    asyncio.run(end())
    assert server.steps == ["not ready", DEAF_S, "deaf", STOP_S - DEAF_S, ("exit", signal.SIGTERM)]
    assert LAME_DUCK_S < DEAF_S < STOP_S
    assert 0.0 <= GRACE_S - STOP_S - (server.config.timeout_graceful_shutdown or 0) < 1.0


def test_a_second_signal_does_not_wait_and_begins_nothing_again() -> None:
    server = FakeServer()
    begun: list[object] = []

    async def end() -> None:
        drain = Drain(server, lambda: begin(begun), grace_s=GRACE_S, sleep=lambda _: asyncio.sleep(60))
        drain.told(signal.SIGINT)
        await settled()
        assert server.steps == []
        drain.told(signal.SIGINT)

    asyncio.run(end())
    assert server.steps == [("exit", signal.SIGINT)]
    assert begun == ["not ready"]


def test_where_uvicorn_does_not_serve_it_says_so_at_the_start() -> None:
    async def start() -> None:
        drain_on_signal(lambda: True, grace_s=GRACE_S)

    with pytest.raises(OperatorNeeded, match="uvicorn"):
        asyncio.run(start())


def test_who_has_let_nobody_in_ends_at_once() -> None:
    server = FakeServer()

    async def end() -> None:
        Drain(server, lambda: False, grace_s=GRACE_S, sleep=server.sleep).told(signal.SIGTERM)
        await settled()

    asyncio.run(end())
    assert server.steps == [("exit", signal.SIGTERM)]
