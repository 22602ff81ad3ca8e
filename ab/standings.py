"""How models and arms stand beside each other: what each answered, marked by one as-if account of its own.

A model's account begins flat at its first answer to a user, follows its answers, and is closed at the bar on which
another answers that user: what one has left open is no profit of the other.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from ab.account import Marking, mark_days
from ab.hits import Hits, Marked, Subject, earned, hits_of
from ab.metrics import ARMS, Served
from ab.outcomes import Exposed, UnitDay, day_of
from trading.vocabulary import Arm

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A decision `by` a model on a bar that closed at `market_at_s` (market time, Unix seconds).

    `position` and `target` are exposures before and after, shares of the symbol's capital (`target` None: what is held
    is kept), `price` that close in quote currency; `confidence` (0..1) None where none was served. `failed`: an arm
    that was asked first did not answer.
    """

    decision_id: str
    user_id: str
    symbol: str
    market_at_s: float
    price: float
    position: float
    target: float | None
    assigned: Arm
    by: Subject
    confidence: float | None
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one of them is judged by: the `decisions` it made, the days of its accounts, whether it was right.

    `served` is of the exposures assigned to its arm: those of a model are the ones it answered, and those it did not
    answer between its answers to the same user and symbol.
    """

    decisions: int
    days: Sequence[UnitDay]
    hits: Hits
    served: Served


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The models that answered, and the arms with all that their models answered."""

    models: Mapping[Subject, Standing]
    arms: Mapping[Arm, Standing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The answers of one run of an experiment, one user after the other, each user's by symbol and then by time.

    It was over at `end_s` (market time, Unix seconds), and what was open then is closed; None while it goes on.
    """

    answered: Iterable[Answered]
    end_s: float | None


def compare(runs: Iterable[Run], marking: Marking, *, horizon_s: Callable[[Subject], float]) -> Comparison:
    """The comparison over some runs; `horizon_s` is how long a model's targets are held until they are judged.

    The answers of one user are kept in memory at a time, nine bytes of each decision, and every user-day.
    Raises ValueError as `mark_days`.
    """
    kept = _Kept(marking)
    hits = hits_of(marked for run in runs for marked in _walk(run, kept, marking, horizon_s))
    models = {
        subject: Standing(
            decisions=count, days=kept.model_days[subject], hits=hits[subject], served=_served(kept.of_models[subject])
        )
        for subject, count in kept.decisions.items()
    }
    arms = {
        arm: Standing(
            decisions=sum(one.decisions for subject, one in models.items() if subject.arm is arm),
            days=kept.arm_days[arm],
            hits=_together([one.hits for subject, one in models.items() if subject.arm is arm]),
            served=_served(kept.of_arms[arm]),
        )
        for arm in ARMS
    }
    return Comparison(models=models, arms=arms)


def judge(
    answered: Iterable[Answered], marking: Marking, *, horizon_s: Callable[[Subject], float]
) -> Mapping[Subject, Hits]:
    """Only whether each model was right, as in `compare`: nine bytes are kept of each decision."""
    return hits_of(_judged(_in_time(answered, marking), marking, horizon_s))


class _Kept:
    # Of exposures assigned to an arm: all, those it answered, those another one answered because it failed.
    def __init__(self, marking: Marking) -> None:
        self._marking = marking
        self.decisions: Counter[Subject] = Counter()
        self.model_days: dict[Subject, list[UnitDay]] = defaultdict(list)
        self.arm_days: dict[Arm, list[UnitDay]] = defaultdict(list)
        self.of_models: dict[Subject, list[int]] = defaultdict(lambda: [0, 0, 0])
        self.of_arms: dict[Arm, list[int]] = defaultdict(lambda: [0, 0, 0])

    def follow(self, mine: Sequence[Answered], end_s: float | None) -> None:
        # All answers to one user.
        self.decisions.update(each.by for each in mine if each.by.arm is not Arm.HOLD)
        for _, of_symbol in groupby(mine, key=attrgetter("symbol")):
            self._serve(list(of_symbol))
        for subject, days in _days(mine, lambda each: each.by, end_s, self._marking):
            self.model_days[subject] += days
        for arm, days in _days(mine, lambda each: each.by.arm, end_s, self._marking):
            self.arm_days[arm] += days

    def _serve(self, mine: Sequence[Answered]) -> None:
        # Nobody wrote down which model failed to answer: the one that answered before it, or else after it.
        last: dict[Arm, Subject] = {}
        for each in reversed(mine):
            last[each.by.arm] = each.by
        for each in mine:
            last[each.by.arm] = each.by
            as_assigned = each.by.arm is each.assigned
            counted = (1, as_assigned, each.failed and not as_assigned)
            _add(self.of_arms[each.assigned], counted)
            if each.assigned in last:
                _add(self.of_models[last[each.assigned]], counted)


def _add(counts: list[int], more: Iterable[int]) -> None:
    counts[:] = [count + one for count, one in zip(counts, more, strict=True)]


def _served(counts: Sequence[int]) -> Served:
    exposures, as_assigned, failed = counts
    return Served(exposures=exposures, as_assigned=as_assigned, failed=failed)


def _in_time(answered: Iterable[Answered], marking: Marking) -> Iterator[Answered]:
    return (each for each in answered if each.market_at_s <= marking.until_s)


def _walk(run: Run, kept: _Kept, marking: Marking, horizon_s: Callable[[Subject], float]) -> Iterator[Marked]:
    for _, of_user in groupby(_in_time(run.answered, marking), key=attrgetter("user_id")):
        mine = list(of_user)
        kept.follow(mine, run.end_s)
        yield from _judged(mine, marking, horizon_s)


def _judged(answers: Iterable[Answered], marking: Marking, horizon_s: Callable[[Subject], float]) -> Iterator[Marked]:
    for each in answers:
        if each.by.arm is not Arm.HOLD:
            yield _marked(each, marking, each.market_at_s + horizon_s(each.by))


def _marked(each: Answered, marking: Marking, judged_s: float) -> Marked:
    prices = marking.prices
    # Before its bar is in, the last close would be taken for that of the horizon.
    due = judged_s <= min(marking.until_s, prices.complete_to_s(each.symbol))
    later = prices.close_at(each.symbol, judged_s) if due else None
    target = each.position if each.target is None else each.target
    return Marked(
        decision_id=each.decision_id,
        model=each.by.model,
        version=each.by.version,
        arm=each.by.arm,
        confidence=each.confidence,
        target=target,
        earned=earned(target=target, position=each.position, price=each.price, later=later, costs=marking.costs),
    )


def _days(
    mine: Sequence[Answered], key: Callable[[Answered], Key], end_s: float | None, marking: Marking
) -> Iterator[tuple[Key, list[UnitDay]]]:
    # Of one user: the days of each key's account on which it was in charge, if only of one symbol.
    accounts: dict[Key, list[Exposed]] = defaultdict(list)
    charge: dict[Key, set[int]] = defaultdict(set)
    answers = (each for each in mine if each.by.arm is not Arm.HOLD)
    for _, of_symbol in groupby(answers, key=attrgetter("symbol")):
        for holder, turn in _turns(list(of_symbol), key, end_s):
            accounts[holder] += turn.exposed
            last_s = marking.until_s if turn.over_s is None else turn.over_s
            charge[holder].update(range(day_of(turn.exposed[0].market_at_s), day_of(last_s) + 1))
    for holder, exposed in accounts.items():
        yield holder, [unit for unit in mark_days(exposed, marking) if unit.day in charge[holder]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    exposed: list[Exposed]
    over_s: float | None


def _turns(
    mine: Sequence[Answered], key: Callable[[Answered], Key], end_s: float | None
) -> Iterator[tuple[Key, _Turn]]:
    # Of one symbol: who answered from when to when, and the trade that ends it.
    turns = [(holder, list(answers)) for holder, answers in groupby(mine, key=key)]
    for place, (holder, answers) in enumerate(turns):
        exposed = [_exposed(each) for each in answers]
        if place + 1 < len(turns):
            taken_over = _exposed(turns[place + 1][1][0])
            exposed.append(replace(taken_over, target_exposure=0.0))
            yield holder, _Turn(exposed=exposed, over_s=taken_over.market_at_s)
            continue
        if end_s is not None:
            exposed[-1:] = _closed(exposed[-1], end_s)
        yield holder, _Turn(exposed=exposed, over_s=end_s)


def _closed(last: Exposed, end_s: float) -> Sequence[Exposed]:
    if last.market_at_s >= end_s:
        return [replace(last, target_exposure=0.0)]
    return [last, replace(last, market_at_s=end_s, price=None, target_exposure=0.0)]


def _exposed(each: Answered) -> Exposed:
    return Exposed(
        user_id=each.user_id,
        symbol=each.symbol,
        market_at_s=each.market_at_s,
        price=each.price,
        target_exposure=each.target,
        arm=each.assigned,
    )


def _together(parts: Sequence[Hits]) -> Hits:
    confidences, events = array("d"), bytearray()
    for part in parts:
        confidences.extend(part.confidences)
        events.extend(part.events)
    return Hits(
        judged=sum(part.judged for part in parts),
        earned=sum(part.earned for part in parts),
        confidences=confidences,
        events=events,
    )
