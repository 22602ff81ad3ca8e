"""All that is recorded of one run of an experiment, gathered from the store and the market for whoever judges it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import TypeAlias

from ab.guardrails import Operations
from ab.metrics import ARMS, Served
from ab.outcomes import DAY_S, Entry, OutcomeState, UnitDay
from ab.plan import OutcomeSource
from ab.state import ExperimentState, Phase
from adapters.store.entry_allotments import entry_allotments
from adapters.store.experiment_counts import count_orders
from adapters.store.exposure_marks import Mark, stream_marks
from adapters.store.exposures import FirstExposure, first_exposures, policy_since
from adapters.store.outcomes import KNOWN, Outcome, read_outcomes
from trading.ports import Market
from trading.vocabulary import Arm
from wiring.allotments import allotment_at_entry
from wiring.closes import closes_since
from wiring.exposed import Counted
from wiring.stores import OpenStore
from wiring.unit_days import Recorded, Terms, marked_days, unit_days

# By user and day, 2026-01-31.
_Saved: TypeAlias = Mapping[tuple[str, str], Outcome]
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Of which experiment, as it is, and of which moment: the market time `at_s` (Unix seconds).

    `latency_p99_ms` is what the service measured of the policy's decisions, None when nobody said.
    """

    state: ExperimentState
    at_s: float
    latency_p99_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found. `arrivals` are the compared users in the order in which they came, `days` theirs.

    `days` come from the source that the plan names, `policy_days` from the as-if account whatever the source: they are
    what guardrails read, as a report tells nothing of a loss that is still open, and of everybody whom the policy was
    ever to serve, compared or not, from the first time on. `until_s` (market time) is where the days end: now, or when
    everybody got the rule again. `fresh` are the outcomes that are not in the store like this.
    """

    question: Question
    until_s: float
    arrivals: Sequence[FirstExposure]
    entries: Mapping[str, Entry]
    days: Sequence[UnitDay]
    policy_days: Sequence[UnitDay]
    fresh: Sequence[Outcome]
    served: Mapping[Arm, Served]
    operations: Operations


def began_s(state: ExperimentState) -> float | None:
    """The market time (Unix seconds) at which this run began; None before the first."""
    return state.steps[0].since_s if state.steps else None


def gather(
    store: OpenStore,
    market: Market,
    terms: Terms,
    question: Question,
    *,
    wall_s: float,
    progress: Callable[[int], None] = lambda _: None,
) -> Evidence:
    """Everything of the present run; `wall_s` is the wall time of it (Unix seconds).

    `progress` is told with every page how many exposures are read, or fills; each reading counts anew.
    Raises StoreRefused, ValueError for a number in the store that is not finite.
    """
    state, until_s = question.state, _until_s(question)
    key, run, since_s = state.plan.key, state.run, began_s(state) or until_s
    counted = Counted(
        [one for one in store.read(first_exposures(key, run)) if one.bar_close_s <= until_s],
        {user_id: first_s for user_id, first_s in store.read(policy_since(key, run)).items() if first_s <= until_s},
    )
    allotments, symbols = store.read(entry_allotments(key, run)), len(market.symbols())
    recorded = Recorded(
        store=store,
        experiment=key,
        run=run,
        entries=counted.entries,
        exposed=counted.exposed(_pages(store, key, run, progress)),
        allotment_of=lambda user_id: allotment_at_entry(allotments.get(user_id), symbols),
        prices=closes_since(market, store, since_s, at_s=question.at_s),
        terms=terms,
        until_s=until_s,
        speed=market.speed,
        ended_wall_s=_ended_wall_s(state),
    )
    return _found(recorded, market, question, counted, wall_s=wall_s, progress=progress)


def date_of(day: int) -> date:
    """The date of a day that is counted since 1970-01-01."""
    return _EPOCH + timedelta(days=day)


@cache
def _text_of(day: int) -> str:
    return date_of(day).isoformat()


def _found(
    recorded: Recorded,
    market: Market,
    question: Question,
    counted: Counted,
    *,
    wall_s: float,
    progress: Callable[[int], None],
) -> Evidence:
    state, since_s = question.state, began_s(question.state) or recorded.until_s
    outcomes = recorded.store.read(read_outcomes(recorded.experiment, recorded.run))
    saved = {(one.user_id, one.day): one for one in outcomes}
    source, over = state.plan.analysis.source, _over(state)
    marked = list(_within(marked_days(recorded), since_s))
    if source is OutcomeSource.AS_IF:
        marked = [_once_known(unit, saved, over=over) for unit in marked]
    found = unit_days(source, recorded, marked, progress)
    days = [_once_known(unit, saved, over=over) for unit in _within(found, since_s)]
    again = _within(_again(recorded, counted, progress), since_s)
    failed_share, since_wall_s = counted.failed_share(), market.wall_time_s(since_s)
    return Evidence(
        question=question,
        until_s=recorded.until_s,
        arrivals=counted.arrivals,
        entries=counted.entries,
        days=days,
        policy_days=[*(unit for unit in marked if counted.guarded(unit.user_id)), *again],
        fresh=[one for one in _outcomes(days, counted.entries, state, wall_s) if not _same(one, saved)],
        served={arm: counted.served(arm) for arm in ARMS},
        operations=_operations(recorded.store, question, failed_share, since_wall_s),
    )


def _pages(store: OpenStore, experiment: str, run: int, progress: Callable[[int], None]) -> Iterator[Sequence[Mark]]:
    read = 0
    for page in store.stream(lambda opened: stream_marks(opened, experiment, run)):
        # Of whomever they are: a page that holds nobody who is marked was read as well.
        read += len(page)
        progress(read)
        yield page


def _again(recorded: Recorded, counted: Counted, progress: Callable[[int], None]) -> Iterator[UnitDay]:
    # A user of the control whom the policy serves later: one account begins at the entry, another one there.
    if not counted.twice:
        return iter(())
    pages = _pages(recorded.store, recorded.experiment, recorded.run, progress)
    return marked_days(replace(recorded, exposed=counted.exposed_again(pages)))


def _within(days: Iterator[UnitDay], since_s: float) -> Iterator[UnitDay]:
    # The bar of the first decision may have closed on the day before the start.
    return (unit for unit in days if (unit.day + 1) * DAY_S > since_s)


def _until_s(question: Question) -> float:
    state = question.state
    return min(question.at_s, state.steps[-1].since_s) if _over(state) and state.steps else question.at_s


def _ended_wall_s(state: ExperimentState) -> float | None:
    if not _over(state):
        return None
    # An older version did not note it: the last command came no sooner.
    return state.changed_at_s if state.ended_at_s is None else state.ended_at_s


def _over(state: ExperimentState) -> bool:
    return state.phase in (Phase.ROLLED_BACK, Phase.KILLED)


def _once_known(unit: UnitDay, saved: _Saved, *, over: bool) -> UnitDay:
    # Bars are kept for a month, an experiment may last longer: what was known of a day that is over stays known. Of a
    # run that is over it stays as it was: a market that began anew may have brought its days once more.
    if unit.state is OutcomeState.KNOWN and not over:
        return unit
    before = saved.get((unit.user_id, _text_of(unit.day)))
    if before is None or before.state != KNOWN:
        return unit
    return UnitDay(
        user_id=unit.user_id,
        day=unit.day,
        state=OutcomeState.KNOWN,
        net_bps=before.net_bps,
        fees_bps=before.fees_bps,
        turnover=before.turnover,
        capital_usd=before.capital_usd,
    )


def _outcomes(
    days: Sequence[UnitDay], entries: Mapping[str, Entry], state: ExperimentState, wall_s: float
) -> Iterator[Outcome]:
    for unit in days:
        known = unit.state is OutcomeState.KNOWN
        yield Outcome(
            experiment=state.plan.key,
            run=state.run,
            user_id=unit.user_id,
            day=_text_of(unit.day),
            arm=entries[unit.user_id].arm,
            source=state.plan.analysis.source.value,
            state=unit.state.value,
            net_bps=unit.net_bps if known else None,
            fees_bps=unit.fees_bps if known else None,
            turnover=unit.turnover if known else None,
            capital_usd=unit.capital_usd if known else None,
            marked_at_s=wall_s,
        )


def _same(outcome: Outcome, saved: _Saved) -> bool:
    before = saved.get((outcome.user_id, outcome.day))
    if before is None:
        return False
    return (outcome.arm, outcome.state, outcome.net_bps, outcome.fees_bps, outcome.turnover) == (
        before.arm,
        before.state,
        before.net_bps,
        before.fees_bps,
        before.turnover,
    )


def _operations(store: OpenStore, question: Question, failed_share: float | None, since_wall_s: float) -> Operations:
    sent = store.read(count_orders(Arm.RL, since_s=since_wall_s))
    return Operations(
        # Of no orders none was rejected, which is known.
        rejected_share=sent.rejected / sent.orders if sent.orders else 0.0,
        error_share=failed_share,
        latency_p99_ms=question.latency_p99_ms,
    )
