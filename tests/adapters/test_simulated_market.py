"""Simulated bars: the same from every process, at every timeframe, back to the genesis."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.bar_checks import broken_rule
from adapters.market_clock import WALL_CLOCK
from adapters.simulated_market import SimulatedMarket, Simulation, simulation_terms
from adapters.simulated_prices import DAY_S, GENESIS_S
from trading.errors import InvalidSetting
from trading.vocabulary import Bar

HOUR_S = 3600
NOW_S = float(GENESIS_S + 400 * DAY_S + 5 * HOUR_S + 17)

# The first hour of BTC under seed 7: open, high, low, close, base volume. A change here changes every answered past.
GOLDEN_BAR = (56974.61, 56994.11, 56804.37, 56817.23, 1897.08630698)

PRINT_DIGEST = """
import hashlib
from adapters.market_clock import WALL_CLOCK
from adapters.simulated_market import SimulatedMarket, Simulation
simulation = Simulation(seed=7, symbols=("BTC",), timeframe_s=3600)
market = SimulatedMarket(simulation, WALL_CLOCK, wall_s=lambda: {now_s})
print(hashlib.sha256(repr(market.closed_bars("BTC", after_s=None, limit=500)).encode()).hexdigest())
"""


def market_at(now_s: float, *, timeframe_s: int = HOUR_S, seed: int = 7) -> SimulatedMarket:
    simulation = Simulation(seed=seed, symbols=("BTC", "ETH"), timeframe_s=timeframe_s)
    return SimulatedMarket(simulation, WALL_CLOCK, wall_s=lambda: now_s)


def bars_at(now_s: float, *, timeframe_s: int = HOUR_S, limit: int = 500, seed: int = 7) -> list[Bar]:
    return list(market_at(now_s, timeframe_s=timeframe_s, seed=seed).closed_bars("BTC", after_s=None, limit=limit))


def test_another_process_makes_the_same_bars() -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST.format(now_s=NOW_S)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=60,
        check=True,
    )
    assert outcome.stdout.strip() == hashlib.sha256(repr(bars_at(NOW_S)).encode()).hexdigest()


def test_the_model_is_the_one_that_earlier_versions_served() -> None:
    bar = bars_at(float(GENESIS_S + HOUR_S))[0]
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume_base) == pytest.approx(GOLDEN_BAR, rel=1e-9)


def test_a_bar_is_the_same_whenever_it_is_asked_for() -> None:
    early, late = bars_at(NOW_S), bars_at(NOW_S + 100 * HOUR_S, limit=600)
    assert late[:500] == early


def test_there_is_no_bar_before_the_genesis() -> None:
    assert bars_at(GENESIS_S - 10.0) == []
    assert bars_at(GENESIS_S + HOUR_S - 1.0) == []
    bars = bars_at(GENESIS_S + 30.0 * HOUR_S, limit=10_000)
    assert [bar.open_time_s for bar in bars] == [GENESIS_S + hour * HOUR_S for hour in range(30)]


@pytest.mark.parametrize("timeframe_s", [60, 300, 900, HOUR_S, 4 * HOUR_S, DAY_S])
def test_bars_of_every_timeframe_are_sound_and_without_holes(timeframe_s: int) -> None:
    bars = bars_at(NOW_S, timeframe_s=timeframe_s, limit=300)
    first_s = bars[0].open_time_s
    assert [bar.open_time_s for bar in bars] == [first_s + index * timeframe_s for index in range(300)]
    assert [broken_rule(bar) for bar in bars] == [None] * 300


def test_an_hour_is_made_of_its_minutes() -> None:
    hour = bars_at(NOW_S, limit=1)[0]
    minutes = [
        minute for minute in bars_at(NOW_S, timeframe_s=60) if 0 <= minute.open_time_s - hour.open_time_s < HOUR_S
    ]
    assert len(minutes) == 60
    assert (minutes[0].open, minutes[-1].close) == (hour.open, hour.close)
    assert max(minute.high for minute in minutes) == hour.high
    assert min(minute.low for minute in minutes) == hour.low
    assert sum(minute.volume_quote for minute in minutes) == pytest.approx(hour.volume_quote)


def test_another_seed_makes_another_market() -> None:
    assert bars_at(NOW_S, seed=7) != bars_at(NOW_S, seed=8)


@pytest.mark.parametrize("timeframe_s", [0, 30, 90, 7 * HOUR_S, 2 * DAY_S])
def test_a_timeframe_that_does_not_divide_a_day_is_refused(timeframe_s: int) -> None:
    with pytest.raises(InvalidSetting, match=f"timeframe {timeframe_s} s"):
        Simulation(seed=7, symbols=("BTC",), timeframe_s=timeframe_s)


def test_at_speed_1_it_needs_no_clock_of_its_own() -> None:
    assert simulation_terms(Simulation(seed=7, symbols=("BTC",), timeframe_s=HOUR_S), speed=1.0) is None


def test_at_another_speed_it_starts_at_the_wall_time_of_its_first_process() -> None:
    simulation = Simulation(seed=7, symbols=("BTC",), timeframe_s=HOUR_S)
    terms = simulation_terms(simulation, speed=60.0)
    assert terms is not None
    assert SimulatedMarket(simulation, terms.begin(NOW_S), wall_s=lambda: NOW_S).now_s() == NOW_S
    assert SimulatedMarket(simulation, terms.begin(NOW_S), wall_s=lambda: NOW_S + 10.0).now_s() == NOW_S + 600.0


@pytest.mark.parametrize(
    "other",
    [
        Simulation(seed=8, symbols=("BTC",), timeframe_s=HOUR_S),
        Simulation(seed=7, symbols=("ETH",), timeframe_s=HOUR_S),
        Simulation(seed=7, symbols=("BTC",), timeframe_s=60),
    ],
)
def test_other_prices_are_another_market(other: Simulation) -> None:
    simulation = Simulation(seed=7, symbols=("BTC",), timeframe_s=HOUR_S)
    assert simulation_terms(other, speed=60.0) != simulation_terms(simulation, speed=60.0)


def test_it_never_ends() -> None:
    assert not market_at(NOW_S + 20 * 365 * DAY_S).ended()
