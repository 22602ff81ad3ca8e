"""The evaluator acts on what is recorded: one worker at a time, at once where money is lost, never on the unknown."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import repeat
from pathlib import Path

import pytest

from ab.plan import Guard, OutcomeSource, Response
from ab.state import Command, ExperimentState, Phase
from ab.waiting import Awaited
from adapters.store.engine import Location, Store
from adapters.store.outcomes import save_outcomes
from adapters.store.snapshot import SnapshotReader
from schemas.experiments import (
    AcceptMissingRequest,
    AnalysisRequest,
    CreateRequest,
    GuardrailRequest,
    OverrideRequest,
    StageRequest,
    VersionedRequest,
)
from tests.fakes.advisers import agent
from tests.fakes.exposures import START_S, Exposing, entries, hourly
from tests.fakes.fills import fill, place
from tests.fakes.jobs import HandClock
from tests.fakes.journals import insert
from tests.fakes.market import HOUR_S, FakeMarket
from tests.fakes.settings import settings
from tests.fakes.stores import running, sqlite
from tests.fakes.waiting import eventually, run
from trading.errors import AnalysisFailed
from trading.orders import Side
from trading.vocabulary import Arm, Bar
from wiring.analyses import terms_of
from wiring.analysis import find
from wiring.engine_commands import InForce
from wiring.evaluated import Evaluated, Failing, KnownFindings, evaluated_text
from wiring.evaluator import EVALUATION_S, LEASE_S, Around, Evaluator
from wiring.evidence import Question, gather
from wiring.experiments import Experiments
from wiring.split_in_force import SplitInForce
from wiring.stores import OpenStore
from wiring.unjudged import MOST_TICKS

TICK_S = 10.0
KEY = "ramp"
STAGES = [StageRequest(share=0.1, approval=True), StageRequest(share=0.5)]
LOSS = GuardrailRequest(guard=Guard.DAILY_LOSS, limit=500.0, response=Response.ROLL_BACK)
RAMP = CreateRequest(key=KEY, stages=STAGES, guardrails=[LOSS], analysis=AnalysisRequest())


async def known_model(_: str) -> None:
    """Every model is here."""


@dataclass
class Inline:
    """Keeps wiring.evaluator.TellingJudge: the analysis as the command does it, in a thread of this process."""

    folder: Path
    location: Location
    market: FakeMarket
    state: Callable[[], ExperimentState]
    runs: list[tuple[str, ...]] = field(default_factory=list)
    error: Exception | None = None
    gate: asyncio.Event | None = None
    clock: HandClock | None = None
    takes_s: float = 0.0
    heard: Callable[[], None] | None = None

    async def run(self, *arguments: str, heard: Callable[[], None]) -> bytes:
        self.runs.append(arguments)
        self.heard = heard
        state = self.state()
        if self.gate is not None:
            await self.gate.wait()
        if self.clock is not None:
            self.clock.go(self.takes_s)
        if self.error is not None:
            raise self.error
        return await asyncio.to_thread(self._evaluate, state)

    def _evaluate(self, state: ExperimentState) -> bytes:
        at_s = self.market.now_s()
        question = Question(state=state, at_s=at_s)
        terms = terms_of(settings(self.folder))
        with OpenStore(self.location) as store:
            found = gather(store, self.market, terms, question, wall_s=at_s)
            store.write(save_outcomes(found.fresh))
        return evaluated_text(
            Evaluated(version=state.version, run=state.run, seconds=0.5, findings=find(found))
        ).encode()


@dataclass
class Worker:
    """One worker's part of it."""

    store: Store
    experiments: Experiments
    known: SnapshotReader
    split: SplitInForce
    findings: KnownFindings
    judge: Inline
    evaluator: Evaluator

    def state(self) -> ExperimentState:
        assert self.split.state is not None
        return self.split.state

    def failing(self) -> Failing | None:
        return self.findings.failing(self.state())

    async def command(self, command: str) -> None:
        await self.experiments.command(KEY, command, VersionedRequest(version=self.state().version))

    async def accept(self, through: date) -> None:
        said = AcceptMissingRequest(version=self.state().version, through=through, reason="the feed was down")
        await self.experiments.accept_missing(KEY, said)

    async def waiting_for(self) -> list[object]:
        await self.known.refresh()
        found = (await self.experiments.experiment(KEY))["waiting_for"]
        assert isinstance(found, list)
        return [wait["what"] for wait in found]


