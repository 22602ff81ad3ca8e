"""What decisions would have earned is told to the last digit, day by day, or said to be unknown."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.account import Costs, Marking, Prices, mark_days, mark_series
from ab.outcomes import DAY_S, Allotment, Exposed, OutcomeState, Series, UnitDay
from tests.fakes.closes import FakeCloses
from trading.vocabulary import Arm

HOUR_S = 3600
HOURS = 96
COSTS = Costs(fee_bps=10.0, spread_bps=4.0)
RATE = Decimal("0.0012")

prices_of_bars = st.lists(st.floats(50.0, 200.0), min_size=HOURS + 1, max_size=HOURS + 1)
targets = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0]), st.floats(-1.0, 1.0))
decisions_of_hours = st.dictionaries(st.integers(0, HOURS), targets, min_size=1)


def exposed(at_s: float, target: float | None, price: float | None, **changes: object) -> Exposed:
    made = Exposed(user_id="ann", symbol="BTC", market_at_s=at_s, price=price, target_exposure=target, arm=Arm.RL)
    return replace(made, **changes)  # type: ignore[arg-type]


def marking(prices: Prices | None = None, *, until_s: float = HOURS * HOUR_S, **changes: object) -> Marking:
    made = Marking(
        costs=COSTS,
        dead_band=0.0,
        prices=prices or FakeCloses(),
        allotment_of=lambda _: Allotment(symbols=1, capital_usd=10_000.0),
        until_s=until_s,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def hourly(symbol: str, prices: Sequence[float]) -> dict[tuple[str, float], float]:
    return {(symbol, float(hour * HOUR_S)): price for hour, price in enumerate(prices)}


def decided(decisions: Mapping[int, float | None], prices: Sequence[float], symbol: str = "BTC") -> list[Exposed]:
    return [exposed(hour * HOUR_S, target, prices[hour], symbol=symbol) for hour, target in sorted(decisions.items())]


def bar_by_bar(decisions: Mapping[int, float | None], prices: Sequence[float], dead_band: float) -> dict[int, Decimal]:
    """Cash, units and equity of an account that starts with 1 and never reinvests, in bps a day: the oracle."""
    cash, units, equity, earned = Decimal(0), Decimal(0), Decimal(0), dict[int, Decimal]()
    for hour in range(min(decisions), HOURS + 1):
        price, target = Decimal(prices[hour]), decisions.get(hour)
        if hour % 24 == 0:
            # The bar that closes at midnight ends a day before anybody decides on it.
            earned, equity = earned | {hour // 24 - 1: cash + units * price - equity}, cash + units * price
        if target is not None:
            change = Decimal(target) / price - units
            if abs(change * price) >= Decimal(dead_band) or target == 0:
                cash -= change * price + abs(change * price) * RATE
                units += change
    earned[HOURS // 24] = cash + units * Decimal(prices[HOURS]) - equity
    return {day: net * 10_000 for day, net in earned.items() if day >= min(decisions) // 24}


@given(decisions_of_hours, decisions_of_hours, prices_of_bars, st.sampled_from([0.0, 0.0213, 0.2171]))
def test_the_account_is_that_of_cash_and_units_bar_by_bar(
    first: dict[int, float | None], second: dict[int, float | None], prices: list[float], dead_band: float
) -> None:
    other = prices[::-1]
    market = FakeCloses(closes=hourly("BTC", prices) | hourly("ETH", other))
    exposures = decided(first, prices) + decided(second, other, "ETH")
    two = marking(market, dead_band=dead_band, allotment_of=lambda _: Allotment(symbols=2, capital_usd=None))

    days = list(mark_days(exposures, two))

    oracles = bar_by_bar(first, prices, dead_band), bar_by_bar(second, other, dead_band)
    assert [unit.day for unit in days] == list(range(min(min(oracle) for oracle in oracles), HOURS // 24 + 1))
    for unit in days:
        expected = sum(oracle.get(unit.day, Decimal(0)) for oracle in oracles) / 2
        assert unit.net_bps == pytest.approx(float(expected), rel=1e-9, abs=1e-6)
        assert unit.state is (OutcomeState.LATE if unit.day == HOURS // 24 else OutcomeState.KNOWN)


@given(decisions_of_hours, st.floats(1e-3, 1e6))
def test_where_the_price_never_moves_only_costs_are_lost(decisions: dict[int, float | None], price: float) -> None:
    prices = [price] * (HOURS + 1)

    for unit in mark_days(decided(decisions, prices), marking(FakeCloses(closes=hourly("BTC", prices)))):
        assert unit.net_bps is not None
        assert unit.fees_bps is not None
        assert unit.turnover is not None
        assert unit.net_bps == pytest.approx(-unit.fees_bps, abs=1e-9)
        assert unit.fees_bps == pytest.approx(unit.turnover * 12.0, abs=1e-9)


@given(decisions_of_hours, prices_of_bars, st.sampled_from([0.001, 3.0, 65_536.0]))
def test_the_unit_of_the_price_changes_nothing(
    decisions: dict[int, float | None], prices: list[float], scale: float
) -> None:
    scaled = [price * scale for price in prices]

    days = mark_days(decided(decisions, prices), marking(FakeCloses(closes=hourly("BTC", prices))))
    same = mark_days(decided(decisions, scaled), marking(FakeCloses(closes=hourly("BTC", scaled))))

    for one, other in zip(days, same, strict=True):
        assert other.net_bps == pytest.approx(one.net_bps, rel=1e-9, abs=1e-6)


@given(decisions_of_hours, prices_of_bars, st.sets(st.integers(0, HOURS)))
def test_to_keep_what_is_held_is_no_trade(
    decisions: dict[int, float | None], prices: list[float], kept: set[int]
) -> None:
    more = {hour: None for hour in kept if hour >= min(decisions)} | decisions
    market = marking(FakeCloses(closes=hourly("BTC", prices)))

    days = list(mark_days(decided(decisions, prices), market))
    same = list(mark_days(decided(more, prices), market))

    assert same == days


def test_two_half_steps_cost_what_one_step_costs() -> None:
    market = marking(until_s=20.0)
    one = list(mark_days([exposed(0, 1.0, 100.0), exposed(10, 0.0, 100.0)], market))
    two = list(mark_days([exposed(0, 0.5, 100.0), exposed(5, 1.0, 100.0), exposed(10, 0.0, 100.0)], market))

    assert one == two
    assert [(unit.fees_bps, unit.turnover) for unit in one] == [(pytest.approx(24.0), pytest.approx(2.0))]


def states(days: Iterator[UnitDay]) -> list[str]:
    return [unit.state.value for unit in days]


def test_a_user_with_no_position_needs_no_price_and_earns_nothing() -> None:
    days = list(mark_days([exposed(60, 0.0, None), exposed(90_000, None, None)], marking()))

    assert [(unit.state, unit.net_bps) for unit in days[:-1]] == [(OutcomeState.KNOWN, 0.0)] * 4


def test_a_position_is_held_on_and_marked_on_days_without_a_decision() -> None:
    market = FakeCloses(closes={("BTC", DAY_S * day): 100.0 + day for day in range(5)})

    days = list(mark_days([exposed(60, 1.0, 100.0)], marking(market)))

    assert [unit.net_bps for unit in days[:-1]] == pytest.approx([88.0, 100.0, 100.0, 100.0])


def test_without_its_closing_price_a_day_and_the_next_are_missing() -> None:
    market = FakeCloses(closes={("BTC", DAY_S * day): 100.0 for day in (1, 3, 4)})

    days = list(mark_days([exposed(60, 1.0, 100.0)], marking(market)))

    assert states(iter(days)) == ["known", "missing", "missing", "known", "late"]
    assert [(unit.net_bps, unit.fees_bps, unit.turnover) for unit in days[1:3]] == [(None, None, None)] * 2
    assert days[4].net_bps == 0.0


def test_a_bar_that_may_yet_come_makes_a_day_late() -> None:
    market = FakeCloses(closes={("BTC", DAY_S * 1): 100.0, ("BTC", DAY_S * 2): 99.0}, complete_to={"BTC": DAY_S * 1.5})

    days = list(mark_days([exposed(60, 1.0, 100.0)], marking(market)))

    assert states(iter(days)) == ["known", "late", "late", "late", "late"]
    assert [unit.net_bps for unit in days[1:]] == [None] * 4


@pytest.mark.parametrize(("complete_to", "state"), [(math.inf, "missing"), (59.0, "late")])
def test_a_trade_at_an_unknown_price_leaves_the_account_unknown_until_the_next(complete_to: float, state: str) -> None:
    closes = {("BTC", float(DAY_S * day)): 100.0 for day in range(5)}
    market = FakeCloses(closes=closes, complete_to={"BTC": complete_to})
    later = [exposed(DAY_S * 2 + 60, 0.5, 100.0), exposed(DAY_S * 2 + 120, 0.0, 100.0)]

    days = list(mark_days([exposed(60, 1.0, None), *later], marking(market)))

    assert states(iter(days)) == [state, state, state, "known", "late"]


def test_a_price_that_the_decision_lacks_is_taken_from_the_bars() -> None:
    market = FakeCloses(closes={("BTC", 60.0): 100.0, ("BTC", float(DAY_S)): 110.0})

    days = mark_days([exposed(60.0, 1.0, None)], marking(market))

    assert next(days).net_bps == pytest.approx(988.0)


def test_going_flat_at_an_unknown_price_costs_that_day_only() -> None:
    market = FakeCloses(closes={("BTC", float(DAY_S)): 100.0})

    days = mark_days([exposed(60, 1.0, 100.0), exposed(DAY_S + 60, 0.0, None)], marking(market))

    assert states(days) == ["known", "missing", "known", "known", "late"]


def test_a_day_that_began_at_a_missing_price_is_missing_whatever_may_yet_come() -> None:
    market = FakeCloses(complete_to={"BTC": DAY_S})

    days = mark_days([exposed(60, 1.0, 100.0), exposed(DAY_S + 60, 0.5, None)], marking(market))

    assert states(days) == ["missing", "missing", "late", "late", "late"]


def test_one_symbol_without_a_price_makes_the_users_day_missing() -> None:
    market = FakeCloses(closes={("BTC", float(DAY_S)): 100.0}, complete_to={"LTC": 0.0})
    exposures = [exposed(60, 1.0, 100.0, symbol=symbol) for symbol in ("BTC", "ETH", "LTC")]

    assert states(mark_days(exposures, marking(market)))[:2] == ["missing", "missing"]
    assert states(mark_days(exposures[::2], marking(market)))[0] == "late"


def test_the_day_in_progress_is_late_with_what_it_earned_so_far() -> None:
    until_s = DAY_S / 2
    known = FakeCloses(closes={("BTC", until_s): 101.0})

    (so_far,) = mark_days([exposed(60, 1.0, 100.0)], marking(known, until_s=until_s))
    (unmarked,) = mark_days([exposed(60, 1.0, 100.0)], marking(until_s=until_s))

    assert (so_far.state, so_far.net_bps) == (OutcomeState.LATE, pytest.approx(88.0))
    assert (unmarked.state, unmarked.net_bps) == (OutcomeState.LATE, None)


def test_a_decision_at_midnight_belongs_to_the_day_that_begins() -> None:
    market = FakeCloses(closes={("BTC", float(DAY_S * day)): 100.0 for day in range(5)})

    days = list(mark_days([exposed(60, 0.0, 100.0), exposed(DAY_S, 1.0, 100.0)], marking(market)))

    assert [unit.turnover for unit in days] == [0.0, 1.0, 0.0, 0.0, 0.0]


def test_what_was_decided_after_the_marking_is_left_out() -> None:
    exposures = [exposed(60, 0.0, 100.0), exposed(DAY_S, 1.0, 100.0)]

    assert [unit.turnover for unit in mark_days(exposures, marking(until_s=DAY_S - 1.0))] == [0.0]


def test_capital_is_split_over_the_symbols_allotted_or_over_more_that_were_exposed() -> None:
    exposures = [exposed(60, 1.0, 100.0, symbol=symbol) for symbol in ("BTC", "ETH")]
    market = FakeCloses(closes={(symbol, 120.0): 101.0 for symbol in ("BTC", "ETH")})

    def net(symbols: int) -> float | None:
        split = marking(market, until_s=120.0, allotment_of=lambda _: Allotment(symbols=symbols, capital_usd=7.0))
        (unit,) = mark_days(exposures, split)
        assert unit.capital_usd == 7.0
        return unit.net_bps

    assert [net(symbols) for symbols in (1, 2, 8)] == pytest.approx([88.0, 88.0, 22.0])


@pytest.mark.parametrize(("target", "turnover"), [(0.985, 1.0), (0.97, 1.03), (0.0, 2.0)])
def test_a_change_within_the_dead_band_is_no_trade_unless_it_leads_to_flat(target: float, turnover: float) -> None:
    exposures = [exposed(60, 1.0, 100.0), exposed(120, target, 100.0)]
    market = FakeCloses(closes={("BTC", 180.0): 100.0})

    (unit,) = mark_days(exposures, marking(market, until_s=180.0, dead_band=0.02))

    assert unit.turnover == pytest.approx(turnover)


@pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused(amount: float) -> None:
    held = exposed(60, 1.0, 100.0)
    for exposures in ([exposed(60, amount, 100.0)], [exposed(60, 1.0, amount)]):
        with pytest.raises(ValueError, match=str(amount)):
            list(mark_days(exposures, marking()))
    for at_s in (DAY_S, HOURS * HOUR_S):
        closes = {("BTC", float(DAY_S * day)): 100.0 for day in range(5)} | {("BTC", float(at_s)): amount}
        with pytest.raises(ValueError, match=str(amount)):
            list(mark_days([held], marking(FakeCloses(closes=closes))))
    with pytest.raises(ValueError, match="NaN"):
        list(mark_days([exposed(math.nan, 1.0, 100.0)], marking()))


@pytest.mark.parametrize("price", [0.0, -1.0])
def test_a_price_that_is_not_positive_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match="is no price"):
        list(mark_days([exposed(60, 1.0, price)], marking()))


def test_exposures_out_of_order_are_refused() -> None:
    twice = [exposed(60, 1.0, 100.0), exposed(60, 1.0, 100.0)]
    again = [exposed(60, 0.0, 100.0, symbol=symbol) for symbol in ("BTC", "ETH", "BTC")]

    with pytest.raises(ValueError, match="by time"):
        list(mark_days(twice, marking()))
    with pytest.raises(ValueError, match="by symbol"):
        list(mark_days(again, marking()))


def test_one_user_is_marked_before_the_one_after_the_next_is_read() -> None:
    read: list[str] = []

    def stream() -> Iterator[Series]:
        for user in ("ann", "bob", "cid"):
            read.append(user)
            yield Series(user_id=user, symbol="BTC", advice=[(60.0, 100.0, 0.0)])

    assert next(mark_series(stream(), marking())).user_id == "ann"
    assert read == ["ann", "bob"]


@given(decisions_of_hours, prices_of_bars, st.integers(0, HOURS), st.integers(0, HOURS))
def test_a_series_may_come_in_parts_and_go_beyond_the_end(
    decisions: dict[int, float | None], prices: list[float], cut: int, until: int
) -> None:
    market = marking(FakeCloses(closes=hourly("BTC", prices)), until_s=float(until * HOUR_S))
    advice = [(float(hour * HOUR_S), prices[hour], target) for hour, target in sorted(decisions.items())]
    parts = [
        Series(user_id="ann", symbol="BTC", advice=[each for each in advice if (each[0] < cut * HOUR_S) is early])
        for early in (True, False)
    ]
    within = {hour: target for hour, target in decisions.items() if hour <= until}

    assert list(mark_series(parts, market)) == list(mark_days(decided(within, prices), market))
