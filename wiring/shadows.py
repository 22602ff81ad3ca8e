"""The shadows of one worker: the other arm is asked about compared users after they have their answers.

Once for each user, symbol and bar, about the last decision; in what is left of the worker's time, a tenth at most.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeAlias

from adapters.store.engine import Store
from adapters.store.exposure_shadows import Shadow, find_exposed, save_shadows
from trading.errors import StoreUnavailable
from trading.shadow import OtherDecision, Unanswered
from trading.vocabulary import Arm, Decision

# Between two turns: longer than a decision takes to its place in the store.
PAUSE_S = 1.0
# Decisions that may wait, about two kilobytes each, and the most of one turn.
MOST_WAITING = 5000
MOST_AT_ONCE = 500
# Asked in one go: half a millisecond of a policy in this process. Then others have nine times as long as that took.
ASKED_AT_ONCE = 10
REST = 9.0
# What became of a shadow, beside the words of Unanswered. unplaced: its exposure never came, or is of a later decision.
KEPT, NO_ROOM, UNPLACED = "kept", "no_room", "unplaced"

# Experiment, run, user, symbol and the close of the bar.
_Place: TypeAlias = tuple[str, int, str, str, float]


class Other(Protocol):
    """Asks the other arm; see trading.shadow.OtherArm."""

    async def decide(self, decision: Decision) -> OtherDecision | Unanswered:
        """What it would have done, or why that is not known."""


class Shadows:
    """`totals` counts what became of them since the process began. `offer` and `run` are for one event loop."""

    def __init__(
        self,
        store: Store,
        other: Other,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._other = other
        self._sleep = sleep
        self._monotonic_s = monotonic_s
        self._waiting: dict[_Place, Decision] = {}
        self._again: Sequence[Shadow] = ()
        self._totals: Counter[str] = Counter(dict.fromkeys((KEPT, NO_ROOM, UNPLACED, *Unanswered), 0))

    @property
    def totals(self) -> Mapping[str, int]:
        """By KEPT, NO_ROOM, UNPLACED and Unanswered."""
        return self._totals

    def offer(self, decision: Decision) -> None:
        """A decision that was answered. Never waits: one without room is only counted."""
        given, market, signal = decision.assignment, decision.market, decision.signal
        if given.propensity is None or market is None or decision.served_arm is Arm.HOLD:
            return
        place = (given.experiment, given.run, signal.user_id, signal.symbol, market.as_of_s)
        if len(self._waiting) >= MOST_WAITING and place not in self._waiting:
            self._totals[NO_ROOM] += 1
            return
        self._waiting[place] = decision

    async def run(self) -> None:
        """Ask for ever. Waits out whatever the store does."""
        while True:
            await self._sleep(PAUSE_S)
            await self.turn()

    async def turn(self) -> None:
        """Ask about the decisions that have waited longest, and keep what was said with their exposures."""
        again, self._again = self._again, ()
        fresh = await self._ask([self._waiting.pop(place) for place in list(islice(self._waiting, MOST_AT_ONCE))])
        if not again and not fresh:
            return
        kept = await self._keep([*again, *fresh])
        self._totals[KEPT] += len(kept)
        self._totals[UNPLACED] += sum(shadow.decision_id not in kept for shadow in again)
        # The journal may be late; it is not waited for twice.
        self._again = [shadow for shadow in fresh if shadow.decision_id not in kept]

    async def _ask(self, decisions: Sequence[Decision]) -> Sequence[Shadow]:
        shadows: list[Shadow] = []
        for first in range(0, len(decisions), ASKED_AT_ONCE):
            started_s = self._monotonic_s()
            for decision in decisions[first : first + ASKED_AT_ONCE]:
                said = await self._other.decide(decision)
                if isinstance(said, Unanswered):
                    self._totals[said] += 1
                else:
                    shadows.append(_shadow(decision, said))
            await self._sleep(REST * (self._monotonic_s() - started_s))
        return shadows

    async def _keep(self, shadows: Sequence[Shadow]) -> frozenset[str]:
        try:
            exposed = await self._store.read(lambda connection: find_exposed(connection, shadows))
            there = [shadow for shadow in shadows if shadow.decision_id in exposed]
            await self._store.write(lambda connection: save_shadows(connection, there))
        except StoreUnavailable:
            return frozenset()
        return exposed


def _shadow(decision: Decision, said: OtherDecision) -> Shadow:
    given, market = decision.assignment, decision.market
    assert market is not None  # noqa: S101 - others are not taken
    return Shadow(
        experiment=given.experiment,
        run=given.run,
        user_id=decision.signal.user_id,
        symbol=decision.signal.symbol,
        bar_close_s=int(market.as_of_s),
        decision_id=decision.request_id,
        arm=said.arm,
        target=said.target_exposure,
        action=said.action,
    )
