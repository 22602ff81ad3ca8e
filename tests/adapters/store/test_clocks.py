"""The clock of a market in the store: the first process begins it, all others and restarts read it."""

import asyncio
from dataclasses import replace

import pytest

from adapters.market_clock import ClockTerms, MarketClock
from adapters.store.agent_bars import take
from adapters.store.clocks import find_clock, forget_bars_ahead, forget_clock, open_clock
from adapters.store.engine import Location
from tests.fakes.jobs import HandClock
from tests.fakes.stores import running
from trading.acting import AgentBar

TERMS = ClockTerms(source="replay", start_market_s=1_600_000_000.0, speed=60.0, data_digest="ab" * 32)
OTHERS = [
    replace(TERMS, source="simulated"),
    replace(TERMS, start_market_s=1_600_000_001.0),
    replace(TERMS, start_market_s=None),
    replace(TERMS, speed=61.0),
    replace(TERMS, data_digest="cd" * 32),
]


def opened(location: Location, *wall_times_s: float, terms: ClockTerms = TERMS) -> list[MarketClock]:
    """What processes that come at these wall times get, all at once."""

    async def one(wall_s: float) -> MarketClock:
        async with running(location) as store:
            return await store.write(open_clock(terms, wall_s=wall_s))

    async def scenario() -> list[MarketClock]:
        return await asyncio.gather(*(one(wall_s) for wall_s in wall_times_s))

    return asyncio.run(scenario())


def found(location: Location, terms: ClockTerms = TERMS) -> MarketClock | None:
    async def scenario() -> MarketClock | None:
        async with running(location) as store:
            return await store.read(find_clock(terms))

    return asyncio.run(scenario())


def forgotten(location: Location) -> bool:
    async def scenario() -> bool:
        async with running(location) as store:
            return await store.write(forget_clock(TERMS))

    return asyncio.run(scenario())


def test_the_first_process_sets_the_epoch_and_later_ones_read_it(location: Location) -> None:
    first = opened(location, 1_000.0)
    assert first == [MarketClock(epoch_wall_s=1_000.0, start_market_s=1_600_000_000.0, speed=60.0)]
    assert opened(location, 9_000.0) == first
    assert found(location) == first[0]


def test_processes_that_start_together_agree(location: Location) -> None:
    clocks = opened(location, 1_000.0, 2_000.0, 3_000.0, 4_000.0)
    assert len(set(clocks)) == 1
    assert clocks[0].epoch_wall_s in (1_000.0, 2_000.0, 3_000.0, 4_000.0)


def test_times_are_kept_to_the_last_bit(location: Location) -> None:
    wall_s = 1_700_000_000.123456
    assert opened(location, wall_s)[0].epoch_wall_s == wall_s
    assert opened(location, 0.0)[0].epoch_wall_s == wall_s


@pytest.mark.parametrize("other", OTHERS, ids=["source", "start", "no start", "speed", "bars"])
def test_another_configuration_has_another_clock(location: Location, other: ClockTerms) -> None:
    opened(location, 1_000.0)
    assert opened(location, 2_000.0, terms=other)[0].epoch_wall_s == 2_000.0
    assert opened(location, 3_000.0)[0].epoch_wall_s == 1_000.0


def test_a_market_that_has_not_begun_has_no_clock(location: Location) -> None:
    assert found(location) is None


def test_a_market_whose_clock_is_forgotten_begins_anew(location: Location) -> None:
    opened(location, 1_000.0)
    opened(location, 1_500.0, terms=OTHERS[0])
    assert forgotten(location) is True
    assert found(location) is None
    assert opened(location, 5_000.0)[0].epoch_wall_s == 5_000.0
    assert opened(location, 6_000.0, terms=OTHERS[0])[0].epoch_wall_s == 1_500.0


def test_bars_that_have_not_closed_yet_were_decided_on_in_another_life(location: Location) -> None:
    bars = [AgentBar(user_id="amy", symbol="BTC", bar_close_s=1_600_000_000 + ahead_s) for ahead_s in (3600, 7200)]
    taken_again: list[frozenset[AgentBar]] = []

    async def scenario(market_s: float) -> None:
        async with running(location) as store:
            await store.write(forget_bars_ahead(market_s))
            ids = {bar: f"{bar.bar_close_s:032}" for bar in bars}
            takings = await store.write(take(ids, f"worker {len(taken_again)}", HandClock()))
            taken_again.append(frozenset(each.bar for each in takings.taken))

    for after_s in (7201, 7201, 7200, 3600):
        asyncio.run(scenario(1_600_000_000.0 + after_s))
    assert taken_again == [frozenset(bars), frozenset(), frozenset(bars[1:]), frozenset(bars)]


def test_forgetting_a_clock_that_is_not_there_says_so(location: Location) -> None:
    assert forgotten(location) is False
