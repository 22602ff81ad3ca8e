"""What the market days of an experiment's users earned: by the as-if account, and from the source that a plan names."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from ab.account import Costs, Marking, Prices, mark_series
from ab.books import Books, Filled, TradingTerms
from ab.filled import filled_days
from ab.outcomes import AllotmentOf, Entry, Series, UnitDay
from ab.plan import OutcomeSource
from ab.recorded import Due, Expected, reported_days
from adapters.store.filled import TradedWith, came_at, held_now, stream_fills, traded_with, working_orders
from adapters.store.reported_outcomes import read_reported
from adapters.store.unreported import unreported
from trading.agents import ExecutionMode
from wiring.stores import OpenStore

# How long after a market day's end a report, a fee or a fill that has not come is waited for.
GRACE_S = 86_400.0
_Progress: TypeAlias = Callable[[int], None]


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


def marked_days(recorded: Recorded) -> Iterator[UnitDay]:
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
    return mark_series(recorded.exposed, marking)


def unit_days(
    source: OutcomeSource, recorded: Recorded, marked: Sequence[UnitDay], progress: _Progress
) -> Iterator[UnitDay]:
    """Each compared user's days from the source; `marked` are those of the as-if account.

    `progress` is told with every page how many fills are read, from none on, where fills are read. Raises StoreRefused,
    ValueError for a number that is not finite.
    """
    return SOURCES[source](recorded, marked, progress)


def _as_if(recorded: Recorded, marked: Sequence[UnitDay], _: _Progress) -> Iterator[UnitDay]:
    return (unit for unit in marked if unit.user_id in recorded.entries)


def _reported(recorded: Recorded, _: Sequence[UnitDay], __: _Progress) -> Iterator[UnitDay]:
    due = Due(
        entries=recorded.entries,
        allotment_of=recorded.allotment_of,
        until_s=recorded.until_s,
        grace_s=GRACE_S,
    )
    return reported_days(_expected(recorded), due)


def _ledger(recorded: Recorded, _: Sequence[UnitDay], progress: _Progress) -> Iterator[UnitDay]:
    store, experiment, run = recorded.store, recorded.experiment, recorded.run
    # Each of these readings may take seconds, in which whoever waits hears that there is no fill yet.
    progress(0)
    came_s = store.read(came_at(experiment, run, speed=recorded.speed))
    progress(0)
    terms = {user_id: _trading_terms(one) for user_id, one in store.read(traded_with(experiment, run)).items()}
    progress(0)
    books = Books(
        entries=recorded.entries,
        came_s=came_s,
        ended_s=recorded.ended_wall_s,
        terms=terms,
        # Before the fills: what is filled meanwhile, or has ended by then, is among them.
        held=_held(recorded, terms),
        working_s=_working_s(recorded, came_s),
        allotment_of=recorded.allotment_of,
        prices=recorded.prices,
        until_s=recorded.until_s,
        grace_s=GRACE_S,
    )
    return filled_days(_filled(store, came_s, progress), books)


# The sources that a plan may name, see ab/plan_checks.py.
SOURCES: Mapping[OutcomeSource, Callable[[Recorded, Sequence[UnitDay], _Progress], Iterator[UnitDay]]] = {
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


def _held(recorded: Recorded, terms: Mapping[str, TradingTerms]) -> Mapping[str, Mapping[str, Decimal]]:
    held: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for user_id, symbol, mode, quantity in recorded.store.read(held_now(recorded.experiment, recorded.run)):
        if user_id in terms and terms[user_id].mode is mode:
            held[user_id][symbol] = quantity
    return held


def _working_s(recorded: Recorded, came_s: Mapping[str, float]) -> Mapping[str, Sequence[float]]:
    ended_s = math.inf if recorded.ended_wall_s is None else recorded.ended_wall_s
    working_s: dict[str, list[float]] = defaultdict(list)
    for order in recorded.store.read(working_orders(recorded.experiment, recorded.run)):
        if came_s.get(order.user_id, math.inf) <= order.ordered_s <= ended_s:
            working_s[order.user_id].append(order.market_s)
    return working_s


def _filled(store: OpenStore, came_s: Mapping[str, float], progress: _Progress) -> Iterator[Filled]:
    read = 0
    for page in store.stream(lambda opened: stream_fills(opened, came_s)):
        read += len(page)
        progress(read)
        yield from map(Filled._make, page)


def _trading_terms(first: TradedWith) -> TradingTerms:
    return TradingTerms(mode=ExecutionMode(first.mode), capital_usd=first.capital_usd, changed_s=first.changed_s)
