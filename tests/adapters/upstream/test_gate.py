"""Which calls leave: ten at once, none while the service asked for none, and few to one that hangs."""

import asyncio
import contextlib

import pytest

from adapters.upstream.breakers import RULES, Breakers
from adapters.upstream.client import Upstream
from adapters.upstream.gate import IN_FLIGHT, WAIT_S
from tests.adapters.upstream.scripted import NAME, Seen, always, http, never, serving
from tests.fakes.waiting import eventually, run
from trading.breaker import BreakerRules, BreakerStatus
from trading.errors import NotSent, OutcomeUnknown, UpstreamLimited, UpstreamRefused, UpstreamUnavailable

GOOD = always(http(200, {"success": True}))
PATIENT_S = 20.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Told:
    """A client whose breakers and waits run on a clock that the test sets."""

    def __init__(self, url: str, rules: BreakerRules | None = None) -> None:
        self.clock = Clock()
        rules = rules or BreakerRules()
        self.breakers = Breakers({"order": rules, "read": rules}, monotonic_s=self.clock)
        self.upstream = Upstream(NAME, url, self.breakers, monotonic_s=self.clock)

    async def __aenter__(self) -> "Told":
        await self.upstream.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.upstream.stop()

    async def order(self, *, deadline_s: float = PATIENT_S) -> None:
        await self.upstream.send("POST", "/orders", deadline_s=deadline_s, route="order", body={})

    async def read(self) -> None:
        await self.upstream.get("/orders", deadline_s=PATIENT_S, route="read")

    def status(self, route: str) -> BreakerStatus:
        return self.breakers.of(NAME, route).state().status


def test_ten_calls_of_a_route_class_leave_at_once_and_the_others_wait_for_them() -> None:
    async def main() -> None:
        free = asyncio.Event()

        async def held(_: Seen) -> bytes:
            await free.wait()
            return http(200, {})

        async with serving(held) as server, Told(server.url) as told:
            calls = [asyncio.ensure_future(told.order()) for _ in range(3 * IN_FLIGHT)]
            await eventually(lambda: len(server.seen) == IN_FLIGHT)
            # Another route class has slots of its own.
            read = asyncio.ensure_future(told.read())
            await eventually(lambda: len(server.seen) == IN_FLIGHT + 1)
            free.set()
            await asyncio.gather(*calls, read)
            assert len(server.seen) == 3 * IN_FLIGHT + 1

    run(main())


def test_a_call_that_gets_no_slot_in_time_was_not_sent() -> None:
    async def main() -> None:
        async with serving(never) as server, Told(server.url) as told:
            calls = [asyncio.ensure_future(told.order()) for _ in range(IN_FLIGHT)]
            await eventually(lambda: len(server.seen) == IN_FLIGHT)
            with pytest.raises(NotSent):
                await told.order(deadline_s=0.1)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert len(server.seen) == IN_FLIGHT

    run(main())


def test_a_service_that_hangs_gets_ten_calls_and_then_none() -> None:
    async def main() -> None:
        async with serving(GOOD) as server, Told(server.url) as told:
            for _ in range(40):
                await told.order()
            server.script = never
            calls = [asyncio.ensure_future(told.order(deadline_s=1.0)) for _ in range(200)]
            await eventually(lambda: len(server.seen) == 40 + IN_FLIGHT)
            told.clock.now_s += 1.0
            with pytest.raises(NotSent, match="breaker is open"):
                await told.order()
            ends = await asyncio.gather(*calls, return_exceptions=True)
            assert len(server.seen) == 40 + IN_FLIGHT
            assert sum(isinstance(end, OutcomeUnknown) for end in ends) == IN_FLIGHT
            assert sum(isinstance(end, NotSent) for end in ends) == 200 - IN_FLIGHT
            # What is not slow of the same service goes on.
            server.script = GOOD
            await told.read()

    run(main())


