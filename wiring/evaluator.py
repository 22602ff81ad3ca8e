"""The evaluator: judges the experiment in force again and again, one worker for all, and does what follows from it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ab.alarms import adds_policy_users, clock_set_back
from ab.rollout import evaluate
from ab.state import Command, ExperimentState
from adapters.store.choices import choice, choose
from adapters.store.engine import Store
from adapters.store.experiment_counts import Newest, newest
from adapters.store.leases import hold, release
from schemas.words import iso_time
from trading.boot import Clock
from trading.errors import AnalysisFailed, StoreRefused, StoreUnavailable, TooManyWait
from trading.ports import Market
from wiring.engine_commands import Due, InForce, give
from wiring.evaluated import Evaluated, Failing, choice_of, evaluated_from, kept_evaluation
from wiring.unjudged import Unjudged

LEASE = "experiment_evaluator"
# Beyond the pause between two ticks: so long after its end another worker takes the place of one that is gone.
LEASE_S = 15.0
# An evaluation that is neither done nor further after this long has failed.
EVALUATION_S = 60.0
# So often who waits for one renews the lease, and looks whether it is too long.
LOOK_S = LEASE_S / 3


class Judge(Protocol):
    """See wiring.analyst.Analyst."""

    async def run(self, *arguments: str) -> bytes:
        """What a command prints. Raises AnalysisFailed."""


class TellingJudge(Protocol):
    """One that tells how far it is: see wiring.analyst.Analyst."""

    async def run(self, *arguments: str, heard: Callable[[], None]) -> bytes:
        """What a command prints; `heard` is called whenever it gets on. Raises AnalysisFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    # As long as this stays the same an evaluation would find the same.
    version: int
    key: str
    bar: int
    looks: int
    newest: Newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the evaluator looks at. `latency_p99_ms` is that of the policy's decisions, None while there are none."""

    store: Store
    market: Market
    experiments: InForce
    analyst: TellingJudge
    latency_p99_ms: Callable[[], Awaitable[float | None]]


