"""An order of the policy is judged again only where its experiment has changed since the decision, on each database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.experiments import ExperimentChange, LoggedEvent, change_experiment
from adapters.store.orders import Claim, claim
from adapters.store.trading_tables import orders
from tests.fakes.jobs import HandClock
from tests.fakes.orders import decided, intended, put_agent, reasons, states
from tests.fakes.stores import running
from trading.orders import MadeUnder, Order
from trading.vocabulary import Arm, BlockReason, Decision

Asked = tuple[str, MadeUnder | None, Arm | None]


class Judge:
    """A TakesRisk that lets nobody, or everybody, and notes what it was asked."""

    def __init__(self, *, lets: bool = False) -> None:
        self.asked: list[Asked] = []
        self._lets = lets

    def __call__(self, document: str, order: Order, opened_by: Arm | None) -> bool:
        self.asked.append((document, order.made_under, opened_by))
        return self._lets


def within(location: Location, test: Callable[[Store, HandClock], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as store:
            await put_agent(store)
            await test(store, HandClock())

    asyncio.run(main())


async def note(store: Store, key: str, number: int, *, in_force: bool = True) -> None:
    """One event more, after which this experiment is in force, or is not."""
    logged = LoggedEvent(number=number, at_s=1.0, market_s=1.0, by="operator", command="start", detail="{}")
    change = ExperimentChange(event=logged, document=f"{key} {number}", in_force=in_force)
    await store.write(change_experiment(key, lambda _: change))


def under(number: int, experiment: str, version: int, **fields: object) -> Decision:
    made = decided(number, **fields)  # type: ignore[arg-type]
    return replace(made, assignment=replace(made.assignment, experiment=experiment, version=version, run=3))


def knowing(version: int) -> MadeUnder:
    """What the orders of `under` keep of an experiment that is called one."""
    return MadeUnder(experiment="one", run=3, version=version)


def test_while_nothing_has_changed_nobody_is_asked(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        judge = Judge()
        await note(store, "one", 1)
        await store.write(intended(under(1, "one", 1), clock, takes_risk=judge))
        claimed = await store.write(claim(Claim(owner="one", takes_risk=judge), clock))
        assert (len(claimed.to_send), judge.asked) == (1, [])

    within(location, test)


def test_any_event_since_the_decision_is_judged_by_what_is_in_force_now(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        judge = Judge()
        await note(store, "one", 1)
        await note(store, "one", 2)
        kept = await store.write(intended(under(1, "one", 1), clock, takes_risk=judge))
        assert (kept.refused_by, await states(store)) == ((BlockReason.EXPERIMENT_STOPPED,), [])
        await store.write(intended(under(2, "one", 2), clock, takes_risk=judge))
        await note(store, "one", 3)
        claimed = await store.write(claim(Claim(owner="one", takes_risk=judge), clock))
        assert (claimed.to_send, await reasons(store)) == ([], ["experiment_stopped"])
        assert judge.asked == [("one 2", knowing(1), None), ("one 3", knowing(2), None)]

    within(location, test)


def test_what_may_go_on_does(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        judge = Judge(lets=True)
        await note(store, "one", 1)
        await note(store, "one", 2)
        await store.write(intended(under(1, "one", 1), clock, takes_risk=judge))
        assert len((await store.write(claim(Claim(owner="one", takes_risk=judge), clock))).to_send) == 1
        assert judge.asked == [("one 2", knowing(1), None)] * 2

    within(location, test)


async def displaced(store: Store) -> None:
    await note(store, "two", 1)


async def relieved(store: Store) -> None:
    await note(store, "one", 2, in_force=False)


@pytest.mark.parametrize("late", ["order", "send"])
@pytest.mark.parametrize("change", [displaced, relieved])
def test_what_another_experiment_decided_is_stopped_whatever_the_one_in_force_says(
    location: Location, change: Callable[[Store], Awaitable[None]], late: str
) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        judge = Judge(lets=True)
        await note(store, "one", 1)
        if late == "order":
            await change(store)
        kept = await store.write(intended(under(1, "one", 1), clock, takes_risk=judge))
        if late == "send":
            await change(store)
        claimed = await store.write(claim(Claim(owner="one", takes_risk=judge), clock))
        assert (list(kept.refused_by), await reasons(store)) in (
            ([BlockReason.EXPERIMENT_STOPPED], []),
            ([], ["experiment_stopped"]),
        )
        assert (claimed.to_send, judge.asked) == ([], [])

    within(location, test)


def test_an_order_that_does_not_say_what_it_was_decided_under_is_stopped(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await note(store, "one", 1)
        await store.write(intended(under(1, "one", 1), clock))

        async def forget(connection: StoreConnection) -> None:
            await connection.execute(update(orders).values(experiment_run=None))

        await store.write(forget)
        claimed = await store.write(claim(Claim(owner="one", takes_risk=Judge(lets=True)), clock))
        assert (claimed.to_send, await reasons(store)) == ([], ["experiment_stopped"])

    within(location, test)


def test_who_judges_nothing_lets_nothing_go_on(location: Location) -> None:
    async def test(store: Store, clock: HandClock) -> None:
        await note(store, "one", 1)
        await note(store, "one", 2)
        kept = await store.write(intended(under(1, "one", 1), clock))
        assert kept.refused_by == (BlockReason.EXPERIMENT_STOPPED,)
        await store.write(intended(under(2, "one", 1, arm=Arm.FALLBACK), clock))
        assert await states(store) == ["new"]

    within(location, test)


def test_a_place_in_the_rate_limit_is_not_taken_for_an_order_that_is_stopped(location: Location) -> None:
    calls = []

    async def take_call(_: object) -> bool:
        calls.append(1)
        return True

    async def test(store: Store, clock: HandClock) -> None:
        await note(store, "one", 1)
        await store.write(intended(under(1, "other", 7), clock, take_call=take_call))
        assert calls == []

    within(location, test)
