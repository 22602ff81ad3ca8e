"""What the market days of an experiment's users earned: by the as-if account, and from the source that a plan names."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ab.account import Costs, Marking, Prices, mark_days
from ab.outcomes import AllotmentOf, Entry, Exposed, UnitDay
from ab.plan import OutcomeSource
from ab.recorded import Due, Expected, reported_days
from adapters.store.reported_outcomes import read_reported
from adapters.store.unreported import unreported
from wiring.stores import OpenStore

# How long after a market day's end a report that has not come is waited for.
GRACE_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what a day is marked: what trading costs, and the change of exposure that is too small to be traded."""

    costs: Costs
    dead_band: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What there is of one run up to the market time `until_s` (Unix seconds).

    `entries` are of the compared users; `exposed` are the exposures to be marked, in the order of mark_days.
    """

    store: OpenStore
    experiment: str
    run: int
    entries: Mapping[str, Entry]
    exposed: Iterable[Exposed]
    allotment_of: AllotmentOf
    prices: Prices
    terms: Terms
    until_s: float


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
    return mark_days(recorded.exposed, marking, progress)


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


# The sources that a plan may name, see ab/plan_checks.py.
SOURCES: Mapping[OutcomeSource, Callable[[Recorded, Sequence[UnitDay]], Iterator[UnitDay]]] = {
    OutcomeSource.AS_IF: _as_if,
    OutcomeSource.REPORTED: _reported,
}


def _expected(recorded: Recorded) -> Iterator[Expected]:
    store, experiment, run = recorded.store, recorded.experiment, recorded.run
    for acted in store.read(unreported(experiment, run)):
        yield Expected(user_id=acted.user_id, market_at_s=acted.bar_close_s, net_bps=None)
    for told in store.read(read_reported(experiment, run)):
        if told.market_s <= recorded.until_s:
            yield Expected(user_id=told.user_id, market_at_s=told.market_s, net_bps=told.net_bps)