def test_a_service_that_heals_gets_one_probe_and_is_called_again() -> None:
    async def main() -> None:
        async with serving(always(http(503, b""))) as server, Told(server.url) as told:
            for _ in range(12):
                with contextlib.suppress(UpstreamUnavailable):
                    await told.order()
            assert told.status("order") is BreakerStatus.OPEN
            assert len(server.seen) == 10
            server.script = never
            told.clock.now_s += 5.0
            probes = [asyncio.ensure_future(told.order()) for _ in range(30)]
            await eventually(lambda: len(server.seen) == 11)
            await eventually(lambda: sum(probe.done() for probe in probes) == 29)
            assert len(server.seen) == 11
            for probe in probes:
                probe.cancel()
            await asyncio.gather(*probes, return_exceptions=True)
            server.script = GOOD
            await told.order()
            assert told.status("order") is BreakerStatus.CLOSED

    run(main())


def test_under_unbroken_traffic_it_closes_by_itself() -> None:
    async def main() -> None:
        breakers = Breakers({"order": BreakerRules(slow_s=0.1, open_s=0.2)})
        async with serving(never) as server:
            upstream = Upstream(NAME, server.url, breakers)
            await upstream.start()

            async def good() -> bool:
                try:
                    await upstream.send("POST", "/orders", deadline_s=0.3, route="order", body={})
                except UpstreamUnavailable:
                    return False
                return True

            for _ in range(15):
                assert not await good()
                await asyncio.sleep(0.005)
            server.script = GOOD
            for _ in range(2000):
                if await good():
                    break
                await asyncio.sleep(0.005)
            assert breakers.of(NAME, "order").state().status is BreakerStatus.CLOSED
            await upstream.stop()

    run(main())


def test_refusals_of_users_are_no_outage() -> None:
    async def main() -> None:
        async with serving(always(http(404, {"error": "no"}))) as server, Told(server.url) as told:
            for _ in range(40):
                with pytest.raises(UpstreamRefused):
                    await told.order()
            assert told.status("order") is BreakerStatus.CLOSED

    run(main())


@pytest.mark.parametrize(("headers", "wait_s"), [({"retry-after": "30"}, 30.0), ({}, WAIT_S)])
def test_after_a_429_a_route_class_is_left_alone_for_as_long(headers: dict[str, str], wait_s: float) -> None:
    async def main() -> None:
        async with serving(always(http(429, b"<html>", headers))) as server, Told(server.url) as told:
            with pytest.raises(UpstreamLimited):
                await told.order()
            server.script = GOOD
            told.clock.now_s += wait_s - 0.01
            with pytest.raises(NotSent):
                await told.order()
            assert told.upstream.refuses("order")
            await told.read()
            assert len(server.seen) == 2
            told.clock.now_s += 0.02
            await told.order()
            assert told.status("order") is BreakerStatus.CLOSED

    run(main())


def test_held_open_by_a_person_nothing_leaves_until_released() -> None:
    async def main() -> None:
        async with serving(GOOD) as server, Told(server.url) as told:
            told.breakers.of(NAME, "order").hold_open()
            with pytest.raises(NotSent):
                await told.order()
            assert server.accepted == 0
            assert (told.upstream.refuses("order"), told.upstream.refuses("read")) == (True, False)
            told.breakers.of(NAME, "order").release()
            assert not told.upstream.refuses("order")
            await told.order()

    run(main())


def test_every_breaker_is_named_once_sorted_and_keeps_the_rules_of_its_route_class() -> None:
    breakers = Breakers()
    for service, route in (("b", "read"), ("a", "order"), ("b", "candles"), ("b", "read")):
        breakers.of(service, route)
    assert [(state.service, state.route) for state in breakers.states()] == [
        ("a", "order"),
        ("b", "candles"),
        ("b", "read"),
    ]
    assert breakers.of("b", "read") is breakers.of("b", "read")
    assert RULES["candles"].slow_s > BreakerRules().slow_s
