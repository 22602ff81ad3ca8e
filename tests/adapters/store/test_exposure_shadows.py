"""A shadow is added to the exposure of its decision, and to no other's."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.exposure_shadows import Shadow, find_exposed, find_shadow, save_shadows
from adapters.store.journal_rows import Entry, InsertBatch, encode
from tests.fakes.journals import entry, insert, row, rows_of
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.vocabulary import Action, Arm


def shadow(made: Entry, **changes: object) -> Shadow:
    """What the rule would have done instead of a decision, changed where told."""
    decision = made.decision
    assert decision.market is not None
    fields: dict[str, object] = {
        "experiment": decision.assignment.experiment,
        "run": decision.assignment.run,
        "user_id": decision.signal.user_id,
        "symbol": decision.signal.symbol,
        "bar_close_s": int(decision.market.as_of_s),
        "decision_id": decision.request_id,
        "arm": Arm.FALLBACK,
        "target": 0.1 + 0.2,
        "action": Action.SELL,
    }
    return Shadow(**(fields | changes))  # type: ignore[arg-type]


async def save(store: Store, shadows: Sequence[Shadow]) -> None:
    await store.write(lambda connection: save_shadows(connection, shadows))


async def found(store: Store, made: Entry) -> Shadow | None:
    return await store.read(lambda connection: find_shadow(connection, made.decision))


def test_a_shadow_is_read_back_as_it_was_saved(location: Location) -> None:
    amy, bob = entry(1, user_id="amy"), entry(2, user_id="bob")

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [amy, bob])
            assert await found(store, amy) is None
            await save(store, [shadow(amy)])
            assert await found(store, amy) == shadow(amy)
            assert await found(store, bob) is None
            later = shadow(amy, arm=Arm.RL, target=1.0, action=Action.BUY)
            await save(store, [later])
            assert await found(store, amy) == later
            keeps = shadow(amy, target=None, action=Action.HOLD)
            await save(store, [keeps])
            assert await found(store, amy) == keeps

    run(main())


@pytest.mark.parametrize(
    "other",
    [
        {"decision_id": f"{2:032x}"},
        {"user_id": "bob"},
        {"symbol": "ETH"},
        {"run": 3},
        {"experiment": "other"},
        {"bar_close_s": 1},
    ],
)
def test_a_shadow_of_another_decision_user_symbol_run_or_bar_changes_nothing(
    location: Location, other: dict[str, object]
) -> None:
    made = entry(1)

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [made])
            await save(store, [shadow(made, **other)])
            assert await found(store, made) is None

    run(main())


def test_a_later_decision_on_the_same_bar_has_no_shadow_yet_and_the_earlier_one_none_any_more(
    location: Location,
) -> None:
    first, second = entry(1), entry(2)

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [first])
            await save(store, [shadow(first)])
            await insert(store, [second])
            assert await found(store, first) is None
            assert await rows_of(
                store, "SELECT decision_id, shadow_arm, shadow_target, shadow_action FROM exposures"
            ) == [(second.decision.request_id, None, None, None)]
            await save(store, [shadow(first)])
            assert await found(store, second) is None

    run(main())


def test_the_same_decision_brought_in_again_keeps_its_shadow(location: Location) -> None:
    made = entry(1)

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [made])
            await save(store, [shadow(made)])
            await insert(store, [made])
            assert await found(store, made) == shadow(made)

    run(main())


def test_decisions_are_exposed_once_they_are_there_and_as_long_as_they_are_the_last(location: Location) -> None:
    amy, again, bob, missing = (entry(n, user_id=u) for n, u in enumerate(("amy", "amy", "bob", "cyd"), start=1))
    shadows = [shadow(made) for made in (amy, again, bob, missing)]

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [amy, bob])

            async def exposed() -> set[int]:
                ids = await store.read(lambda connection: find_exposed(connection, shadows))
                return {int(decision_id, 16) for decision_id in ids}

            assert await exposed() == {1, 3}
            await insert(store, [again])
            assert await exposed() == {2, 3}
            shadows.clear()
            assert await exposed() == set()

    run(main())


def test_a_shadow_may_share_the_transaction_of_its_decision_in_either_order(location: Location) -> None:
    made = entry(1)

    async def work(connection: StoreConnection) -> None:
        await save_shadows(connection, [shadow(made)])
        await InsertBatch(batch=encode([made], row))(connection)

    async def main() -> None:
        async with running(location) as store:
            await store.write(work)
            assert await found(store, made) == shadow(made)

    run(main())


def test_a_transaction_that_failed_leaves_no_shadow_to_the_next(location: Location) -> None:
    made = entry(1)

    async def fails(connection: StoreConnection) -> None:
        await save_shadows(connection, [shadow(made)])
        raise RuntimeError("a fault")

    async def main() -> None:
        async with running(location) as store:
            with pytest.raises(RuntimeError):
                await store.write(fails)
            await insert(store, [made])
            assert await found(store, made) is None

    run(main())


def test_shadows_and_decisions_of_two_processes_on_the_same_bars_never_wait_for_each_other_in_a_circle(
    location: Location,
) -> None:
    chance = random.Random(7)
    made = [entry(number, user_id=f"user {number % 20:02}") for number in range(200)]

    async def one_of_many(store: Store) -> None:
        some = chance.sample(made, 40)
        batch = encode(some[20:], row)

        async def work(connection: StoreConnection) -> None:
            await save_shadows(connection, [shadow(one) for one in some])
            await InsertBatch(batch=batch)(connection)

        await store.write(work, within_s=30)

    async def main() -> None:
        async with running(location) as one, running(location) as other:
            await insert(one, made)
            # PostgreSQL ends a circle with an error after a second, and neither process has one.
            await asyncio.gather(*(one_of_many(store) for store in (one, other) * 20))
            assert one.failure is None
            assert other.failure is None
            await save(one, [shadow(last) for last in made[180:]])
            assert [await found(one, last) for last in made[180:]] == [shadow(last) for last in made[180:]]

    run(main())


def test_without_a_market_there_is_no_exposure_and_no_shadow(location: Location) -> None:
    made = entry(1)
    nowhere = Entry(decision=replace(made.decision, market=None), decided_at_s=made.decided_at_s)

    async def main() -> None:
        async with running(location) as store:
            assert await found(store, nowhere) is None

    run(main())