class Evaluator:
    """One in each worker; the one that holds the lease evaluates. `tick` is to be called every `tick_s` seconds.

    The pause between two ticks is what an evaluation leaves of a processor to others, next to its niceness.
    """

    def __init__(self, around: Around, *, owner: str, now: Clock, tick_s: float, look_s: float = LOOK_S) -> None:
        self._around = around
        self._owner = owner
        self._now = now
        self._lease_s = tick_s + LEASE_S
        self._look_s = look_s
        self._unjudged = Unjudged(around.store, now=now, tick_s=tick_s, timeout_s=EVALUATION_S)
        # The experiment and the run that the rest is about; None where another worker may know more.
        self._run: tuple[str, int] | None = None
        self._seen: _Seen | None = None
        self._last: Evaluated | None = None
        # Only what the last evaluation found lets anything grow.
        self._grows = False

    async def tick(self) -> None:
        """Evaluate if anything has changed, and act. Raises StoreUnavailable."""
        try:
            await self._tick()
        except StoreUnavailable:
            self._unjudged.store_away()
            raise

    async def stop(self) -> None:
        """Let another worker evaluate at once. Raises StoreUnavailable."""
        await self._around.store.write(release(LEASE, self._owner))

    async def _tick(self) -> None:
        if not await self._holds():
            self._run = None
            return
        state = await self._around.experiments.look()
        if state is None or not state.steps:
            return
        await self._recall(state)
        if self._set_back(state) is not None:
            await give(self._around.experiments, state, self._set_back)
            return
        seen = await self._look(state)
        if seen != self._seen:
            await self._evaluate(state, seen)
            state = await self._around.experiments.look() or state
        await give(self._around.experiments, state, self._found)

    async def _recall(self, state: ExperimentState) -> None:
        run = state.plan.key, state.run
        if run == self._run:
            return
        self._seen = self._last = None
        self._grows = False
        with suppress(StoreRefused):
            kept = kept_evaluation(await self._around.store.read(choice(choice_of(state.plan.key))))
            self._last = kept if kept is not None and kept.run == state.run else None
        await self._unjudged.recall(state)
        self._run = run

    async def _look(self, state: ExperimentState) -> _Seen:
        now_s, analysis = self._around.market.now_s(), state.plan.analysis
        return _Seen(
            version=state.version,
            key=state.plan.key,
            bar=int(now_s // self._around.market.timeframe_s),
            looks=int(min((now_s - state.steps[0].since_s) // (analysis.look_days * 86_400.0), analysis.looks)),
            newest=await self._around.store.read(newest()),
        )

    async def _evaluate(self, state: ExperimentState, seen: _Seen) -> None:
        self._unjudged.wanted()
        try:
            text = await self._judged(state)
            evaluated = evaluated_from(text)
        except (AnalysisFailed, TooManyWait, StoreRefused) as error:
            # It is tried again with the next tick. Until then nothing grows; what was known may still stop it.
            self._grows = False
            if await self._holds():
                await self._unjudged.failed(state, str(error))
                await self._stop_unjudged()
            return
        await self._around.store.write(choose(choice_of(state.plan.key), text))
        await self._unjudged.judged(state)
        # With outcomes missing or late a later look may find them, whatever else stays the same.
        self._seen = seen if evaluated.findings.complete else None
        self._last, self._grows = evaluated, True

    async def _judged(self, state: ExperimentState) -> str:
        latency_ms = await self._around.latency_p99_ms()
        measured = () if latency_ms is None else (f"--latency-p99-ms={latency_ms}",)
        running = asyncio.create_task(
            self._around.analyst.run("evaluate", *measured, "--", state.plan.key, heard=self._unjudged.heard)
        )
        try:
            while not (await asyncio.wait({running}, timeout=self._look_s))[0]:
                if not await self._holds():
                    raise AnalysisFailed("another worker evaluates")
                await self._stop_unjudged()
            return (await running).decode(errors="replace")
        finally:
            running.cancel()

    async def _stop_unjudged(self) -> None:
        why = self._unjudged.too_long()
        if why is None:
            return
        state = await self._around.experiments.look()
        if state is None or (state.plan.key, state.run) != self._run:
            return
        pause = Due(Command.PAUSE, why)
        given = await give(self._around.experiments, state, lambda now: pause if adds_policy_users(now) else None)
        if given is not None:
            await self._unjudged.paused(given)

    def _set_back(self, state: ExperimentState) -> Due | None:
        last_s = None if self._last is None else self._last.findings.at_s
        why = clock_set_back(state, last_s, self._around.market.now_s())
        # Its days end where its record does, or what was known of them would be left out.
        return None if why is None else Due(Command.ROLLBACK, why, last_s)

    def _found(self, state: ExperimentState) -> Due | None:
        last = self._last
        if last is None or (state.plan.key, last.run) != self._run or last.run != state.run:
            last = None
        verdict = evaluate(state, None if last is None else last.findings, self._around.market.now_s())
        if verdict.command is None:
            return None
        # What was found of another version may speak against this run, but says nothing of this version's stage.
        current = last is not None and last.version == state.version and self._grows
        if verdict.command is Command.ADVANCE and not current:
            return None
        return Due(verdict.command, " ".join(verdict.reasons))

    async def _holds(self) -> bool:
        epoch = await self._around.store.write(hold(LEASE, self._owner, self._now, for_s=self._lease_s))
        return epoch is not None


def show_evaluation(last: Evaluated | None, failing: Failing | None) -> Mapping[str, object]:
    """How old the findings are, and what they took of a processor; `error` is why there are no newer ones.

    `failures` counts the evaluations that failed one after the other since.
    """
    return {
        "as_of": None if last is None else iso_time(last.findings.at_s),
        "seconds": None if last is None else round(last.seconds, 3),
        "error": None if failing is None else failing.error,
        "failures": 0 if failing is None else failing.failures,
    }
