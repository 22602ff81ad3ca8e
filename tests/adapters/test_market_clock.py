"""The market's clock, and which processes share one."""

from dataclasses import replace

import pytest

from adapters.market_clock import WALL_CLOCK, ClockTerms, MarketClock

TERMS = ClockTerms(source="replay", start_market_s=1_600_000_000.0, speed=60.0, data_digest="ab" * 32)


def test_market_time_runs_at_its_speed_from_its_start() -> None:
    clock = MarketClock(epoch_wall_s=1_000.0, start_market_s=500.0, speed=60.0)
    assert clock.now_s(1_000.0) == 500.0
    assert clock.now_s(1_002.0) == 620.0


def test_wall_time_is_the_inverse_of_market_time() -> None:
    clock = MarketClock(epoch_wall_s=1_700_000_000.0, start_market_s=1_600_000_000.0, speed=37.5)
    assert clock.wall_time_s(clock.now_s(1_700_012_345.0)) == pytest.approx(1_700_012_345.0, abs=1e-5)


def test_the_wall_clock_shows_the_wall_time() -> None:
    assert WALL_CLOCK.now_s(1_700_000_000.25) == 1_700_000_000.25


def test_a_market_begins_at_its_start_when_its_first_process_comes() -> None:
    assert TERMS.begin(1_000.0) == MarketClock(epoch_wall_s=1_000.0, start_market_s=1_600_000_000.0, speed=60.0)


def test_without_a_start_the_market_begins_at_the_wall_time() -> None:
    clock = replace(TERMS, start_market_s=None).begin(5_000.0)
    assert clock.now_s(5_000.0) == 5_000.0
    assert clock.now_s(5_001.0) == 5_060.0


@pytest.mark.parametrize(
    "other",
    [
        replace(TERMS, source="simulated"),
        replace(TERMS, start_market_s=1_600_000_001.0),
        replace(TERMS, speed=61.0),
        replace(TERMS, data_digest="cd" * 32),
    ],
)
def test_another_term_is_another_market(other: ClockTerms) -> None:
    assert other.digest != TERMS.digest
    assert replace(other).digest == other.digest