@dataclass
class House:
    """The market, the clock and the workers of one deployment."""

    folder: Path
    location: Location
    market: FakeMarket
    clock: HandClock
    stack: AsyncExitStack

    async def worker(self, owner: str = "one") -> Worker:
        store = await self.stack.enter_async_context(running(self.location))
        known = SnapshotReader(store)
        split = SplitInForce(known, monotonic_s=lambda: 0.0)
        findings = KnownFindings(known.choice)
        experiments = Experiments(
            settings(self.folder),
            store,
            known,
            split,
            market_s=self.market.now_s,
            check_model=known_model,
            findings_of=findings.of,
        )

        async def unknown() -> None:
            return None

        def state() -> ExperimentState:
            assert split.state is not None
            return split.state

        judge = Inline(folder=self.folder, location=self.location, market=self.market, state=state, clock=self.clock)
        around = Around(store=store, market=self.market, experiments=experiments, analyst=judge, latency_p99_ms=unknown)
        evaluator = Evaluator(around, owner=owner, now=self.clock, tick_s=TICK_S, look_s=0.01)
        return Worker(store, experiments, known, split, findings, judge, evaluator)

    def go(self, hours: float) -> None:
        """Let market time pass, and the pause between two ticks."""
        self.market.advance(hours * HOUR_S)
        self.clock.go(100.0)


@asynccontextmanager
async def house(folder: Path, closes: Sequence[float]) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        market = FakeMarket({"BTC": hourly(closes)}, now_s=float(START_S))
        yield House(folder, sqlite(folder), market, HandClock(), stack)


async def begun(house: House, said: CreateRequest = RAMP) -> Worker:
    """A worker, and the experiment started at the start."""
    worker = await house.worker()
    await worker.experiments.create(said)
    await worker.experiments.look()
    await worker.experiments.command(KEY, "start", VersionedRequest(version=1))
    return worker


def bought(user_id: str, arm: Arm) -> Exposing:
    return Exposing(user_id=user_id, arm=arm, hours=1, target=1.0, price=100.0)


async def expose(worker: Worker, *exposing: Exposing) -> None:
    made = entries(exposing)
    ours = [
        one._replace(
            decision=replace(one.decision, assignment=replace(one.decision.assignment, experiment=KEY)),
        )
        for one in made
    ]
    await insert(worker.store, ours)


CRASH = [100.0] * 30 + [90.0] * 100


def played(main: Callable[[House], Coroutine[None, None, None]], folder: Path, closes: Sequence[float]) -> None:
    async def play() -> None:
        async with house(folder, closes) as made:
            await main(made)

    run(play())


