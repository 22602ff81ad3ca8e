"""The experiments of one worker: who gets which arm, what operators command, what it has shown and what judges it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from adapters.store.engine import Store
from adapters.store.snapshot import SnapshotReader
from settings import Settings
from trading.boot import Clock
from trading.desk import Advisers
from trading.exposure import ExposureRange
from trading.ports import Features, Market
from trading.shadow import OtherArm
from wiring.evaluated import Failing, KnownFindings
from wiring.experiments import Experiments
from wiring.feedback import Feedback
from wiring.judging import Judging
from wiring.loops import begin, repeat
from wiring.shadows import Shadows
from wiring.split_in_force import SplitInForce

# As often as the snapshot is read that brings what was commanded.
APPLY_S = 0.25


class Timings(Protocol):
    """How long decisions took; see adapters.metrics.Metrics."""

    def policy_seconds(self) -> Sequence[tuple[float, int]]:
        """Those of the policy's arm: each bucket's upper bound (seconds) and how many fell into it."""

    def model_seconds(self) -> Mapping[tuple[str, str, str], Sequence[tuple[float, int]]]:
        """The same by model, version and arm."""


class Trials:
    """Everything that experiments need. `open_shadows` comes before `loops`; `check_model` as in Experiments."""

    shadows: Shadows

    def __init__(
        self,
        settings: Settings,
        store: Store,
        known: SnapshotReader,
        market: Market,
        *,
        check_model: Callable[[str], Awaitable[None]],
        timings: Timings,
        now: Clock,
    ) -> None:
        self._store = store
        self.split = SplitInForce(known)
        self.findings = KnownFindings(known.choice)
        self.experiments = Experiments(
            settings,
            store,
            known,
            self.split,
            market_s=market.now_s,
            check_model=check_model,
            findings_of=self.findings.of,
        )
        self.feedback = Feedback(store)
        self.judging = Judging(
            settings,
            store,
            market,
            self.experiments,
            self.findings,
            policy_seconds=timings.policy_seconds,
            model_seconds=timings.model_seconds,
            now=now,
        )

    def open_shadows(self, features: Features, advisers: Advisers, exposures: ExposureRange) -> None:
        """Take the advisers who are asked what the other arm would have done."""
        other = OtherArm(features=features, advisers=advisers, exposures=exposures, model_of=self.split.model_of)
        self.shadows = Shadows(self._store, other)

    def failing(self) -> Failing | None:
        """Why the experiment in force cannot be judged; None where it can, and without one."""
        state = self.split.state
        return None if state is None else self.findings.failing(state)

    def loops(self) -> list[asyncio.Task[None]]:
        """Begin what runs for as long as the worker does."""
        return [
            begin(repeat(self.split.apply, lambda: APPLY_S), "experiments"),
            self.judging.loop(),
            begin(self.shadows.run(), "shadows"),
        ]
