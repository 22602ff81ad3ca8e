"""Which exposures of a run are marked, and for whom: the compared users, and all whom the policy was to serve."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from ab.metrics import ARMS, Served
from ab.outcomes import Entry, Series
from adapters.store.exposure_marks import Mark
from adapters.store.exposures import FirstExposure
from trading.vocabulary import Arm, AssignmentReason, FailureReason

_FAILURES = frozenset(reason.value for reason in FailureReason)
# The rule answers then because nobody is to meet the policy: that says nothing of how an arm was served.
_NOT_RUNNING = frozenset(
    {AssignmentReason.PAUSED, AssignmentReason.DISABLED, AssignmentReason.ROLLED_BACK, AssignmentReason.KILLED}
)
# Of a mark.
_user_and_symbol, _bar_close, _answer, _advice = (
    itemgetter(0, 1),
    itemgetter(2),
    itemgetter(3, 4, 5),
    itemgetter(2, 6, 7),
)


class Counted:
    """The compared users, by whom they were answered, and from when on (market time, Unix seconds) anybody is marked.

    A compared user is marked from the entry on, anybody else from the bar on which the policy was first to serve.
    `twice` are compared users whom the policy was to serve from another bar on than that: they have two accounts.
    """

    def __init__(self, arrivals: Sequence[FirstExposure], policy_since: Mapping[str, int]) -> None:
        self.arrivals = arrivals
        self.entries = {one.user_id: Entry(arm=one.arm, since_s=float(one.bar_close_s)) for one in arrivals}
        self._policy_since = policy_since
        self.twice = {
            user_id
            for user_id, since_s in policy_since.items()
            if user_id in self.entries and self.entries[user_id].since_s != since_s
        }
        # By the arm of the entry: how often which arm was assigned, which answered, and why.
        self._tallies = {arm: Counter[tuple[str, str, str]]() for arm in ARMS}
        # The same of everybody at any time.
        self._answers = Counter[tuple[str, str, str]]()

    def exposed(self, pages: Iterable[Sequence[Mark]]) -> Iterator[Series]:
        """What is marked, in the order of the pages; counts who answered."""
        for user_id, symbol, marks in _by_symbol(pages):
            answers = Counter(map(_answer, marks))
            self._answers.update(answers)
            entry = self.entries.get(user_id)
            since_s = self._policy_since.get(user_id, float("inf")) if entry is None else entry.since_s
            counted = _since(marks, since_s)
            if entry is not None:
                self._tallies[entry.arm].update(answers if counted is marks else map(_answer, counted))
            if counted:
                yield _series(user_id, symbol, counted)

    def exposed_again(self, pages: Iterable[Sequence[Mark]]) -> Iterator[Series]:
        """The exposures of `twice`, each from the bar on which the policy was first to serve."""
        for user_id, symbol, marks in _by_symbol(pages):
            if user_id in self.twice:
                yield _series(user_id, symbol, _since(marks, self._policy_since[user_id]))

    def guarded(self, user_id: str) -> bool:
        """True when what `exposed` gives of a user begins where the policy was first to serve."""
        return user_id in self._policy_since and user_id not in self.twice

    def served(self, arm: Arm) -> Served:
        """By whom the users of an arm were answered while it ran; once `exposed` is exhausted."""
        tally = {answer: count for answer, count in self._tallies[arm].items() if answer[2] not in _NOT_RUNNING}
        return Served(
            exposures=sum(tally.values()),
            as_assigned=sum(count for (_, served, _), count in tally.items() if served == arm),
            failed=_failed(tally, arm),
        )

    def failed_share(self) -> float | None:
        """How often the policy failed of the times it was asked first, compared or not; None when it never was."""
        asked = sum(count for (assigned, _, _), count in self._answers.items() if assigned == Arm.RL)
        return _failed(self._answers, Arm.RL) / asked if asked else None


def _by_symbol(pages: Iterable[Sequence[Mark]]) -> Iterator[tuple[str, str, Sequence[Mark]]]:
    # What a user has in a symbol is in two parts where a page ends between them.
    for page in pages:
        for (user_id, symbol), marks in groupby(page, key=_user_and_symbol):
            yield user_id, symbol, list(marks)


def _since(marks: Sequence[Mark], since_s: float) -> Sequence[Mark]:
    return marks if marks[0][2] >= since_s else marks[bisect_left(marks, since_s, key=_bar_close) :]


def _series(user_id: str, symbol: str, marks: Sequence[Mark]) -> Series:
    return Series(user_id=user_id, symbol=symbol, advice=list(map(_advice, marks)))


def _failed(answers: Mapping[tuple[str, str, str], int], arm: Arm) -> int:
    return sum(count for (assigned, _, reason), count in answers.items() if assigned == arm and reason in _FAILURES)