def test_an_injected_loss_rolls_back_with_the_next_tick_while_it_waits_for_approval(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(26.0)
        await worker.evaluator.tick()
        assert worker.state().phase is Phase.RUNNING
        assert Awaited.APPROVAL in await worker.waiting_for()
        house.go(6.0)
        await worker.evaluator.tick()
        state = worker.state()
        assert state.phase is Phase.ROLLED_BACK
        assert state.reason is not None
        assert "loss on its worst day is 1,000" in state.reason
        events = await worker.experiments.events(KEY, after=0, limit=10)
        assert [(event["command"], event["by"]) for event in events["events"]][-1] == ("rollback", "engine")  # type: ignore[index,attr-defined]

    played(main, tmp_path, CRASH)


def test_a_paused_experiment_is_rolled_back_too(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        await worker.command("pause")
        house.go(32.0)
        await worker.evaluator.tick()
        assert worker.state().phase is Phase.ROLLED_BACK

    played(main, tmp_path, CRASH)


def test_an_approved_stage_that_is_done_advances(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(26.0)
        await worker.command("approve")
        await worker.evaluator.tick()
        assert (worker.state().stage, worker.state().share) == (1, 0.5)

    played(main, tmp_path, [100.0] * 100)


def test_missing_outcomes_hold_an_approved_stage(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        hole = [bar for bar in hourly([100.0] * 100) if not 20 <= (bar.open_time_s - START_S) / HOUR_S < 30]
        house.market.put("BTC", hole)
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(34.0)
        await worker.command("approve")
        await worker.evaluator.tick()
        assert worker.state().stage == 0
        assert Awaited.OUTCOMES in await worker.waiting_for()
        # They may yet come, whatever else stays the same.
        house.go(0.0)
        await worker.evaluator.tick()
        assert len(worker.judge.runs) == 2

    played(main, tmp_path, [100.0] * 100)


FIRST_DAY, SECOND_DAY = date(2020, 9, 13), date(2020, 9, 14)


def with_a_hole(closes: Sequence[float]) -> list[Bar]:
    """Without the close of the first day: what it earned, and the second one, nobody will ever know."""
    return [bar for bar in hourly(closes) if not 20 <= (bar.open_time_s - START_S) / HOUR_S < 30]


def test_missing_outcomes_that_an_operator_accepts_hold_no_longer(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        house.market.put("BTC", with_a_hole([100.0] * 100))
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(74.0)
        await worker.command("approve")
        await worker.evaluator.tick()
        assert worker.state().stage == 0
        assert await worker.waiting_for() == [Awaited.OUTCOMES]
        await worker.accept(SECOND_DAY)
        await worker.evaluator.tick()
        assert worker.state().stage == 1
        found = worker.findings.of(worker.state())
        assert found is not None
        # They are accepted, and known as little as before.
        assert [found.money[arm].missing for arm in (Arm.RL, Arm.FALLBACK)] == [2, 2]

    played(main, tmp_path, [100.0] * 100)


def test_days_that_go_missing_after_those_that_were_accepted_hold_again(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        house.market.put("BTC", with_a_hole([100.0] * 100))
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(74.0)
        await worker.command("approve")
        await worker.accept(FIRST_DAY)
        await worker.evaluator.tick()
        assert worker.state().stage == 0
        assert await worker.waiting_for() == [Awaited.OUTCOMES]

    played(main, tmp_path, [100.0] * 100)


def test_late_outcomes_hold_also_on_days_that_are_accepted_as_missing(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        reported = AnalysisRequest(source=OutcomeSource.REPORTED)
        worker = await begun(house, RAMP.model_copy(update={"analysis": reported}))
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(40.0)
        await worker.command("approve")
        await worker.accept(FIRST_DAY)
        await worker.evaluator.tick()
        assert worker.state().stage == 0
        assert await worker.waiting_for() == [Awaited.OUTCOMES]
        # Nobody waits for the reports any more: what was late is missing.
        house.go(9.0)
        await worker.evaluator.tick()
        assert worker.state().stage == 1

    played(main, tmp_path, [100.0] * 100)


def test_nothing_grows_while_the_analysis_fails(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(26.0)
        await worker.command("approve")
        worker.judge.error = AnalysisFailed("nan is no price")
        await worker.evaluator.tick()
        assert worker.state().stage == 0
        await worker.known.refresh()
        assert worker.failing() == Failing(run=1, failures=1, error="nan is no price", paused=False)
        worker.judge.error = None
        house.clock.go(TICK_S)
        await worker.evaluator.tick()
        assert worker.state().stage == 1
        await worker.known.refresh()
        assert worker.failing() is None

    played(main, tmp_path, [100.0] * 100)


def test_a_guardrail_that_cannot_be_told_holds(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        late = GuardrailRequest(guard=Guard.LATENCY, limit=100.0, response=Response.HOLD)
        worker = await begun(house, RAMP.model_copy(update={"guardrails": [late]}))
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(26.0)
        await worker.command("approve")
        await worker.evaluator.tick()
        assert worker.state().stage == 0
        assert Awaited.GUARDRAILS in await worker.waiting_for()

    played(main, tmp_path, [100.0] * 100)


def test_what_an_earlier_run_lost_says_nothing_of_this_one(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(32.0)
        await worker.evaluator.tick()
        assert worker.state().phase is Phase.ROLLED_BACK
        await worker.command("start")
        assert worker.findings.last(KEY) is not None
        assert worker.findings.of(worker.state()) is None
        house.go(2.0)
        await worker.evaluator.tick()
        assert worker.state().phase is Phase.RUNNING

    played(main, tmp_path, CRASH)


def test_of_two_workers_one_evaluates_until_it_is_gone(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        first = await begun(house)
        second = await house.worker("two")
        await expose(first, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.market.advance(26 * HOUR_S)
        for worker in (first, second):
            await worker.evaluator.tick()
        assert [len(first.judge.runs), len(second.judge.runs)] == [1, 0]
        await second.known.refresh()
        assert second.findings.last(KEY) == first.findings.last(KEY)
        house.clock.go(TICK_S + LEASE_S + 1.0)
        await second.evaluator.tick()
        await first.evaluator.tick()
        assert [len(first.judge.runs), len(second.judge.runs)] == [1, 1]

    played(main, tmp_path, [100.0] * 100)


def test_a_worker_that_ends_leaves_its_place_at_once(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        first = await begun(house)
        second = await house.worker("two")
        house.market.advance(2 * HOUR_S)
        await first.evaluator.tick()
        await first.evaluator.stop()
        await second.evaluator.tick()
        assert len(second.judge.runs) == 1

    played(main, tmp_path, [100.0] * 100)


def test_it_looks_again_only_when_something_has_come(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(2.0)
        for _ in range(3):
            await worker.evaluator.tick()
            house.go(0.0)
        assert len(worker.judge.runs) == 1
        await expose(worker, replace(bought("cyd", Arm.RL), hours=2))
        await worker.evaluator.tick()
        house.go(1.0)
        await worker.evaluator.tick()
        await worker.command("pause")
        house.go(0.0)
        await worker.evaluator.tick()
        assert len(worker.judge.runs) == 4

    played(main, tmp_path, [100.0] * 100)


def test_it_looks_again_while_an_order_may_still_be_filled_though_nothing_else_has_come(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        ledger = AnalysisRequest(source=OutcomeSource.LEDGER)
        worker = await begun(house, RAMP.model_copy(update={"analysis": ledger}))
        await expose(worker, replace(bought("anna", Arm.RL), agent=agent(user_id="anna")))
        order = await place(worker.store, "a", Side.BUY, "1", hours=1)
        house.go(25.0)
        await worker.evaluator.tick()
        assert Awaited.OUTCOMES in await worker.waiting_for()
        await fill(worker.store, order, price="100")
        for _ in range(3):
            house.go(0.0)
            await worker.evaluator.tick()
        assert len(worker.judge.runs) == 2
        assert Awaited.OUTCOMES not in await worker.waiting_for()

    played(main, tmp_path, [100.0] * 100)


def test_a_command_given_while_it_looks_goes_first(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(26.0)
        await worker.command("approve")
        worker.judge.gate = asyncio.Event()
        ticking = asyncio.create_task(worker.evaluator.tick())
        await eventually(lambda: worker.judge.runs)
        operator = await house.worker("operator")
        await operator.experiments.look()
        await operator.command("pause")
        worker.judge.gate.set()
        await ticking
        await worker.experiments.look()
        assert (worker.state().phase, worker.state().stage) == (Phase.PAUSED, 0)

    played(main, tmp_path, [100.0] * 100)


def test_however_long_one_evaluation_took_the_next_tick_has_another(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        worker.judge.takes_s = 50.0
        house.market.advance(26 * HOUR_S)
        await worker.evaluator.tick()
        house.market.advance(6 * HOUR_S)
        house.clock.go(TICK_S)
        await worker.evaluator.tick()
        assert worker.state().phase is Phase.ROLLED_BACK

    played(main, tmp_path, CRASH)


def test_a_command_given_while_it_looks_does_not_hide_a_loss(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(32.0)
        worker.judge.gate = asyncio.Event()
        ticking = asyncio.create_task(worker.evaluator.tick())
        await eventually(lambda: worker.judge.runs)
        operator = await house.worker("operator")
        await operator.experiments.look()
        said = OverrideRequest(version=operator.state().version, user_id="zoe", arm="rl")
        await operator.experiments.override(KEY, said)
        worker.judge.gate.set()
        await ticking
        await worker.experiments.look()
        assert worker.state().phase is Phase.ROLLED_BACK

    played(main, tmp_path, CRASH)


@dataclass
class Commanded:
    """Keeps wiring.engine_commands.InForce: just before the engine acts, others command, as often as there is one."""

    of: Experiments
    others: Iterator[Sequence[str]]
    acted: int = 0

    async def look(self) -> ExperimentState | None:
        return await self.of.look()

    async def act(self, state: ExperimentState, command: Command, *, reason: str, least_market_s: float | None) -> None:
        self.acted += 1
        for other in next(self.others, ()):
            now = await self.of.look()
            assert now is not None
            if other == "override":
                said = OverrideRequest(version=now.version, user_id=f"user{now.version}", arm="rl")
                await self.of.override(KEY, said)
            else:
                await self.of.command(KEY, other, VersionedRequest(version=now.version))
        await self.of.act(state, command, reason=reason, least_market_s=least_market_s)


def evaluator_of(house: House, worker: Worker, experiments: InForce) -> Evaluator:
    """The evaluator of a worker that goes by these experiments."""

    async def unknown() -> None:
        return None

    around = Around(
        store=worker.store,
        market=house.market,
        experiments=experiments,
        analyst=worker.judge,
        latency_p99_ms=unknown,
    )
    return Evaluator(around, owner="one", now=house.clock, tick_s=TICK_S, look_s=0.01)


@pytest.mark.parametrize(
    ("others", "acted"),
    [
        (repeat(("override",)), 1),
        ([("pause",)], 2),
        ([("override", "pause", "resume")], 1),
        ([("pause",), ("resume",)], 3),
    ],
)
def test_no_command_given_between_an_evaluation_and_its_stop_delays_it(
    tmp_path: Path, others: Iterable[Sequence[str]], acted: int
) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        experiments = Commanded(worker.experiments, iter(others))
        house.go(32.0)
        await evaluator_of(house, worker, experiments).tick()
        await worker.experiments.look()
        assert worker.state().phase is Phase.ROLLED_BACK
        assert (len(worker.judge.runs), experiments.acted) == (1, acted)

    played(main, tmp_path, CRASH)


def test_a_stage_does_not_begin_on_what_others_made_of_it_meanwhile(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(26.0)
        await worker.command("approve")
        experiments = Commanded(worker.experiments, iter([("override",)]))
        await evaluator_of(house, worker, experiments).tick()
        await worker.experiments.look()
        assert (worker.state().stage, experiments.acted) == (0, 1)

    played(main, tmp_path, [100.0] * 100)


def test_a_run_that_was_begun_meanwhile_is_not_stopped_for_the_last_one(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(32.0)
        experiments = Commanded(worker.experiments, iter([("rollback", "start")]))
        await evaluator_of(house, worker, experiments).tick()
        await worker.experiments.look()
        assert (worker.state().phase, worker.state().run, experiments.acted) == (Phase.RUNNING, 2, 1)

    played(main, tmp_path, CRASH)


def test_a_stream_of_commands_delays_no_pause_for_want_of_an_evaluation(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        evaluator = evaluator_of(house, worker, Commanded(worker.experiments, repeat(("override",))))
        worker.judge.error = AnalysisFailed("nan is no price")
        for _ in range(3):
            await evaluator.tick()
            house.clock.go(TICK_S)
        await worker.experiments.look()
        assert worker.state().phase is Phase.PAUSED
        await worker.known.refresh()
        failing = worker.failing()
        assert failing is not None
        assert failing.paused

    played(main, tmp_path, [100.0] * 100)


async def failing_ticks(house: House, worker: Worker, ticks: int) -> None:
    worker.judge.error = AnalysisFailed("nan is no price")
    for _ in range(ticks):
        await worker.evaluator.tick()
        house.clock.go(TICK_S)


def test_three_failed_evaluations_in_a_row_pause_it_once_and_every_worker_says_why(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker, other = await begun(house), await house.worker("two")
        await failing_ticks(house, worker, 2)
        assert worker.state().phase is Phase.RUNNING
        await failing_ticks(house, worker, 1)
        assert worker.state().phase is Phase.PAUSED
        assert worker.state().reason == "Nothing could be judged for 20 s: nan is no price."
        await other.experiments.look()
        assert other.failing() == Failing(run=1, failures=3, error="nan is no price", paused=True)
        # An operator who resumes it has been told.
        await worker.command("resume")
        await failing_ticks(house, worker, 5)
        assert worker.state().phase is Phase.RUNNING
        # After one that succeeds it is counted anew.
        worker.judge.error = None
        await worker.evaluator.tick()
        house.market.advance(2 * HOUR_S)
        await other.known.refresh()
        assert other.failing() is None
        await failing_ticks(house, worker, 3)
        assert worker.state().phase is Phase.PAUSED

    played(main, tmp_path, [100.0] * 100)


def test_what_failed_at_one_worker_counts_at_the_next(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        first, second = await begun(house), await house.worker("two")
        await failing_ticks(house, first, 2)
        await first.evaluator.stop()
        await failing_ticks(house, second, 1)
        assert second.state().phase is Phase.PAUSED

    played(main, tmp_path, [100.0] * 100)


def test_an_evaluation_that_hangs_pauses_it_while_it_is_waited_for(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        worker.judge.gate = asyncio.Event()
        ticking = asyncio.create_task(worker.evaluator.tick())
        await eventually(lambda: worker.judge.runs)
        house.clock.go(MOST_TICKS * TICK_S + EVALUATION_S)
        await asyncio.sleep(0.2)
        assert worker.state().phase is Phase.RUNNING
        house.clock.go(1.0)
        await eventually(lambda: worker.state().phase is Phase.PAUSED)
        assert worker.state().reason == "Nothing could be judged for 91 s: an evaluation hangs."
        ticking.cancel()

    played(main, tmp_path, [100.0] * 100)


def test_an_evaluation_that_gets_on_may_take_as_long_as_it_needs(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        worker.judge.gate = asyncio.Event()
        ticking = asyncio.create_task(worker.evaluator.tick())
        await eventually(lambda: worker.judge.heard)
        assert worker.judge.heard is not None
        for _ in range(3):
            house.clock.go(MOST_TICKS * TICK_S + EVALUATION_S)
            worker.judge.heard()
            await asyncio.sleep(0.1)
        worker.judge.gate.set()
        await ticking
        assert worker.state().phase is Phase.RUNNING
        assert worker.failing() is None

    played(main, tmp_path, [100.0] * 100)


def test_a_promotion_that_cannot_be_judged_is_paused_and_resumed_as_one(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await worker.command("promote")
        await failing_ticks(house, worker, 4)
        assert worker.state().phase is Phase.PAUSED
        await worker.command("resume")
        assert worker.state().phase is Phase.PROMOTED

    played(main, tmp_path, [100.0] * 100)


def test_one_that_nobody_new_meets_is_not_paused(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        await worker.command("rollback")
        await failing_ticks(house, worker, 4)
        assert worker.state().phase is Phase.ROLLED_BACK
        await worker.known.refresh()
        assert worker.failing() is not None

    played(main, tmp_path, [100.0] * 100)


def test_a_market_that_began_anew_ends_the_run(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        first = await begun(house)
        await expose(first, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(26.0)
        await first.evaluator.tick()
        await first.evaluator.stop()
        house.market.advance(-25.0 * HOUR_S)
        second = await house.worker("two")
        await second.evaluator.tick()
        await second.experiments.look()
        assert second.state().phase is Phase.ROLLED_BACK
        assert "25.0 h behind" in str(second.state().reason)
        # Its days end where its record does: none of them is left out of its results.
        last = second.findings.last(KEY)
        assert last is not None
        assert second.state().steps[-1].since_s == last.findings.at_s > house.market.now_s()

    played(main, tmp_path, [100.0] * 100)


def test_what_is_started_after_the_market_began_anew_goes_on(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        # The exposures of the run before lie ahead of the market's clock; they are of another run.
        house.go(26.0)
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        await worker.command("pause")
        await worker.command("resume")
        await worker.evaluator.tick()
        house.market.advance(-25.0 * HOUR_S)
        await worker.evaluator.tick()
        assert worker.state().phase is Phase.ROLLED_BACK
        await worker.command("start")
        for hours in (0.0, 1.0):
            house.go(hours)
            await worker.evaluator.tick()
            assert (worker.state().phase, worker.state().run) == (Phase.RUNNING, 2)
        last = worker.findings.last(KEY)
        assert last is not None
        assert (last.run, last.findings.money) == (2, {})

    played(main, tmp_path, [100.0] * 100)


def test_what_was_found_of_one_stage_lets_no_later_one_begin(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        stages = [StageRequest(share=0.1), StageRequest(share=0.2, min_units=1), StageRequest(share=0.5)]
        worker = await begun(house, RAMP.model_copy(update={"stages": stages}))
        await expose(worker, bought("amy", Arm.RL), bought("bob", Arm.FALLBACK))
        house.go(26.0)
        worker.judge.gate = asyncio.Event()
        ticking = asyncio.create_task(worker.evaluator.tick())
        await eventually(lambda: worker.judge.runs)
        operator = await house.worker("operator")
        await operator.experiments.look()
        await operator.command("advance")
        house.market.advance(1.0)
        worker.judge.gate.set()
        await ticking
        await worker.experiments.look()
        assert worker.state().stage == 1

    played(main, tmp_path, [100.0] * 100)


@dataclass
class LooksAtOnce:
    """Keeps wiring.engine_commands.InForce: one of an earlier version, when the looks of a plan could be that close."""

    of: Experiments

    async def look(self) -> ExperimentState | None:
        state = await self.of.look()
        assert state is not None
        analysis = replace(state.plan.analysis, look_days=1e-310)
        return replace(state, plan=replace(state.plan, analysis=analysis))

    async def act(self, state: ExperimentState, command: Command, *, reason: str, least_market_s: float | None) -> None:
        await self.of.act(state, command, reason=reason, least_market_s=least_market_s)


def test_looks_that_are_too_close_to_be_counted_are_all_due(tmp_path: Path) -> None:
    async def main(house: House) -> None:
        worker = await begun(house)
        house.go(1.0)
        await evaluator_of(house, worker, LooksAtOnce(worker.experiments)).tick()
        assert len(worker.judge.runs) == 1

    played(main, tmp_path, [100.0] * 100)
