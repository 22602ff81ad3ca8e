"""Which candles become bars: closed ones of sound answers, and nothing of any other."""

from collections.abc import Callable
from typing import Any

import pytest

from adapters.data_aggregator.klines import INTERVALS, SETTLE_S, Clocks, closed_bars, number
from adapters.data_aggregator.refusal import Fault, MarketDataRefused
from tests.fakes.market import EPOCH_S, HOUR_S
from tests.fakes.stack.candles import INTERVALS_S, LIES, Candles, Row
from tests.fakes.stack.terms import Terms
from trading.vocabulary import Bar

COUNT = 20
# Ten minutes into the bar that is open.
NOW_S = float(EPOCH_S + 600)


def rows(lie: str = "true", interval: str = "1h") -> list[Row]:
    candles = Candles(Terms(clock_s=NOW_S, candles=lie))
    return candles.klines("BTC", interval, COUNT)


def bars(given: object, now_s: float = NOW_S, theirs_s: float | None = None) -> list[Bar]:
    return closed_bars(given, HOUR_S, Clocks(now_s=now_s, theirs_s=theirs_s))


def fault_of(given: object, now_s: float = NOW_S) -> Fault:
    with pytest.raises(MarketDataRefused) as refusal:
        bars(given, now_s)
    return refusal.value.fault


def test_a_row_becomes_a_bar_with_both_volumes() -> None:
    row = [EPOCH_S * 1000, "10.5", "12", "10.0", "11", "3", (EPOCH_S + HOUR_S) * 1000 - 1, "33.0", 7, "1", "11", "0"]
    following = [(EPOCH_S + HOUR_S) * 1000, *row[1:6], (EPOCH_S + 2 * HOUR_S) * 1000 - 1, *row[7:]]
    assert bars([row, following], EPOCH_S + HOUR_S + 5.0) == [
        Bar(open_time_s=EPOCH_S, open=10.5, high=12.0, low=10.0, close=11.0, volume_base=3.0, volume_quote=33.0)
    ]


def test_the_candle_that_is_still_open_is_never_a_bar() -> None:
    given = rows()
    assert [bar.open_time_s for bar in bars(given)] == [row[0] // 1000 for row in given[:-1]]
    assert bars(given)[-1].open_time_s == EPOCH_S - HOUR_S


def test_a_candle_closes_on_our_clock_also_when_others_follow_it() -> None:
    given = rows()
    assert bars(given, now_s=EPOCH_S - 1.0)[-1].open_time_s == EPOCH_S - 2 * HOUR_S


@pytest.mark.parametrize(
    ("now_s", "theirs_s", "last_open_s"),
    [
        (EPOCH_S + SETTLE_S, None, EPOCH_S - HOUR_S),
        (EPOCH_S + SETTLE_S - 0.1, None, EPOCH_S - 2 * HOUR_S),
        (EPOCH_S + SETTLE_S, EPOCH_S + SETTLE_S, EPOCH_S - HOUR_S),
        (EPOCH_S + 60.0, EPOCH_S - 1.0, EPOCH_S - 2 * HOUR_S),
    ],
    ids=["settled", "just closed", "settled on both clocks", "still open on theirs"],
)
def test_the_last_candle_counts_once_it_can_no_longer_change(
    now_s: float, theirs_s: float | None, last_open_s: int
) -> None:
    assert bars(rows()[:-1], now_s, theirs_s)[-1].open_time_s == last_open_s


WRONG: dict[str, Fault] = {
    "empty": Fault.EMPTY,
    "stale": Fault.STALE,
    "nan": Fault.NOT_A_NUMBER,
    "infinite": Fault.NOT_A_NUMBER,
    "null": Fault.NOT_A_NUMBER,
    "text": Fault.NOT_A_NUMBER,
    "negative": Fault.IMPOSSIBLE,
    "crossed": Fault.IMPOSSIBLE,
    "unsorted": Fault.UNSORTED,
    "newest_first": Fault.UNSORTED,
    "duplicate": Fault.DUPLICATE,
    "future": Fault.FUTURE,
    "off_grid": Fault.OFF_GRID,
    "short": Fault.SHAPE,
}


@pytest.mark.parametrize("lie", WRONG)
def test_a_lie_is_refused_by_its_name(lie: str) -> None:
    assert fault_of(rows(lie)) is WRONG[lie]


def test_every_lie_of_the_fake_is_known_here_or_is_a_hole() -> None:
    assert set(LIES) - set(WRONG) == {"true", "gap"}


def cell(column: int, value: object) -> Callable[[list[Row]], list[Row]]:
    def change(given: list[Row]) -> list[Row]:
        given[5] = [*given[5][:column], value, *given[5][column + 1 :]]
        return given

    return change


def swapped(given: list[Row]) -> list[Row]:
    return [[*row[:5], row[7], row[6], row[5], *row[8:]] for row in given]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (cell(4, True), Fault.NOT_A_NUMBER),
        (cell(4, "1_000"), Fault.NOT_A_NUMBER),
        (cell(4, " 60000"), Fault.NOT_A_NUMBER),
        (cell(4, "1e999"), Fault.NOT_A_NUMBER),
        (cell(4, "٦٠٠٠٠"), Fault.NOT_A_NUMBER),
        (cell(4, float("nan")), Fault.NOT_A_NUMBER),
        (cell(4, ["60000"]), Fault.NOT_A_NUMBER),
        (cell(4, "0"), Fault.IMPOSSIBLE),
        (cell(4, "999999"), Fault.IMPOSSIBLE),
        (cell(6, 0), Fault.OFF_GRID),
        (swapped, Fault.VOLUMES),
        (lambda given: {"data": given}, Fault.SHAPE),
        (lambda given: [*given[:-1], "row"], Fault.SHAPE),
        (lambda _: None, Fault.SHAPE),
    ],
)
def test_an_answer_with_one_unsound_value_is_refused_whole(change: Callable[[Any], object], fault: Fault) -> None:
    assert fault_of(change(rows())) is fault


def test_candles_of_another_length_are_refused() -> None:
    assert fault_of(rows(interval="30m")) is Fault.OFF_GRID


@pytest.mark.parametrize("hours", [1.4, 1.6])
def test_bars_count_as_stale_when_the_desk_would_call_them_so(hours: float) -> None:
    newest_close_s = EPOCH_S + HOUR_S
    now_s = newest_close_s + hours * HOUR_S
    if hours > 1.5:
        assert fault_of(rows(), now_s) is Fault.STALE
    else:
        assert bars(rows(), now_s)[-1].open_time_s + HOUR_S == newest_close_s


def test_numbers_come_as_json_numbers_too() -> None:
    assert (number(3), number(0.1), number("-1.5e-3")) == (3.0, 0.1, -0.0015)


def test_the_intervals_are_those_of_binance() -> None:
    assert {name: seconds for name, seconds in INTERVALS_S.items() if seconds >= 60} == {
        name: seconds for seconds, name in INTERVALS.items()
    }
