"""What counts as too long without an evaluation, on every store that keeps what fails."""

import asyncio
from pathlib import Path

import pytest

from ab.state import Command
from adapters.store.choices import choice, choose
from adapters.store.engine import Location, Store
from tests.fakes.experiments import after
from tests.fakes.jobs import HandClock
from tests.fakes.stores import STORES, running
from wiring.evaluated import Failing, failing_choice_of, failing_from
from wiring.unjudged import Unjudged

STATE = after(Command.START)
NAME = failing_choice_of(STATE.plan.key)
BOUND_S = 90.0


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def unjudged(store: Store, clock: HandClock) -> Unjudged:
    return Unjudged(store, now=clock, tick_s=10.0, timeout_s=60.0)


def test_three_ticks_beyond_the_time_of_one_evaluation_are_too_long(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            clock = HandClock()
            made = unjudged(store, clock)
            await made.recall(STATE)
            clock.go(1000.0)
            made.wanted()
            clock.go(BOUND_S)
            made.wanted()
            assert made.too_long() is None
            clock.go(1.0)
            assert made.too_long() == "Nothing could be judged for 91 s: an evaluation hangs."
            await made.judged(STATE)
            assert made.too_long() is None

    asyncio.run(main())


def test_the_time_counts_from_when_an_evaluation_last_got_on(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            clock = HandClock()
            made = unjudged(store, clock)
            await made.recall(STATE)
            made.wanted()
            for _ in range(3):
                clock.go(BOUND_S)
                made.heard()
            clock.go(BOUND_S)
            assert made.too_long() is None
            clock.go(1.0)
            assert made.too_long() == "Nothing could be judged for 91 s: an evaluation hangs."

    asyncio.run(main())


def test_the_time_without_a_store_does_not_count(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            clock = HandClock()
            made = unjudged(store, clock)
            made.wanted()
            clock.go(2 * BOUND_S)
            made.store_away()
            made.wanted()
            clock.go(BOUND_S)
            assert made.too_long() is None

    asyncio.run(main())


def test_what_fails_is_kept_until_one_succeeds_and_is_of_one_run(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            made = unjudged(store, HandClock())
            made.wanted()
            for error in ("first", "second"):
                await made.failed(STATE, error)
            kept = failing_from(await store.read(choice(NAME)))
            assert kept == Failing(run=STATE.run, failures=2, error="second", paused=False)
            await made.judged(STATE)
            assert failing_from(await store.read(choice(NAME))) is None
            await store.write(choose(NAME, '{"run":0,"failures":9,"error":"of another run","paused":false}'))
            await made.recall(STATE)
            made.wanted()
            assert made.too_long() is None

    asyncio.run(main())


@pytest.mark.parametrize("text", [None, "null", "", "{}", "[", '{"run":"1"}'])
def test_a_text_that_is_none_of_ours_says_that_nothing_fails(text: str | None) -> None:
    assert failing_from(text) is None
