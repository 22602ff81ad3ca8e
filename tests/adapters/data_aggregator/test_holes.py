"""Which holes are passed on as missing bars."""

import pytest

from adapters.data_aggregator.holes import LONG_SETTLED_BARS, SHORT_HOLE_BARS, SHORT_SETTLED_BARS, require_settled
from adapters.data_aggregator.refusal import Fault, MarketDataRefused
from rl_models.features.schema import MAX_GAP_BARS
from tests.fakes.market import HOUR_S, bars_from_closes
from trading.vocabulary import Bar

USABLE = 100
BARS = bars_from_closes([100.0] * 400)


def without(first: int, count: int, *, until: int) -> list[Bar]:
    """The bars up to `until` but for `count` from `first` on."""
    return [*BARS[:first], *BARS[first + count : until]]


def settled(bars: list[Bar], after: int | None = None) -> bool:
    after_s = None if after is None else BARS[after].open_time_s
    try:
        require_settled(bars, HOUR_S, after_s=after_s, usable_bars=USABLE)
    except MarketDataRefused as refusal:
        return refusal.fault is not Fault.GAP
    return True


def test_a_series_without_holes_passes() -> None:
    assert settled(list(BARS))
    assert settled(list(BARS[5:20]), after=4)
    assert settled(list(BARS[3:6]), after=5)


@pytest.mark.parametrize(
    ("missing", "after", "needed"),
    [
        (1, 49, SHORT_SETTLED_BARS),
        (SHORT_HOLE_BARS, 49, SHORT_SETTLED_BARS),
        (SHORT_HOLE_BARS, 30, SHORT_SETTLED_BARS),
        (SHORT_HOLE_BARS, None, SHORT_SETTLED_BARS),
        (SHORT_HOLE_BARS + 1, 49, LONG_SETTLED_BARS),
        (SHORT_HOLE_BARS + 1, 30, LONG_SETTLED_BARS),
        (SHORT_HOLE_BARS + 1, None, USABLE),
    ],
)
def test_a_hole_is_believed_once_enough_bars_follow_it(missing: int, after: int | None, needed: int) -> None:
    end = 50 + missing + needed
    assert settled(without(50, missing, until=end), after)
    assert not settled(without(50, missing, until=end - 1), after)


def test_a_hole_before_what_is_kept_already_is_of_no_account() -> None:
    assert settled(without(50, 1, until=60), after=58)


def test_a_service_that_was_off_longer_than_klines_reach_goes_on_after_the_hole() -> None:
    assert settled(list(BARS[200:]), after=3)


def test_a_short_hole_is_one_the_features_live_through() -> None:
    assert SHORT_HOLE_BARS == MAX_GAP_BARS
