"""The statistics of made-up prices: what their documentation says of them holds."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from adapters.simulated_prices import ERA_DAYS, MINUTES, REGIMES, SimulatedPrices, listing

SEEDS = range(4)


def day_returns(prices: SimulatedPrices, days: int) -> dict[str, list[float]]:
    """Log return over the minutes of each day, by the name of its regime."""
    returns = defaultdict(list)
    for day in range(days):
        minutes = prices.minutes(day)
        returns[prices.regime(day).name].append(float(np.log(minutes.close[-1] / minutes.open[0])))
    return returns


def test_the_days_of_a_regime_have_its_volatility_and_drift() -> None:
    returns: dict[str, list[float]] = defaultdict(list)
    for seed in SEEDS:
        for name, days in day_returns(SimulatedPrices(seed, "BTC"), 2 * ERA_DAYS).items():
            returns[name] += days
    for regime in REGIMES:
        sample = np.array(returns[regime.name])
        assert len(sample) > 100
        assert np.std(sample) == pytest.approx(regime.volatility, rel=0.15)
        assert abs(np.mean(sample) - regime.drift) < 4 * regime.volatility / np.sqrt(len(sample))


def test_the_minutes_of_a_day_have_the_volatility_of_its_regime() -> None:
    prices = SimulatedPrices(0, "BTC")
    for day in range(60):
        minutes = prices.minutes(day)
        realised = float(np.sqrt(np.sum(np.log(minutes.close / minutes.open) ** 2)))
        assert realised == pytest.approx(prices.regime(day).volatility, rel=0.15)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("symbol", ["BTC", "SOL", "DOGE/USDT"])
def test_over_ten_years_prices_stay_within_a_sixth_and_six_times_the_base(seed: int, symbol: str) -> None:
    prices = SimulatedPrices(seed, symbol)
    base = listing(symbol).price
    closes = [prices.minutes(day).close[-1] for day in range(0, 3_650, 8)]
    assert base / 6 < min(closes)
    assert max(closes) < 6 * base


def test_prices_revert_to_the_base_over_the_eras() -> None:
    logs = [
        np.log(SimulatedPrices(seed, "BTC").minutes(era * ERA_DAYS).open[0] / listing("BTC").price)
        for seed in range(20)
        for era in range(10)
    ]
    assert abs(np.mean(logs)) < 0.1
    assert max(np.abs(logs)) <= 0.7 + 1e-6


def test_every_regime_comes_and_stays_for_days() -> None:
    names = [SimulatedPrices(3, "BTC").regime(day).name for day in range(4 * ERA_DAYS)]
    assert set(names) == {regime.name for regime in REGIMES}
    changes = sum(earlier != later for earlier, later in pairwise(names))
    assert 4 < len(names) / changes < 20


@pytest.mark.parametrize("symbol", ["BTC", "ETH/USDT", "SOL", "DOGE", "PEPE"])
def test_minutes_are_sound_bars_that_join_without_gaps(symbol: str) -> None:
    prices = SimulatedPrices(1, symbol)
    for day in (0, ERA_DAYS - 1, ERA_DAYS):
        minutes = prices.minutes(day)
        assert minutes.open.shape == (MINUTES,)
        assert np.all(minutes.low > 0)
        assert np.all(minutes.low <= np.minimum(minutes.open, minutes.close))
        assert np.all(minutes.high >= np.maximum(minutes.open, minutes.close))
        assert np.all(minutes.open[1:] == minutes.close[:-1])
        assert prices.minutes(day + 1).open[0] == minutes.close[-1]


def test_high_and_low_reach_beyond_open_and_close_as_far_as_a_random_walk_does() -> None:
    minutes = SimulatedPrices(1, "BTC").minutes(10)
    reach = np.log(minutes.high / minutes.low)
    moves = np.abs(np.log(minutes.close / minutes.open))
    assert 1.5 < np.mean(reach) / np.mean(moves) < 2.5


def test_a_day_of_btc_usually_trades_what_the_rule_asks_for() -> None:
    prices = SimulatedPrices(7, "BTC")
    volumes = np.array([prices.minutes(day).volume_quote.sum() for day in range(200)])
    assert np.all((volumes > 5e8) & (volumes < 5e10))
    assert np.mean(volumes >= 1e9) > 0.9


def test_quote_volume_is_base_volume_at_the_price() -> None:
    minutes = SimulatedPrices(7, "BTC").minutes(3)
    price = minutes.volume_quote / minutes.volume_base
    assert np.all((price > minutes.low * 0.999) & (price < minutes.high * 1.001))


def test_seed_and_symbol_each_make_another_path() -> None:
    one = SimulatedPrices(1, "BTC/USD").minutes(0).close
    assert not np.array_equal(one, SimulatedPrices(2, "BTC/USD").minutes(0).close)
    assert not np.array_equal(one, SimulatedPrices(1, "BTC/EUR").minutes(0).close)
    assert np.array_equal(one, SimulatedPrices(1, "BTC/USD").minutes(0).close)


def test_base_prices_go_by_the_asset_a_symbol_begins_with() -> None:
    assert [listing(symbol).price for symbol in ("BTC", "btcusdt", "ETH-PERP", "SOL/USD")] == [
        60_000.0,
        60_000.0,
        3_000.0,
        150.0,
    ]
    assert 1.0 <= listing("DOGE").price <= 1_000.0
    assert listing("DOGE") == listing("doge")
