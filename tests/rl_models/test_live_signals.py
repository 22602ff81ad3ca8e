"""The signal agents act on is the one policies were trained with, at its own bar."""

import pytest

from rl_models.live_signals import RSI_MEMORY_BARS, SPARE_BARS, LiveSignals
from rl_models.signal_generator import SignalGenerator
from tests.fakes.bars import random_bars
from tests.fakes.market import HOUR_S, FakeMarket
from trading.errors import UnknownSymbol
from trading.vocabulary import Bar, Reading

HISTORY = RSI_MEMORY_BARS + SPARE_BARS
BARS = random_bars(HISTORY + 50)


def close_of(bar: Bar) -> int:
    return bar.open_time_s + HOUR_S


def trained(bars: list[Bar]) -> Reading | None:
    generator = SignalGenerator(HOUR_S)
    return [generator.update(bar) for bar in bars][-1]


def test_the_signal_at_a_close_is_that_of_the_generator() -> None:
    market = FakeMarket({"BTC": BARS[:HISTORY]})

    assert LiveSignals(market).at("BTC", close_of(BARS[HISTORY - 1])) == trained(BARS[:HISTORY])


def test_each_bar_that_closes_carries_it_on() -> None:
    market = FakeMarket({"BTC": BARS}, now_s=close_of(BARS[HISTORY - 1]))
    signals = LiveSignals(market)
    for place in range(HISTORY - 1, HISTORY + 10):
        market.set_now(close_of(BARS[place]))
        assert signals.at("BTC", close_of(BARS[place])) == trained(BARS[: place + 1])


def test_a_later_bar_changes_nothing_at_an_earlier_close() -> None:
    market = FakeMarket({"BTC": BARS[:HISTORY]})

    assert LiveSignals(market).at("BTC", close_of(BARS[-60])) == trained(BARS[:-59])


def test_bars_that_closed_while_nobody_asked_are_all_taken_in() -> None:
    market = FakeMarket({"BTC": BARS}, now_s=close_of(BARS[HISTORY - 1]))
    signals = LiveSignals(market)
    signals.at("BTC", close_of(BARS[HISTORY - 1]))
    market.set_now(close_of(BARS[-1]))

    assert signals.at("BTC", close_of(BARS[-1])) == trained(BARS)


def test_a_market_that_jumped_back_is_read_again() -> None:
    market = FakeMarket({"BTC": BARS[:200]})
    signals = LiveSignals(market)
    signals.at("BTC", close_of(BARS[199]))
    market.set_now(close_of(BARS[100]))

    assert signals.at("BTC", close_of(BARS[100])) == trained(BARS[:101])


def test_there_is_no_signal_before_a_day_is_known_or_where_no_bar_closed() -> None:
    signals = LiveSignals(FakeMarket({"BTC": BARS[:20]}))

    assert signals.at("BTC", close_of(BARS[19])) is None
    assert LiveSignals(FakeMarket({"BTC": BARS[:99]})).at("BTC", close_of(BARS[99])) is None


def test_a_symbol_that_is_not_listed_is_refused() -> None:
    with pytest.raises(UnknownSymbol):
        LiveSignals(FakeMarket({"BTC": BARS[:99]})).at("NOPE", close_of(BARS[98]))
