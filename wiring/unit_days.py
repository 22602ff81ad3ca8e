"""What the market days of an experiment's users earned: by the as-if account, and from the source that a plan names."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ab.account import Costs, Marking, Prices, mark_series
from ab.filled import Books, Filled, TradingTerms, filled_days
from ab.outcomes import AllotmentOf, Entry, Series, UnitDay
from ab.plan import OutcomeSource
from ab.recorded import Due, Expected, reported_days
from adapters.store.filled import TradedWith, stream_fills, traded_with, working_orders
from adapters.store.reported_outcomes import read_reported
from adapters.store.unreported import unreported
from trading.agents import ExecutionMode
from wiring.stores import OpenStore

# How long after a market day's end a report, a fee or a fill that has not come is waited for.
GRACE_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what a day is marked: what trading costs, and the change of exposure that is too small to be traded."""

    costs: Costs
    dead_band: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What there is of one run up to the market time `until_s` (Unix seconds).

    `entries` are of the compared users; `exposed` are the exposures to be marked, in the order of mark_series.
    `speed` is the market's, market seconds a wall second. The run was over at the wall time `ended_wall_s` (Unix
    seconds), None while it is not.
    """

    store: OpenStore
    experiment: str
    run: int
    entries: Mapping[str, Entry]
    exposed: Iterable[Series]
    allotment_of: AllotmentOf
    prices: Prices
    terms: Terms
    until_s: float
    speed: float
    ended_wall_s: float | None


def marked_days(recorded: Recorded, progress: Callable[[int], None]) -> Iterator[UnitDay]:
    """The days of the as-if account, whatever the plan's source: only it sees the loss of a position at once.

    Raises ValueError for a number that is not finite.
    """
    marking = Marking(
        costs=recorded.terms.costs,
        dead_band=recorded.terms.dead_band,
        prices=recorded.prices,
        allotment_of=recorded.allotment_of,
        until_s=recorded.until_s,
    )
    return mark_series(recorded.exposed, marking, progress)


def unit_days(source: OutcomeSource, recorded: Recorded, marked: Sequence[UnitDay]) -> Iterator[UnitDay]:
    """Each compared user's days from the source; `marked` are those of the as-if account.

    Raises StoreRefused, ValueError for a number that is not finite.
    """
    return SOURCES[source](recorded, marked)


def _as_if(recorded: Recorded, marked: Sequence[UnitDay]) -> Iterator[UnitDay]:
    return (unit for unit in marked if unit.user_id in recorded.entries)


def _reported(recorded: Recorded, _: Sequence[UnitDay]) -> Iterator[UnitDay]:
    due = Due(
        entries=recorded.entries,
        allotment_of=recorded.allotment_of,
        until_s=recorded.until_s,
        grace_s=GRACE_S,
    )
    return reported_days(_expected(recorded), due)


def _ledger(recorded: Recorded, _: Sequence[UnitDay]) -> Iterator[UnitDay]:
    store, experiment, run = recorded.store, recorded.experiment, recorded.run
    # Before the fills: an order that has ended by then is among them.
    working_s: dict[str, list[float]] = defaultdict(list)
    for order in store.read(working_orders(experiment, run)):
        working_s[order.user_id].append(order.market_s)
    traded = store.read(traded_with(experiment, run))
    books = Books(
        entries=recorded.entries,
        terms={user_id: _trading_terms(one) for user_id, one in traded.items()},
        working_s=working_s,
        allotment_of=recorded.allotment_of,
        prices=recorded.prices,
        until_s=recorded.until_s,
        grace_s=GRACE_S,
    )
    return filled_days(_filled(recorded), books)


# The sources that a plan may name, see ab/plan_checks.py.
SOURCES: Mapping[OutcomeSource, Callable[[Recorded, Sequence[UnitDay]], Iterator[UnitDay]]] = {
    OutcomeSource.AS_IF: _as_if,
    OutcomeSource.REPORTED: _reported,
    OutcomeSource.LEDGER: _ledger,
}


def _expected(recorded: Recorded) -> Iterator[Expected]:
    store, experiment, run = recorded.store, recorded.experiment, recorded.run
    for acted in store.read(unreported(experiment, run)):
        yield Expected(user_id=acted.user_id, market_at_s=acted.bar_close_s, net_bps=None)
    for told in store.read(read_reported(experiment, run)):
        if told.market_s <= recorded.until_s:
            yield Expected(user_id=told.user_id, market_at_s=told.market_s, net_bps=told.net_bps)


def _filled(recorded: Recorded) -> Iterator[Filled]:
    experiment, run, speed, until_s = recorded.experiment, recorded.run, recorded.speed, recorded.ended_wall_s
    for page in recorded.store.stream(
        lambda opened: stream_fills(opened, experiment, run, speed=speed, until_wall_s=until_s)
    ):
        for fill in page:
            yield Filled(
                user_id=fill.user_id,
                symbol=fill.symbol,
                mode=ExecutionMode(fill.mode),
                market_s=fill.market_s,
                bought=fill.bought,
                held=fill.held,
                price=fill.price,
                fee=fill.fee,
            )


def _trading_terms(first: TradedWith) -> TradingTerms:
    return TradingTerms(mode=ExecutionMode(first.mode), capital_usd=first.capital_usd, changed_s=first.changed_s)
