"""What fills earned is told day by day to the last cent, or said to be unknown; an open loss is in it at once."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.books import Books, Filled, TradingTerms
from ab.filled import filled_days
from ab.outcomes import DAY_S, Allotment, Entry, OutcomeState, UnitDay
from tests.fakes.closes import FakeCloses
from trading.agents import ExecutionMode
from trading.ledger import FLAT, Fill, apply_fill, unrealized
from trading.orders import Side
from trading.vocabulary import Arm

PAPER, LIVE = ExecutionMode.PAPER, ExecutionMode.LIVE
NOON = DAY_S / 2
DAYS = 4
CAPITAL = 1_000.0
# One USD is ten basis points of the capital.
USD = 10.0
TERMS = TradingTerms(mode=PAPER, capital_usd=CAPITAL, changed_s=None)
# Each day closes at 100 and as many USD as days are over, the bar of the entry at 99.
MIDNIGHTS = {("BTC", float(DAY_S * day)): 100.0 + day for day in range(DAYS + 2)}
RISING = FakeCloses(closes={**MIDNIGHTS, ("BTC", NOON): 99.0})
# Half a minute before the bar of the entry closed.
CAME_S = NOON - 30.0


def books(**changes: object) -> Books:
    made = Books(
        entries={"ann": Entry(arm=Arm.RL, since_s=NOON)},
        came_s=dict.fromkeys(("ann", "bob", "cid", "dan"), CAME_S),
        ended_s=None,
        terms={"ann": TERMS},
        held={},
        working_s={},
        allotment_of=lambda _: Allotment(symbols=1, capital_usd=None),
        prices=RISING,
        until_s=float(DAYS * DAY_S),
        grace_s=float(DAY_S),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def fill(bought: float, held: float, *, days: float | None = 0.5, **changes: object) -> Filled:
    """A fill at 100 USD without a fee, `days` after the start, on both clocks unless told."""
    made = Filled(
        user_id="ann",
        symbol="BTC",
        mode=PAPER,
        ordered_s=NOON if days is None else days * DAY_S,
        market_s=None if days is None else days * DAY_S,
        bought=Decimal(str(bought)),
        held=Decimal(str(held)),
        price=100.0,
        fee=0.0,
    )
    return made._replace(**changes)


def earned(*fills: Filled, **changes: object) -> list[float]:
    """In USD to the millionth, of the days that are over, which are all known."""
    days = list(filled_days(fills, books(**changes)))[:-1]
    assert {unit.state for unit in days} == {OutcomeState.KNOWN}
    return [round((unit.net_bps or 0.0) / USD, 6) for unit in days]


def states(*fills: Filled, **changes: object) -> str:
    """The first letter of the state of each day: known, late, missing. Nothing is told of a missing one."""
    days = list(filled_days(fills, books(**changes)))
    assert all(unit.net_bps is unit.fees_bps is unit.turnover is None for unit in days if unit.state == "missing")
    return "".join(unit.state.value[0] for unit in days)


def test_what_is_held_is_marked_each_day_and_what_it_cost_is_paid_on_its_own() -> None:
    assert earned(fill(2, 2, fee=0.5), fill(-1, 1, days=2.5, price=110.0, fee=0.25)) == [1.5, 2.0, 8.75, 1.0]


def test_fees_and_turnover_are_those_of_the_fills() -> None:
    days = list(filled_days([fill(2, 2, fee=0.5), fill(-2, 0, days=0.6, fee=0.25)], books()))
    assert [days[0].fees_bps, days[0].turnover] == pytest.approx([0.75 * USD, 0.4])
    assert (days[1].fees_bps, days[1].turnover, days[1].capital_usd) == (0.0, 0.0, CAPITAL)


def test_who_never_traded_earned_nothing_which_is_known() -> None:
    assert states(terms={}) == "kkkkl"
    assert earned(terms={}) == [0.0] * DAYS


def test_the_present_day_is_late_with_what_it_earned_so_far() -> None:
    until_s = DAY_S * 0.75
    market = FakeCloses(closes={("BTC", until_s): 97.0})
    (so_far,) = filled_days([fill(2, 2)], books(prices=market, until_s=until_s))
    (unmarked,) = filled_days([fill(2, 2)], books(prices=FakeCloses(), until_s=until_s))
    assert so_far.state is OutcomeState.LATE
    assert so_far.net_bps == pytest.approx(-6.0 * USD)
    assert (unmarked.state, unmarked.net_bps) == (OutcomeState.LATE, None)


def test_a_fill_counts_on_the_day_of_its_order_whenever_it_was_booked() -> None:
    # The first order was filled after the second.
    assert earned(fill(1, 1, days=2.5), fill(1, 2, days=0.5, price=99.0)) == [2.0, 1.0, 4.0, 2.0]


def test_an_order_at_midnight_belongs_to_the_day_that_begins() -> None:
    assert [unit.turnover for unit in filled_days([fill(1, 1, days=1.0)], books())] == [0.0, 0.1, 0.0, 0.0, 0.0]


def test_the_account_begins_with_what_the_first_fill_found_at_the_close_of_the_entry() -> None:
    sold = fill(-3, 0, days=2.5, price=110.0, fee=1.0)
    assert earned(sold) == [6.0, 3.0, 23.0, 0.0]
    assert earned(sold, held={"ann": {"BTC": Decimal(7)}}) == [6.0, 3.0, 23.0, 0.0]
    assert earned(fill(-3, 0)) == [3.0, 0.0, 0.0, 0.0]


def test_what_was_held_at_the_entry_and_never_traded_since_is_what_is_held_now() -> None:
    held = {"ann": {"BTC": Decimal(-2)}}
    assert earned(held=held) == [-4.0, -2.0, -2.0, -2.0]
    assert earned(fill(1, 1, symbol="ETH"), fill(-1, 0, symbol="ETH", price=105.0), held=held)[0] == 1.0


@pytest.mark.parametrize("earlier", [fill(1, 2, days=0.4), fill(1, 2, ordered_s=CAME_S - 1.0)])
def test_what_was_ordered_before_the_entry_and_filled_before_the_run_was_held(earlier: Filled) -> None:
    assert earned(earlier, fill(-2, 0, days=1.5)) == [4.0, -2.0, 0.0, 0.0]
    assert earned(earlier) == [4.0, 2.0, 2.0, 2.0]
    assert earned(earlier, held={"ann": {"BTC": Decimal(1)}}) == [4.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("earlier", [fill(1, 2, days=0.4), fill(1, 2, days=None, ordered_s=CAME_S - 1.0)])
def test_what_was_ordered_before_the_entry_and_filled_after_one_of_the_run_counts_on_its_day(earlier: Filled) -> None:
    assert earned(fill(1, 1, days=1.5, price=101.0), earlier, fill(-2, 0, days=2.5)) == [1.0, 2.0, -4.0, 0.0]


def test_dust_from_before_hides_no_loss() -> None:
    lost = [fill(1, 1.25, days=1.5), fill(-1, 0.25, days=1.6, price=50.0)]
    assert earned(*lost) == [0.5, -49.75, 0.25, 0.25]


def test_without_the_close_of_the_entry_the_first_day_cannot_be_told() -> None:
    bare = FakeCloses(closes=MIDNIGHTS)
    assert states(fill(-1, 1, days=2.5), prices=bare) == "mkkkl"
    assert states(fill(1, 1, days=2.5), prices=bare) == "kkkkl"
    assert states(fill(-1, 1), prices=FakeCloses(complete_to={"BTC": 0.0}), until_s=DAY_S * 1.5) == "ll"


def test_who_has_no_agent_in_the_run_earned_nothing_with_what_is_held() -> None:
    assert earned(terms={}, held={"ann": {"BTC": Decimal(2)}}) == [0.0] * DAYS


def test_what_is_held_of_an_unknown_capital_is_missing() -> None:
    unknown = {"ann": replace(TERMS, capital_usd=None)}
    assert states(terms=unknown, held={"ann": {"BTC": Decimal(2)}}) == "mmmmm"
    assert states(fill(1, 3, days=2.5), terms=unknown) == "mmmmm"


def test_what_was_ordered_in_the_run_counts_and_what_was_ordered_after_it_does_not() -> None:
    ended_s = 2.0 * DAY_S
    later = fill(5, 6, days=1.7, ordered_s=ended_s + 1.0)
    last = fill(-1, 5, days=1.9, ordered_s=ended_s, price=50.0)
    assert earned(fill(1, 1, days=1.5), later, last, ended_s=ended_s) == [0.0, -50.0, 0.0, 0.0]
    # Of a market that began anew after the run, whose hour is one before the entry.
    assert earned(later._replace(market_s=NOON - 1.0), ended_s=ended_s, held={"ann": {"BTC": Decimal(6)}}) == [
        2.0,
        1.0,
        1.0,
        1.0,
    ]


def test_what_was_ordered_after_the_end_is_left_out() -> None:
    days = list(filled_days([fill(1, 1), fill(-1, 0, days=DAYS + 0.1, price=1.0)], books()))
    assert [unit.turnover for unit in days] == pytest.approx([0.1] + [0.0] * DAYS)


@pytest.mark.parametrize(
    "gap",
    [fill(1, 3, days=2.5), fill(1, 2, days=None), fill(1, 2, days=2.5)._replace(held=None)],
    ids=["gap", "day", "held"],
)
def test_from_the_last_fill_before_a_gap_on_nothing_is_known(gap: Filled) -> None:
    assert states(fill(1, 1, days=1.5), gap, fill(-1, 2, days=3.5)) == "kmmmm"


def test_another_capital_makes_the_days_from_then_on_missing() -> None:
    assert states(fill(1, 1), terms={"ann": replace(TERMS, changed_s=2.0 * DAY_S)}) == "kkmmm"
    assert states(fill(1, 1), terms={"ann": replace(TERMS, changed_s=DAYS * DAY_S + 1.0)}) == "kkkkl"


@pytest.mark.parametrize("terms", [{}, {"ann": replace(TERMS, capital_usd=None)}], ids=["no agent", "no capital"])
def test_fills_of_an_unknown_capital_are_missing_from_their_day_on(terms: Mapping[str, TradingTerms]) -> None:
    assert states(fill(1, 1, days=2.5), fill(1, 2, days=3.5), terms=terms) == "kkmmm"
    assert earned(terms=terms) == [0.0] * DAYS


def test_fills_of_another_mode_are_missing_from_their_day_on() -> None:
    assert states(fill(1, 1), fill(1, 1, days=1.5, mode=LIVE)) == "kmmmm"


@pytest.mark.parametrize(("until_days", "expected"), [(1.5, "kl"), (2.5, "kll"), (3.0, "kmkl"), (3.5, "kmkl")])
def test_a_fee_that_is_not_told_is_waited_for_and_then_missing(until_days: float, expected: str) -> None:
    untold = fill(-1, 0, days=1.2, fee=None)
    assert states(fill(1, 1), untold, until_s=DAY_S * until_days) == expected
    assert states(fill(1, 1), untold._replace(fee=0.1), until_s=DAY_S * until_days) == "k" * (len(expected) - 1) + "l"


@pytest.mark.parametrize(("until_days", "expected"), [(2.5, "kll"), (3.5, "kmll"), (4.5, "kmmll")])
def test_an_order_that_may_still_be_filled_makes_its_day_and_the_later_ones_late(
    until_days: float, expected: str
) -> None:
    assert states(working_s={"ann": [2.2 * DAY_S, 1.2 * DAY_S]}, until_s=DAY_S * until_days) == expected


@pytest.mark.parametrize("days", [0.4, DAYS + 0.1])
def test_orders_of_other_times_are_not_waited_for(days: float) -> None:
    assert states(working_s={"ann": [days * DAY_S], "bob": [NOON]}) == "kkkkl"


def test_without_its_closing_price_a_day_and_the_next_are_missing() -> None:
    market = FakeCloses(closes={("BTC", float(DAY_S * day)): 100.0 for day in (1, 3, 4)})
    assert states(fill(1, 1), prices=market) == "kmmkl"
    assert states(fill(1, 1), fill(-1, 0, days=2.5), prices=market) == "kmmkl"
    assert states(fill(1, 1), fill(-1, 0, days=1.5), prices=market) == "kkkkl"


def test_a_bar_that_may_yet_come_makes_a_day_late() -> None:
    market = FakeCloses(closes=RISING.closes, complete_to={"BTC": DAY_S * 1.5})
    assert states(fill(1, 1), prices=market) == "kllll"


def test_a_day_that_lacks_a_price_for_good_is_missing_whatever_is_waited_for() -> None:
    market = FakeCloses(closes=RISING.closes, complete_to={"ETH": 0.0})
    bare = replace(market, closes={at: close for at, close in RISING.closes.items() if at[1] != DAY_S})
    both = [fill(1, 1), fill(1, 1, symbol="ETH")]
    assert states(*both, prices=bare) == "mmlll"
    assert states(*both[:1], prices=bare, working_s={"ann": [NOON]}, until_s=DAY_S * 1.5) == "mm"


def test_users_outside_the_comparison_have_no_days() -> None:
    assert {unit.user_id for unit in filled_days([fill(1, 1, user_id="eve")], books())} == {"ann"}


def test_one_user_is_marked_before_the_one_after_the_next_is_read() -> None:
    read: list[str] = []

    def stream() -> Iterator[Filled]:
        for user_id in ("ann", "bob", "cid"):
            read.append(user_id)
            yield fill(1, 1, user_id=user_id)

    entries = {user_id: Entry(arm=Arm.RL, since_s=NOON) for user_id in ("ann", "bob", "cid", "dan")}
    days = filled_days(stream(), books(entries=entries))
    assert next(days).user_id == "ann"
    assert read == ["ann", "bob"]
    assert {unit.user_id for unit in days} == set(entries)


def test_fills_out_of_order_are_refused() -> None:
    entries = {user_id: Entry(arm=Arm.RL, since_s=NOON) for user_id in ("ann", "bob")}
    with pytest.raises(ValueError, match="by user"):
        list(filled_days([fill(1, 1), fill(1, 1, user_id="bob"), fill(1, 2)], books(entries=entries)))
    with pytest.raises(ValueError, match="by symbol"):
        list(filled_days([fill(1, 1), fill(1, 1, symbol="ETH"), fill(1, 2)], books()))


@pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused(amount: float) -> None:
    closes = FakeCloses(closes={("BTC", float(DAY_S * day)): amount for day in range(DAYS + 2)})
    for one, market in ((fill(1, 1, price=amount), RISING), (fill(1, 1, fee=amount), RISING), (fill(1, 1), closes)):
        with pytest.raises(ValueError, match=r"is no price|is no profit"):
            list(filled_days([one], books(prices=market)))


@pytest.mark.parametrize("price", [0.0, -1.0])
def test_a_price_that_is_not_positive_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match="is no price"):
        list(filled_days([fill(1, 1, price=price)], books()))
    with pytest.raises(ValueError, match="is no price"):
        list(filled_days([fill(1, 1)], books(prices=FakeCloses(closes={("BTC", float(DAY_S)): price}))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """So much of a symbol bought, < 0 sold, in an hour since the start, at a price, for a fee."""

    symbol: str
    hour: int
    bought: Decimal
    price: Decimal
    fee: Decimal


SYMBOLS = ("BTC", "ETH")
HOURS = DAYS * 24
amounts = st.decimals(Decimal("0.01"), Decimal(500), places=2)
trades = st.builds(
    Traded,
    symbol=st.sampled_from(SYMBOLS),
    hour=st.integers(12, HOURS - 1),
    bought=st.decimals(Decimal(-3), Decimal(3), places=4).filter(bool),
    price=amounts,
    fee=st.decimals(Decimal(-1), Decimal(1), places=3),
)
closes_of_days = st.lists(amounts, min_size=2 * DAYS, max_size=2 * DAYS)


def close_of(closes: Sequence[Decimal], symbol: str, days: int) -> Decimal:
    return closes[SYMBOLS.index(symbol) * DAYS + days - 1]


def booked(traded: Sequence[Traded], opening: Mapping[str, Decimal] | None = None) -> list[Filled]:
    """As the ledger books them, after what was held at first."""
    rows: list[Filled] = []
    for symbol in SYMBOLS:
        position = replace(FLAT, quantity=(opening or {}).get(symbol, Decimal(0)), arm=Arm.RL)
        for one in (each for each in traded if each.symbol == symbol):
            side = Side.BUY if one.bought > 0 else Side.SELL
            new = Fill(side=side, quantity=abs(one.bought), price=one.price, fee=one.fee, arm=Arm.RL, at_s=1.0)
            for part in apply_fill(position, new):
                position = part.position
                rows.append(
                    fill(0, 0, days=one.hour / 24, symbol=symbol, price=float(one.price), fee=float(part.fee or 0))
                )
                bought = part.quantity if side is Side.BUY else -part.quantity
                rows[-1] = rows[-1]._replace(bought=bought, held=position.quantity)
    return rows


def hour_by_hour(traded: Sequence[Traded], closes: Sequence[Decimal]) -> list[Decimal]:
    """What cash and holdings together are worth more after each day than before it: the oracle."""
    cash, equity, held, days = Decimal(0), Decimal(0), dict.fromkeys(SYMBOLS, Decimal(0)), []
    for hour in range(HOURS):
        for one in (each for each in traded if each.hour == hour):
            cash -= one.bought * one.price + one.fee
            held[one.symbol] += one.bought
        if hour % 24 == 23:
            now = cash + sum(held[symbol] * close_of(closes, symbol, hour // 24 + 1) for symbol in SYMBOLS)
            days.append(now - equity)
            equity = now
    return days


@given(
    st.lists(trades, max_size=12),
    closes_of_days,
    st.tuples(*[st.decimals(Decimal(-3), Decimal(3), places=4) for _ in SYMBOLS]),
    st.tuples(*[amounts for _ in SYMBOLS]),
)
def test_the_days_add_up_to_cash_and_value_at_the_end_less_value_at_the_entry_and_fees(
    traded: list[Traded], closes: list[Decimal], openings: tuple[Decimal, ...], prices: tuple[Decimal, ...]
) -> None:
    opening, entry = dict(zip(SYMBOLS, openings, strict=True)), dict(zip(SYMBOLS, prices, strict=True))
    market = {(symbol, day * DAY_S): close_of(closes, symbol, day) for symbol in SYMBOLS for day in range(1, DAYS + 1)}
    at_entry = {(symbol, NOON): price for symbol, price in entry.items()}
    known = FakeCloses(
        closes={(symbol, float(at)): float(price) for (symbol, at), price in (market | at_entry).items()}
    )
    now = {symbol: opening[symbol] + sum(one.bought for one in traded if one.symbol == symbol) for symbol in SYMBOLS}
    rows = booked(traded, opening)

    days = list(filled_days(rows, books(prices=known, held={"ann": now})))[:-1]

    worth = sum(now[symbol] * close_of(closes, symbol, DAYS) - opening[symbol] * entry[symbol] for symbol in SYMBOLS)
    expected = worth - sum(one.bought * one.price + one.fee for one in traded)
    assert {unit.state for unit in days} == {OutcomeState.KNOWN}
    earned_usd = sum((unit.net_bps or 0.0) / USD for unit in days)
    assert earned_usd == pytest.approx(float(expected), rel=1e-9, abs=1e-6)


@given(st.lists(trades, max_size=12), closes_of_days)
def test_the_days_are_those_of_cash_and_holdings_and_add_up_to_what_the_ledger_says(
    traded: list[Traded], closes: list[Decimal]
) -> None:
    market = FakeCloses(
        closes={
            (symbol, float(day * DAY_S)): float(close_of(closes, symbol, day))
            for symbol in SYMBOLS
            for day in range(1, DAYS + 1)
        }
    )
    days: list[UnitDay] = list(filled_days(booked(traded), books(prices=market)))[:-1]

    assert {unit.state for unit in days} == {OutcomeState.KNOWN}
    earned_usd = [(unit.net_bps or 0.0) / USD for unit in days]
    assert earned_usd == pytest.approx([float(day) for day in hour_by_hour(traded, closes)], rel=1e-9, abs=1e-6)
    assert sum(earned_usd) == pytest.approx(float(of_the_ledger(traded, closes)), rel=1e-9, abs=1e-6)


def of_the_ledger(traded: Sequence[Traded], closes: Sequence[Decimal]) -> Decimal:
    """Realised and unrealised less fees."""
    total = Decimal(0)
    for symbol in SYMBOLS:
        position = FLAT
        for one in (each for each in traded if each.symbol == symbol):
            side = Side.BUY if one.bought > 0 else Side.SELL
            new = Fill(side=side, quantity=abs(one.bought), price=one.price, fee=one.fee, arm=Arm.RL, at_s=1.0)
            for part in apply_fill(position, new):
                position = part.position
                total += part.realized - (part.fee or 0)
        total += unrealized(position, close_of(closes, symbol, DAYS))
    return total
