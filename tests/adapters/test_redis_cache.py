"""A Redis that is refused, black-holed, flushed or restarted under the cache. On a real server."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from adapters.redis_cache import CONNECTIONS, PATIENCE_S, RedisCache
from adapters.redis_client import open_redis
from tests.fakes.proxy import Mode, Proxy, proxied
from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.waiting import eventually, run

BACK_S = 5.0


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def proxy(redis: RedisServer) -> Iterator[Proxy]:
    with proxied(redis.port) as proxy:
        yield proxy


@asynccontextmanager
async def cache_at(port: int) -> AsyncIterator[RedisCache]:
    cache = RedisCache(f"redis://127.0.0.1:{port}/0")
    await cache.open()
    try:
        yield cache
    finally:
        await cache.close()


async def back(cache: RedisCache) -> None:
    """Returns once the cache keeps what it is given; callers go on asking meanwhile, as they do."""

    async def kept() -> bool:
        await cache.put("back", b"1", 5.0)
        return await cache.get("back") == b"1"

    deadline_s = time.monotonic() + BACK_S
    while not await kept():
        assert time.monotonic() < deadline_s, "not back in time"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("fault", [Mode.REFUSE, Mode.BLACK_HOLE])
def test_one_call_waits_a_moment_and_the_next_do_not_wait_at_all(proxy: Proxy, fault: Mode) -> None:
    async def check() -> None:
        async with cache_at(proxy.port) as cache:
            await back(cache)
            await asyncio.to_thread(proxy.set, fault)
            started_s = time.monotonic()
            assert await cache.get("back") is None
            # PATIENCE_S on a machine that has nothing else to do; the library alone waits for 5 s.
            assert time.monotonic() - started_s < 50 * PATIENCE_S
            deadline_s = time.monotonic() + 2.5
            while time.monotonic() < deadline_s:
                assert answered_without_waiting(cache)
                await asyncio.sleep(0.01)
            await asyncio.to_thread(proxy.set, Mode.PASS)
            await back(cache)

    run(check())


def answered_without_waiting(cache: RedisCache) -> bool:
    """True when a call returns before the event loop turns."""
    asking = cache.get("back")
    try:
        asking.send(None)
    except StopIteration as answered:
        return answered.value is None
    asking.close()
    return False


def test_connections_that_were_cut_are_made_anew(proxy: Proxy) -> None:
    async def check() -> None:
        async with cache_at(proxy.port) as cache:
            for _ in range(3):
                await back(cache)
                await asyncio.to_thread(proxy.cut)

    run(check())


def test_a_flushed_server_knows_nothing_and_goes_on(redis: RedisServer) -> None:
    async def check() -> None:
        async with cache_at(redis.port) as cache, open_redis(redis.url) as other:
            await back(cache)
            await other.flushall()
            assert await cache.get("back") is None
            assert cache.up
            await back(cache)

    run(check())


def test_a_restarted_server_is_found_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def check(server: RedisServer) -> None:
        async with cache_at(server.port) as cache:
            await back(cache)
            await asyncio.to_thread(server.stop)
            assert await cache.get("back") is None
            await asyncio.to_thread(server.start)
            await back(cache)

    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        run(check(server))


def test_a_failure_is_tried_again_after_its_pause_and_not_before(proxy: Proxy) -> None:
    async def check() -> None:
        now_s = 0.0
        await asyncio.to_thread(proxy.set, Mode.REFUSE)
        cache = RedisCache(f"redis://127.0.0.1:{proxy.port}/0", monotonic_s=lambda: now_s)
        await cache.open()
        await asyncio.to_thread(proxy.set, Mode.PASS)
        now_s = 0.999
        await cache.get("x")
        await asyncio.sleep(0.1)
        assert not cache.up
        now_s = 1.0
        await cache.get("x")
        await eventually(lambda: cache.up)
        await cache.close()

    run(check())


def test_many_callers_share_few_connections_and_none_of_them_fails(proxy: Proxy) -> None:
    async def check() -> None:
        async with cache_at(proxy.port) as cache:
            await back(cache)
            found = await asyncio.gather(*(cache.get("back") for _ in range(200)))
            assert 1 <= found.count(b"1") <= CONNECTIONS
            assert cache.up
            assert proxy.connections <= CONNECTIONS

    run(check())


def test_a_cache_that_closes_leaves_no_task_though_redis_hangs(proxy: Proxy) -> None:
    async def check() -> None:
        async with cache_at(proxy.port) as cache:
            await asyncio.to_thread(proxy.set, Mode.BLACK_HOLE)
            await cache.get("x")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(check())
