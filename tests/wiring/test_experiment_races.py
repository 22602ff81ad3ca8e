"""Once an experiment is stopped no order of its policy that adds risk is made any more, and none leaves that was."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ab.assignment import Split
from ab.requests import CommandRequest
from ab.state import Command, ExperimentState
from adapters.store.engine import Location
from tests.fakes.brokers import FakeBroker
from tests.fakes.experiment_rows import commanding, everybody, in_force
from tests.fakes.experiments import after, plan, request, stage
from tests.fakes.jobs import HandClock
from tests.fakes.journals import rows_of
from tests.fakes.orders import AGENT, Worker, all_orders, decided, held, put_agent, reasons, states, worker
from tests.fakes.stores import STORES
from trading.boot import Moment
from trading.orders import OrderState
from trading.vocabulary import Arm, BlockReason, Decision

STARTED = everybody()
OFF = request(Command.CONFIGURE, enabled=False)
NOBODY = request(Command.CONFIGURE, enabled=True, share=0.0)
RULE = request(Command.OVERRIDE, user_id="user123", arm=Arm.FALLBACK)
STOPS = [request(Command.ROLLBACK), request(Command.KILL), request(Command.PAUSE), OFF, NOBODY, RULE]


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


@dataclass(slots=True)
class TickingClock(HandClock):
    """No two moments of it are the same."""

    def __call__(self) -> Moment:
        self.go(0.001)
        return self.moment


def within(
    location: Location, test: Callable[[Worker], Awaitable[None]], clock: Callable[[], HandClock] = HandClock
) -> None:
    async def main() -> None:
        async with worker(location, FakeBroker(), clock()) as made:
            await in_force(made.store, STARTED)
            await put_agent(made.store)
            await test(made)

    asyncio.run(main())


def by_policy(number: int, *, under: ExperimentState = STARTED, **fields: object) -> Decision:
    """A decision of the policy under the experiment as it was known then."""
    made = decided(number, **fields)  # type: ignore[arg-type]
    return replace(made, assignment=Split(under).assign(made.signal.user_id))


async def command(made: Worker, asked: CommandRequest, state: ExperimentState = STARTED) -> None:
    fields = {"enabled": asked.enabled, "share": asked.share, "user_id": asked.user_id, "arm": asked.arm}
    await made.store.write(commanding(state, asked.command, made.clock, **fields))


def named(asked: CommandRequest) -> str:
    return asked.command.value


@pytest.mark.parametrize("stop", STOPS, ids=named)
def test_what_was_decided_before_a_stop_makes_no_order_after_it(location: Location, stop: CommandRequest) -> None:
    async def test(made: Worker) -> None:
        late = by_policy(1)
        await command(made, stop)
        kept = await made.act(late)
        await made.send()
        assert (kept.refused_by, kept.client_order_id) == ((BlockReason.EXPERIMENT_STOPPED,), None)
        assert (await states(made.store), made.broker.began) == ([], [])

    within(location, test)


@pytest.mark.parametrize("stop", STOPS, ids=named)
def test_an_order_that_was_made_before_a_stop_does_not_leave_after_it(location: Location, stop: CommandRequest) -> None:
    async def test(made: Worker) -> None:
        await made.act(by_policy(1))
        await command(made, stop)
        await made.send()
        assert (await states(made.store), await reasons(made.store)) == (["blocked"], ["experiment_stopped"])
        assert made.broker.began == []

    within(location, test)


@pytest.mark.parametrize("late", ["order", "send"])
@pytest.mark.parametrize("stop", STOPS, ids=named)
def test_what_reduces_and_what_the_rule_decided_leaves_all_the_same(
    location: Location, stop: CommandRequest, late: str
) -> None:
    other = replace(AGENT, user_id="other")

    async def test(made: Worker) -> None:
        await put_agent(made.store, other)
        await made.act(by_policy(1))
        await made.send()
        if late == "order":
            await command(made, stop)
        await made.act(by_policy(2, target=0.0))
        await made.act(by_policy(3, by=other, arm=Arm.FALLBACK))
        if late == "send":
            await command(made, stop)
        await made.send()
        assert await states(made.store) == ["filled"] * 3
        assert await held(made.store) == 0

    within(location, test)


def begun_anew() -> ExperimentState:
    return after(Command.START, Command.KILL, Command.START, of=STARTED.plan)


@pytest.mark.parametrize("late", ["order", "send"])
@pytest.mark.parametrize("then", [everybody("other"), begun_anew()], ids=["displaced", "begun anew"])
def test_another_experiment_or_run_that_takes_the_place_stops_it_though_it_gives_the_policy_too(
    location: Location, then: ExperimentState, late: str
) -> None:
    async def test(made: Worker) -> None:
        decision = by_policy(1)
        if late == "order":
            await in_force(made.store, then)
            assert (await made.act(decision)).refused_by == (BlockReason.EXPERIMENT_STOPPED,)
            return
        await made.act(decision)
        await in_force(made.store, then)
        await made.send()
        assert await reasons(made.store) == ["experiment_stopped"]

    within(location, test)


@pytest.mark.parametrize(("cap", "state"), [(300.0, "filled"), (299.99, "blocked")])
def test_a_stage_that_begins_between_caps_what_was_made_before_it(location: Location, cap: float, state: str) -> None:
    # A full position is worth 300.
    ramp = plan(key="ramp", stages=(stage(0.5), stage(1.0, max_notional_usd=cap)))
    mine = request(Command.OVERRIDE, user_id="user123", arm=Arm.RL)
    first = after(Command.START, mine, of=ramp)

    async def test(made: Worker) -> None:
        await in_force(made.store, first)
        await made.act(by_policy(1, under=first))
        await command(made, request(Command.ADVANCE), first)
        await made.send()
        assert await states(made.store) == [state]

    within(location, test)


@pytest.mark.parametrize("between", [False, True], ids=["nothing between", "an unrelated event between"])
def test_during_a_pause_the_policy_never_adds_to_what_it_holds_and_may_close_it(
    location: Location, between: bool
) -> None:
    paused = after(Command.START, Command.PAUSE, of=STARTED.plan)

    async def test(made: Worker) -> None:
        await made.act(by_policy(1, target=0.4))
        await made.send()
        await command(made, request(Command.PAUSE))
        if between:
            await command(made, request(Command.OVERRIDE, user_id="other", arm=Arm.FALLBACK), paused)
        more = await made.act(by_policy(2, under=paused))
        assert (more.refused_by, more.client_order_id) == ((BlockReason.EXPERIMENT_STOPPED,), None)
        await made.act(by_policy(3, under=paused, target=0.0))
        await made.send()
        assert (await states(made.store), await held(made.store)) == (["filled"] * 2, 0)

    within(location, test)


def test_what_changes_nothing_for_the_user_stops_nothing(location: Location) -> None:
    others = request(Command.OVERRIDE, user_id="other", arm=Arm.FALLBACK)

    async def test(made: Worker) -> None:
        decision = by_policy(1)
        await command(made, others)
        await made.act(decision)
        await made.send()
        assert await states(made.store) == ["filled"]

    within(location, test)


def test_a_worker_that_knew_nothing_of_the_experiment_is_judged_by_what_the_store_has(location: Location) -> None:
    unknown = replace(Split(STARTED).assign("user123"), version=0)

    async def test(made: Worker) -> None:
        await made.act(replace(decided(1), assignment=unknown))
        await made.send()
        assert await states(made.store) == ["filled"]
        await command(made, request(Command.KILL))
        other = replace(AGENT, user_id="other")
        await put_agent(made.store, other)
        kept = await made.act(replace(decided(2, by=other), assignment=unknown))
        assert kept.refused_by == (BlockReason.EXPERIMENT_STOPPED,)

    within(location, test)


@pytest.mark.parametrize("place", [0, 7, 15])
def test_no_order_of_the_policy_that_adds_risk_is_made_or_leaves_after_the_kill(location: Location, place: int) -> None:
    users = [replace(AGENT, user_id=f"user{number}") for number in range(15)]

    async def test(made: Worker) -> None:
        for each in users:
            await put_agent(made.store, each)
        acting: list[Awaitable[object]] = [made.act(by_policy(number, by=by)) for number, by in enumerate(users, 1)]
        kill = command(made, request(Command.KILL))
        await asyncio.gather(*acting[:place], made.send(), kill, *acting[place:])
        for _ in users:
            await made.send()
        await check_no_risk_after(made, kill_s=await killed_at_s(made))

    within(location, test, TickingClock)


async def killed_at_s(made: Worker) -> float:
    ((at_s,),) = await rows_of(made.store, "SELECT at FROM experiment_events WHERE command = 'kill'")
    return float(str(at_s))


async def check_no_risk_after(made: Worker, *, kill_s: float) -> None:
    orders = await all_orders(made.store)
    for order in orders:
        assert order.created_at_s < kill_s
        assert order.sent_at_s is None or order.sent_at_s < kill_s
        assert (order.sent_at_s is None) is (order.state is OrderState.BLOCKED)
    assert len(made.broker.began) == sum(order.sent_at_s is not None for order in orders)
