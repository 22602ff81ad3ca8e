"""How many calls a service that fails gets: reads a tenth more than were made, what changes something never more."""

import random

import pytest

from adapters.upstream.breakers import Breakers
from adapters.upstream.client import RETRY_JITTER_S, Upstream
from adapters.upstream.retries import MOST, RetryBudget
from tests.adapters.upstream.scripted import NAME, Reset, Script, Seen, Server, always, http, serving
from tests.fakes.waiting import run
from trading.breaker import BreakerRules
from trading.errors import NotSent, OutcomeUnknown, UpstreamLimited, UpstreamRefused, UpstreamUnavailable

CALLS = 400
NEVER_OPENS = BreakerRules(failure_rate=1.1, slow_rate=1.1)


class Slept:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def half_failing(seed: int) -> Script:
    chance = random.Random(seed)

    async def script(_: Seen) -> bytes:
        drawn = chance.random()
        if drawn < 0.25:
            raise Reset
        return http(500, {"error": "oops"}) if drawn < 0.5 else http(200, {"success": True})

    return script


async def reads(upstream: Upstream, count: int, *, deadline_s: float = 20.0) -> int:
    """How many of so many reads succeeded."""
    good = 0
    for _ in range(count):
        try:
            await upstream.get("/a", deadline_s=deadline_s, route="read")
        except UpstreamUnavailable:
            continue
        good += 1
    return good


async def client(server: Server, rules: BreakerRules, slept: Slept) -> Upstream:
    breakers = Breakers({"read": rules, "order": rules})
    upstream = Upstream(NAME, server.url, breakers, sleep=slept, chance=lambda: 0.5)
    await upstream.start()
    return upstream


def test_reads_of_a_half_failing_service_are_retried_within_a_tenth() -> None:
    async def main() -> None:
        slept = Slept()
        async with serving(half_failing(1)) as server:
            upstream = await client(server, NEVER_OPENS, slept)
            await reads(upstream, CALLS)
            await upstream.stop()
            assert CALLS * 1.05 < len(server.seen) <= CALLS * 1.1
        # Not all at once: each after a part of the jitter that chance decides.
        assert set(slept.seconds) == {RETRY_JITTER_S / 2}

    run(main())


def test_with_its_breaker_a_half_failing_service_gets_no_more_than_that() -> None:
    async def main() -> None:
        async with serving(half_failing(2)) as server:
            upstream = await client(server, BreakerRules(), Slept())
            await reads(upstream, CALLS)
            await upstream.stop()
            assert len(server.seen) <= CALLS * 1.1

    run(main())


def test_a_retry_that_succeeds_is_the_answer() -> None:
    async def main() -> None:
        async with serving(always(http(200, {"success": True}))) as server:
            upstream = await client(server, NEVER_OPENS, Slept())
            assert await reads(upstream, 10) == 10
            good, failures = server.script, iter([Reset()])

            async def once(seen: Seen) -> bytes:
                for failure in failures:
                    raise failure
                return await good(seen)

            server.script = once
            assert await reads(upstream, 1) == 1
            assert len(server.seen) == 12
            await upstream.stop()

    run(main())


def test_what_changes_something_is_never_sent_twice() -> None:
    async def main() -> None:
        async with serving(half_failing(3)) as server:
            upstream = await client(server, NEVER_OPENS, Slept())
            failed = 0
            for _ in range(100):
                try:
                    await upstream.send("POST", "/orders", deadline_s=20.0, route="order", body={})
                except OutcomeUnknown:
                    failed += 1
            await upstream.stop()
            assert failed > 20
            assert len(server.seen) == 100

    run(main())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(404, {"error": {"code": "NOT_FOUND", "message": "no"}}), UpstreamRefused),
        (http(429, b"", {"retry-after": "1"}), UpstreamLimited),
    ],
)
def test_an_answer_is_not_asked_for_again(answer: bytes, error: type[UpstreamUnavailable]) -> None:
    async def main() -> None:
        async with serving(always(http(200, {}))) as server:
            upstream = await client(server, NEVER_OPENS, Slept())
            await reads(upstream, 20)
            server.script = always(answer)
            with pytest.raises(error):
                await upstream.get("/a", deadline_s=20.0, route="read")
            assert len(server.seen) == 21
            await upstream.stop()

    run(main())


def test_a_read_whose_time_is_up_is_not_retried() -> None:
    async def main() -> None:
        slept = Slept()
        async with serving(always(http(200, {}))) as server:
            upstream = await client(server, NEVER_OPENS, slept)
            await reads(upstream, 20)
            server.script = always(http(503, b""))
            # Less than what a retry has to have left.
            with pytest.raises((OutcomeUnknown, NotSent)):
                await upstream.get("/a", deadline_s=0.09, route="read")
            assert slept.seconds == []
            await upstream.stop()

    run(main())


def test_a_budget_is_earned_by_calls_and_does_not_grow_for_ever() -> None:
    budget = RetryBudget()
    assert not budget.spend()
    for _ in range(10):
        budget.earn()
    assert budget.spend()
    assert not budget.spend()
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(1000)) == MOST
