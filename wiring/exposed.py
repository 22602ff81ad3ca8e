"""Which exposures of a run are marked, and for whom: the compared users, and all whom the policy was to serve."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ab.metrics import Served
from ab.outcomes import Entry, Exposed
from adapters.store.exposure_marks import Mark
from adapters.store.exposures import FirstExposure
from trading.vocabulary import Arm, AssignmentReason, FailureReason

ARMS = (Arm.RL, Arm.FALLBACK)
_RL = Arm.RL.value
_FAILURES = frozenset(reason.value for reason in FailureReason)
# The rule answers then because nobody is to meet the policy: that says nothing of how an arm was served.
_NOT_RUNNING = frozenset(
    {AssignmentReason.PAUSED, AssignmentReason.DISABLED, AssignmentReason.ROLLED_BACK, AssignmentReason.KILLED}
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
        # Of everybody whom the policy was to serve: how often it failed, and did not.
        self._policy = Counter[bool]()

    def exposed(self, pages: Iterable[Sequence[Mark]]) -> Iterator[Exposed]:
        """What is marked, in the order of the pages; counts who answered."""
        entries, tallies, since = self.entries, self._tallies, self._policy_since
        for page in pages:
            for mark in page:
                user_id, _, bar_close_s, assigned, served, reason, _, _ = mark
                if assigned == _RL:
                    self._policy[reason in _FAILURES] += 1
                entry = entries.get(user_id)
                if entry is None:
                    if bar_close_s >= since.get(user_id, float("inf")):
                        yield _exposed(mark, Arm.RL)
                elif bar_close_s >= entry.since_s:
                    if reason not in _NOT_RUNNING:
                        tallies[entry.arm][assigned, served, reason] += 1
                    yield _exposed(mark, entry.arm)

    def exposed_again(self, pages: Iterable[Sequence[Mark]]) -> Iterator[Exposed]:
        """The exposures of `twice`, each from the bar on which the policy was first to serve."""
        for page in pages:
            for mark in page:
                if mark[0] in self.twice and mark[2] >= self._policy_since[mark[0]]:
                    yield _exposed(mark, Arm.RL)

    def guarded(self, user_id: str) -> bool:
        """True when what `exposed` gives of a user begins where the policy was first to serve."""
        return user_id in self._policy_since and user_id not in self.twice

    def served(self, arm: Arm) -> Served:
        """By whom the users of an arm were answered while it ran; once `exposed` is exhausted."""
        tally = self._tallies[arm]
        return Served(
            exposures=tally.total(),
            as_assigned=sum(count for (_, served, _), count in tally.items() if served == arm),
            failed=sum(
                count for (assigned, _, reason), count in tally.items() if assigned == arm and reason in _FAILURES
            ),
        )

    def failed_share(self) -> float | None:
        """How often the policy failed of the times it was asked first, compared or not; None when it never was."""
        asked = self._policy.total()
        return self._policy[True] / asked if asked else None


def _exposed(mark: Mark, arm: Arm) -> Exposed:
    user_id, symbol, bar_close_s, _, _, _, price, target = mark
    return Exposed(
        user_id=user_id,
        symbol=symbol,
        market_at_s=float(bar_close_s),
        price=price,
        target_exposure=target,
        arm=arm,
    )
