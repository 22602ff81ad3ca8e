"""uvicorn's WebSockets as they are served, against peers that do not read, do not stop, or send too much."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic_core import to_json
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from adapters.bus.local import LocalBus
from routes.framing import MAX_MESSAGE_BYTES, BoundedWebSocket
from routes.room import Endpoint, Room
from routes.shares import RouteClass
from routes.sockets import Sockets, topic_of
from schemas.predictions import PredictRequest
from tests.fakes.python import run_python
from tests.fakes.served import free_port
from tests.fakes.waiting import eventually, run
from tests.fakes.websocket import RawSocket

PATH = "/ws/predictions/user123"
PING = 9


class Running:
    """A uvicorn server with nothing but sockets."""

    def __init__(self) -> None:
        self.bus = LocalBus(Path("unused"))
        room = Room(max_concurrent=1)
        endpoint = Endpoint(model=PredictRequest, answer=self.nothing, kind=RouteClass.PREDICT)
        self.app = Sockets(room, endpoint, self.bus, max_sockets=1000)
        self.port = free_port()
        config = uvicorn.Config(
            self.app, host="127.0.0.1", port=self.port, ws=BoundedWebSocket, lifespan="off", log_config=None
        )
        self.server = uvicorn.Server(config)

    async def nothing(self, **_: Any) -> bytes:
        return b"{}"

    @property
    def connections(self) -> set[Any]:
        return self.server.server_state.connections

    def publish(self, number: int) -> None:
        decision = {"request_id": f"{number:032x}", "reasoning": "x" * 1000}
        self.bus.publish(topic_of("user123"), to_json(decision))


@asynccontextmanager
async def running() -> AsyncIterator[Running]:
    served = Running()
    task = asyncio.create_task(served.server._serve())
    try:
        await eventually(lambda: served.server.started)
        yield served
    finally:
        served.server.should_exit = True
        await asyncio.wait_for(task, 20.0)


async def publish_until_cut(served: Running) -> int:
    """How many decisions a client without appetite was offered before it was cut."""
    for number in range(10_000):
        served.publish(number)
        await asyncio.sleep(0)
        if served.app.count == 0:
            return number
    raise AssertionError("never cut")


def test_a_client_that_reads_nothing_is_cut_and_its_connection_ends() -> None:
    async def check() -> None:
        async with running() as served:
            with closing(await asyncio.to_thread(RawSocket, served.port, PATH)):
                await eventually(lambda: served.app.count == 1)
                # 64 KB wait here, 32 KB in uvicorn, the rest in the system's own small buffers.
                assert await publish_until_cut(served) < 400
                await eventually(lambda: not served.connections, within_s=10.0)

    run(check())


def test_a_client_that_reads_late_sees_why_it_was_cut() -> None:
    async def check() -> None:
        async with running() as served:
            with closing(await asyncio.to_thread(RawSocket, served.port, PATH)) as client:
                await eventually(lambda: served.app.count == 1)
                await publish_until_cut(served)
                received = await asyncio.to_thread(client.read_all)
                assert received.endswith(b"\x88\x02" + (1013).to_bytes(2, "big"))

    run(check())


def test_a_client_that_closes_without_reading_is_gone_as_well() -> None:
    async def check() -> None:
        async with running() as served:
            with closing(await asyncio.to_thread(RawSocket, served.port, PATH)) as client:
                await eventually(lambda: served.app.count == 1)
                for number in range(100):
                    served.publish(number)
                client.send_frame(8, b"")
                await eventually(lambda: not served.connections, within_s=10.0)

    run(check())


def test_a_client_that_only_pings_does_not_fill_the_memory() -> None:
    async def check() -> None:
        def flood(client: RawSocket) -> None:
            for _ in range(200_000):
                client.send_frame(PING, bytes(120))

        async with running() as served:
            with closing(await asyncio.to_thread(RawSocket, served.port, PATH)) as client:
                with pytest.raises(ConnectionError):
                    await asyncio.to_thread(flood, client)
                await eventually(lambda: not served.connections)

    run(check())


def test_a_message_above_64_kb_is_answered_and_one_beyond_reason_ends_the_socket() -> None:
    async def check() -> None:
        async with running() as served, connect(f"ws://127.0.0.1:{served.port}{PATH}", proxy=None) as client:
            await client.send("x" * 100_000)
            assert '"body_too_large"' in str(await client.recv())
            await client.send("x" * (MAX_MESSAGE_BYTES + 1))
            with pytest.raises(ConnectionClosedError) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    run(check())


def test_messages_beyond_count_end_the_socket() -> None:
    async def check() -> None:
        async with running() as served:
            with closing(await asyncio.to_thread(RawSocket, served.port, PATH)) as client:
                burst = bytes([0x81, 0x80, 0, 0, 0, 0]) * 20_000
                await asyncio.to_thread(client._socket.sendall, burst)
                await eventually(lambda: not served.connections)

    run(check())


def test_a_drain_ends_with_a_code_that_says_come_again() -> None:
    async def check() -> None:
        async with running() as served, connect(f"ws://127.0.0.1:{served.port}{PATH}", proxy=None) as client:
            served.app.drain()
            with pytest.raises(ConnectionClosedError) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012

    run(check())


def test_an_open_socket_is_pinged_by_the_server() -> None:
    config = uvicorn.Config("unused:app")
    assert (config.ws_ping_interval, config.ws_ping_timeout) == (20.0, 20.0)


def test_a_server_that_was_not_told_serves_them_like_this_too() -> None:
    # In a process of its own, as it holds for all of one.
    loaded = """
import uvicorn
from routes.framing import bound_websockets
bound_websockets()
config = uvicorn.Config(lambda: None, factory=True)
config.load()
print(config.ws_protocol_class.__qualname__)
"""
    assert run_python(loaded).split() == [BoundedWebSocket.__qualname__]
