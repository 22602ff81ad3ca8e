"""Replicas of several workers, and a Redis that is refused, black-holed or restarted. On a real server."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from adapters.bus.local import LocalBus
from adapters.bus.redis import RedisBus, channel_of
from adapters.redis_client import open_redis
from tests.fakes.proxy import Mode, Proxy, proxied
from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.waiting import eventually, run

TOPIC = "user:user123"
BACK_S = 5.0
SECRET = b"of one deployment"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def proxy(redis: RedisServer) -> Iterator[Proxy]:
    with proxied(redis.port) as proxy:
        yield proxy


async def open_bus(stack: AsyncExitStack, directory: Path, port: int, secret: bytes = SECRET) -> RedisBus:
    bus = RedisBus(LocalBus(directory), f"redis://127.0.0.1:{port}/0")
    await bus.start()
    stack.push_async_callback(bus.stop)
    bus.join(secret)
    return bus


def test_each_worker_of_each_replica_hears_a_message_exactly_once(redis: RedisServer, tmp_path: Path) -> None:
    async def check() -> None:
        async with AsyncExitStack() as stack:
            buses = [await open_bus(stack, tmp_path / place, redis.port) for place in "aabb"]
            heard: list[list[bytes]] = [[] for _ in buses]
            for bus, messages in zip(buses, heard, strict=True):
                bus.subscribe(TOPIC, messages.append)
            await eventually(
                lambda: all(bus.connected and len(bus._local._interest.get(TOPIC, ())) == 1 for bus in buses)
            )
            for number, bus in enumerate(buses):
                bus.publish(TOPIC, str(number).encode())
            await eventually(lambda: all(len(messages) == 4 for messages in heard))
            await asyncio.sleep(0.3)
            assert [sorted(messages) for messages in heard] == [[b"0", b"1", b"2", b"3"]] * 4

    run(check())


def test_what_concerns_no_user_stays_on_its_machine(redis: RedisServer, tmp_path: Path) -> None:
    async def check() -> None:
        async with AsyncExitStack() as stack:
            here = await open_bus(stack, tmp_path / "a", redis.port)
            there = await open_bus(stack, tmp_path / "b", redis.port)
            heard: list[bytes] = []
            there.subscribe("settings", heard.append)
            there.subscribe(TOPIC, heard.append)
            await eventually(lambda: here.connected and there.connected)
            assert not here.wanted("settings")
            here.publish("settings", b"no")
            here.publish(TOPIC, b"yes")
            await eventually(lambda: heard)
            assert heard == [b"yes"]

    run(check())


@pytest.mark.parametrize("fault", [Mode.REFUSE, Mode.BLACK_HOLE])
def test_without_redis_this_machine_goes_on_and_with_it_the_others_are_back_in_time(
    proxy: Proxy, tmp_path: Path, fault: Mode
) -> None:
    async def check() -> None:
        async with AsyncExitStack() as stack:
            here = await open_bus(stack, tmp_path / "a", proxy.port)
            sibling = await open_bus(stack, tmp_path / "a", proxy.port)
            there = await open_bus(stack, tmp_path / "b", proxy.port)
            near: list[bytes] = []
            far: list[bytes] = []
            sibling.subscribe(TOPIC, near.append)
            there.subscribe(TOPIC, far.append)
            await eventually(lambda: here.connected and there.connected and here._local.wanted(TOPIC))
            tasks = len(asyncio.all_tasks())
            await asyncio.to_thread(proxy.set, fault)
            for number in range(300):
                here.publish(TOPIC, str(number).encode())
                await asyncio.sleep(0.01)
            assert len(near) == 300
            await eventually(lambda: not here.connected)
            await asyncio.to_thread(proxy.set, Mode.PASS)
            await eventually(lambda: here.connected and there.connected, within_s=BACK_S)
            far.clear()
            here.publish(TOPIC, b"back")
            await eventually(lambda: b"back" in far, within_s=BACK_S)
            assert far.count(b"back") == 1
            assert here.dropped > 0
            await eventually(lambda: len(asyncio.all_tasks()) == tasks)

    run(check())


def test_a_restarted_redis_is_found_again(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    async def check(server: RedisServer) -> None:
        async with AsyncExitStack() as stack:
            here = await open_bus(stack, tmp_path / "a", server.port)
            there = await open_bus(stack, tmp_path / "b", server.port)
            heard: list[bytes] = []
            there.subscribe(TOPIC, heard.append)
            await eventually(lambda: here.connected and there.connected)
            here.publish(TOPIC, b"before")
            await eventually(lambda: heard)
            await asyncio.to_thread(server.stop)
            await eventually(lambda: not here.connected and not there.connected)
            await asyncio.to_thread(server.start)
            await eventually(lambda: here.connected and there.connected, within_s=BACK_S)
            here.publish(TOPIC, b"after")
            await eventually(lambda: heard == [b"before", b"after"])

    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        run(check(server))


def test_a_full_queue_drops_and_counts(proxy: Proxy, tmp_path: Path) -> None:
    async def check() -> None:
        async with AsyncExitStack() as stack:
            bus = await open_bus(stack, tmp_path, proxy.port)
            await eventually(lambda: bus.connected)
            await asyncio.to_thread(proxy.set, Mode.BLACK_HOLE)
            for _ in range(20):
                bus.publish(TOPIC, bytes(100 * 1024))
            assert bus.dropped == 10

    run(check())


def test_a_bus_that_stops_leaves_no_task_though_redis_is_gone(proxy: Proxy, tmp_path: Path) -> None:
    async def check() -> None:
        await asyncio.to_thread(proxy.set, Mode.REFUSE)
        async with AsyncExitStack() as stack:
            bus = await open_bus(stack, tmp_path, proxy.port)
            await asyncio.sleep(0.2)
            assert not bus.wanted(TOPIC)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(check())


def test_what_strangers_write_to_the_channel_is_ignored(redis: RedisServer, tmp_path: Path) -> None:
    async def check() -> None:
        async with AsyncExitStack() as stack:
            here = await open_bus(stack, tmp_path / "a", redis.port)
            there = await open_bus(stack, tmp_path / "b", redis.port)
            heard: list[bytes] = []
            there.subscribe(TOPIC, heard.append)
            await eventually(lambda: here.connected and there.connected)
            async with open_redis(redis.url) as stranger:
                for garbage in (b"", b"x" * 17, bytes(40), b"f" * 16 + b"\xff\xff", b"f" * 16 + b"\0\1\xff"):
                    await stranger.publish(channel_of(SECRET), garbage)
            here.publish(TOPIC, b"1")
            await eventually(lambda: heard)
            assert heard == [b"1"]

    run(check())


def test_deployments_that_share_a_redis_hear_nothing_of_each_other(redis: RedisServer, tmp_path: Path) -> None:
    async def check() -> None:
        async with AsyncExitStack() as stack:
            here = await open_bus(stack, tmp_path / "a", redis.port)
            replica = await open_bus(stack, tmp_path / "b", redis.port)
            other = await open_bus(stack, tmp_path / "c", redis.port, b"of another")
            heard: list[bytes] = []
            other.subscribe(TOPIC, heard.append)
            near: list[bytes] = []
            replica.subscribe(TOPIC, near.append)
            await eventually(lambda: here.connected and replica.connected and other.connected)
            here.publish(TOPIC, b"1")
            await eventually(lambda: near)
            await asyncio.sleep(0.2)
            assert heard == []

    run(check())


def test_a_connection_that_fails_as_it_is_left_ends_neither_listening_nor_the_stop(
    proxy: Proxy, tmp_path: Path
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("the connection cannot even be left")

    async def check() -> None:
        bus = RedisBus(LocalBus(tmp_path), f"redis://127.0.0.1:{proxy.port}/0")
        await bus.start()
        bus.join(SECRET)
        await eventually(lambda: bus.connected)
        assert bus._redis is not None
        bus._redis.connection_pool.disconnect = bus._redis.aclose = fail  # type: ignore[method-assign]
        await asyncio.to_thread(proxy.set, Mode.REFUSE)
        await eventually(lambda: not bus.connected)
        await asyncio.to_thread(proxy.set, Mode.PASS)
        await eventually(lambda: bus.connected, within_s=BACK_S)
        await bus.stop()
        assert os.listdir(tmp_path) == []

    run(check())
