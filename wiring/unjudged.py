"""How long the experiment in force could not be judged, and whether that is too long to go on with it."""

from ab.state import ExperimentState
from adapters.store.choices import choice, choose
from adapters.store.engine import Store
from trading.boot import Clock, Moment
from wiring.evaluated import Failing, failing_choice_of, failing_from, failing_text

# So many evaluations that failed in a row, or so many ticks beyond the time of one without any, are too much.
MOST_FAILURES = 3
MOST_TICKS = 3


class Unjudged:
    """For the worker that evaluates; what it counts is kept for whoever takes its place, and shown by every worker.

    `timeout_s` is the time one evaluation is given to get on.
    """

    def __init__(self, store: Store, *, now: Clock, tick_s: float, timeout_s: float) -> None:
        self._store = store
        self._now = now
        self._most_s = MOST_TICKS * tick_s + timeout_s
        self._failing: Failing | None = None
        self._since: Moment | None = None

    async def recall(self, state: ExperimentState) -> None:
        """Take over what failed in this run before. Raises StoreUnavailable."""
        kept = failing_from(await self._store.read(choice(failing_choice_of(state.plan.key))))
        self._failing = kept if kept is not None and kept.run == state.run else None
        self._since = None

    def wanted(self) -> None:
        """An evaluation begins: from the first that has not succeeded yet the time counts."""
        self._since = self._since or self._now()

    def heard(self) -> None:
        """The evaluation that runs got on: it does not hang, and the time counts from now on."""
        self._since = self._now()

    def store_away(self) -> None:
        """Without the store everybody gets the rule: that time does not count."""
        self._since = None

    async def judged(self, state: ExperimentState) -> None:
        """An evaluation succeeded. Raises StoreUnavailable."""
        if self._failing is not None:
            await self._keep(state, None)
        self._since = None

    async def failed(self, state: ExperimentState, error: str) -> None:
        """One more failed. Raises StoreUnavailable."""
        before = self._failing
        failures = 1 if before is None else before.failures + 1
        paused = before is not None and before.paused
        await self._keep(state, Failing(run=state.run, failures=failures, error=error, paused=paused))

    def too_long(self) -> str | None:
        """Why the experiment is to be paused now, in a sentence; None while it may go on, and once it was paused."""
        failing = self._failing
        if self._since is None or (failing is not None and failing.paused):
            return None
        for_s = -self._since.left_s(self._now())
        if for_s <= self._most_s and (failing is None or failing.failures < MOST_FAILURES):
            return None
        why = "an evaluation hangs" if failing is None else failing.error
        return f"Nothing could be judged for {for_s:.0f} s: {why}."

    async def paused(self, state: ExperimentState) -> None:
        """It was paused for that: who resumes it before an evaluation succeeds knows. Raises StoreUnavailable."""
        before = self._failing
        failures, error = (0, "an evaluation hangs") if before is None else (before.failures, before.error)
        await self._keep(state, Failing(run=state.run, failures=failures, error=error, paused=True))

    async def _keep(self, state: ExperimentState, failing: Failing | None) -> None:
        await self._store.write(choose(failing_choice_of(state.plan.key), failing_text(failing)))
        self._failing = failing
