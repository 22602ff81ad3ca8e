"""What every bus promises: between two workers of one machine, with and without Redis, and between two replicas."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.bus.local import LocalBus
from adapters.bus.redis import RedisBus
from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.waiting import eventually, run
from trading.ports import Bus

TOPIC = "user:user123"
Make = list[Callable[[], LocalBus | RedisBus]]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["local", "redis_siblings", "redis_replicas"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """How to make each of two buses that hear each other."""
    one, other = tmp_path / "one", tmp_path / "other"
    if request.param == "local":
        return [lambda: LocalBus(one), lambda: LocalBus(one)]
    url = request.getfixturevalue("redis").url
    second = one if request.param == "redis_siblings" else other
    return [lambda: RedisBus(LocalBus(one), url), lambda: RedisBus(LocalBus(second), url)]


@asynccontextmanager
async def started(make: Make) -> AsyncIterator[tuple[Bus, Bus]]:
    """Both, once they hear each other."""
    buses = [one() for one in make]
    for bus in buses:
        await bus.start()
        bus.join(b"of one deployment")
    try:
        await meet(*buses)
        yield buses[0], buses[1]
    finally:
        for bus in buses:
            await bus.stop()


async def meet(here: Bus, there: Bus) -> None:
    """Send words both ways until they arrive."""
    for speaker, listener in ((here, there), (there, here)):
        heard: list[bytes] = []
        end = listener.subscribe("user:meeting", heard.append)
        await eventually(lambda speaker=speaker, heard=heard: speaker.publish("user:meeting", b"?") or heard)
        end()
        await eventually(lambda speaker=speaker: not getattr(speaker, "_local", speaker).wanted("user:meeting"))


def test_a_message_reaches_the_listeners_of_its_own_process_at_once(make: Make) -> None:
    async def check() -> None:
        async with started(make) as (here, _):
            heard: list[bytes] = []
            here.subscribe(TOPIC, heard.append)
            here.publish(TOPIC, b"1")
            assert heard == [b"1"]

    run(check())


def test_a_message_reaches_each_listener_everywhere_exactly_once(make: Make) -> None:
    async def check() -> None:
        async with started(make) as (here, there):
            heard: list[list[bytes]] = [[], [], [], []]
            for number, bus in enumerate((here, here, there, there)):
                bus.subscribe(TOPIC, heard[number].append)
            await eventually(lambda: here.wanted(TOPIC))
            await asyncio.sleep(0.1)
            sent = [str(number).encode() for number in range(500)]
            for message in sent:
                here.publish(TOPIC, message)
            await eventually(lambda: len(heard[3]) >= len(sent))
            await asyncio.sleep(0.1)
            assert heard == [sent] * 4

    run(check())


def test_other_topics_are_not_delivered(make: Make) -> None:
    async def check() -> None:
        async with started(make) as (here, there):
            heard: list[bytes] = []
            there.subscribe(TOPIC, heard.append)
            await asyncio.sleep(0.1)
            here.publish("user:somebody", b"no")
            here.publish(TOPIC, b"yes")
            await eventually(lambda: heard)
            assert heard == [b"yes"]

    run(check())


def test_nothing_comes_after_the_end(make: Make) -> None:
    async def check() -> None:
        async with started(make) as (here, there):
            ended: list[bytes] = []
            goes_on: list[bytes] = []
            end = there.subscribe(TOPIC, ended.append)
            there.subscribe(TOPIC, goes_on.append)
            end()
            end()
            await asyncio.sleep(0.1)
            here.publish(TOPIC, b"1")
            await eventually(lambda: goes_on)
            assert ended == []

    run(check())


def test_a_large_message_arrives_whole(make: Make) -> None:
    async def check() -> None:
        async with started(make) as (here, there):
            heard: list[bytes] = []
            there.subscribe(TOPIC, heard.append)
            await asyncio.sleep(0.1)
            message = bytes(range(256)) * 800
            here.publish(TOPIC, message)
            await eventually(lambda: heard)
            assert heard == [message]

    run(check())


def test_what_nobody_listens_to_on_one_machine_is_not_wanted(tmp_path: Path) -> None:
    async def check() -> None:
        async with started([lambda: LocalBus(tmp_path), lambda: LocalBus(tmp_path)]) as (here, there):
            assert not here.wanted(TOPIC)
            end = there.subscribe(TOPIC, bytes)
            await eventually(lambda: here.wanted(TOPIC))
            end()
            await eventually(lambda: not here.wanted(TOPIC))

    run(check())
