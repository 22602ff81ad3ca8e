"""Calls cancelled at any moment cost the client nothing: no connection, no slot, no task, no socket."""

import asyncio
import os
import random

from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from tests.adapters.upstream.scripted import NAME, Seen, http, serving
from tests.fakes.waiting import eventually, run
from trading.breaker import BreakerRules, BreakerStatus
from trading.errors import UpstreamUnavailable

ROUTES = ("read", "order")
# A caller who gives up says nothing about the service, but a deadline that passes does: not what is asked here.
NEVER_OPENS = BreakerRules(failure_rate=1.1, slow_rate=1.1)
CANCELLING_S = 2.0
CALLERS = 24


def sockets() -> int:
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
        except OSError:
            continue  # the one that lists the folder
    return found


async def call(upstream: Upstream, chance: random.Random, *, deadline_s: float) -> None:
    if chance.random() < 0.5:
        await upstream.get("/a", deadline_s=deadline_s, route="read")
    else:
        await upstream.send("POST", "/b", deadline_s=deadline_s, route="order", body={"a": 1})


async def give_up_again_and_again(upstream: Upstream, chance: random.Random, until_s: float) -> int:
    now_s = asyncio.get_running_loop().time
    calls = 0
    while now_s() < until_s:
        calls += 1
        deadline_s = chance.choice([20.0, 20.0, chance.uniform(0.0, 0.03)])
        task = asyncio.ensure_future(call(upstream, chance, deadline_s=deadline_s))
        await asyncio.sleep(chance.uniform(0.0, 0.03))
        task.cancel()
        if chance.random() < 0.3:
            await asyncio.sleep(0)
            task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert ended is None or isinstance(ended, asyncio.CancelledError | UpstreamUnavailable)
    return calls


def test_after_many_cancelled_calls_fifty_of_fifty_succeed_and_nothing_is_left() -> None:
    chance = random.Random(7)

    async def slow(_: Seen) -> bytes:
        await asyncio.sleep(chance.uniform(0.0, 0.03))
        return http(200, {"success": True, "data": "x" * chance.randrange(20_000)})

    async def main() -> None:
        before = sockets()
        breakers = Breakers(dict.fromkeys(ROUTES, NEVER_OPENS))
        async with serving(slow) as server:
            upstream = Upstream(NAME, server.url, breakers)
            await upstream.start()
            until_s = asyncio.get_running_loop().time() + CANCELLING_S
            made = await asyncio.gather(*(give_up_again_and_again(upstream, chance, until_s) for _ in range(CALLERS)))
            assert sum(made) > CALLERS
            await asyncio.gather(*(call(upstream, chance, deadline_s=20.0) for _ in range(50)))
            await upstream.stop()
            await eventually(lambda: not server.connected)
        await eventually(lambda: len(asyncio.all_tasks()) == 1)
        await eventually(lambda: sockets() <= before)

    run(main())


def test_callers_who_give_up_in_time_do_not_open_a_breaker() -> None:
    async def slow(_: Seen) -> bytes:
        await asyncio.sleep(20.0)
        raise AssertionError

    async def main() -> None:
        # Slow is what takes longer than this test.
        breakers = Breakers({"read": BreakerRules(slow_s=600.0)})
        async with serving(slow) as server:
            upstream = Upstream(NAME, server.url, breakers)
            await upstream.start()
            for _ in range(30):
                seen = len(server.seen)
                task = asyncio.ensure_future(upstream.get("/a", deadline_s=20.0, route="read"))
                await eventually(lambda seen=seen: len(server.seen) > seen)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            (state,) = breakers.states()
            assert (state.status, state.calls) == (BreakerStatus.CLOSED, 0)
            await upstream.stop()

    run(main())
