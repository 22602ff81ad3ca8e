"""Pages of decisions: newest first, each once, whatever is journalled meanwhile."""

from dataclasses import replace

import pytest
from sqlalchemy import insert as insert_into

from adapters.store.decisions import LOOKED_THROUGH, Record, by_id, find
from adapters.store.engine import Location, Store
from adapters.store.order_rows import order_values
from adapters.store.trading_tables import orders
from tests.fakes.journals import START_S, TERMS, entry, insert
from tests.fakes.one_order import one_order
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.orders import OrderState
from trading.vocabulary import Arm, Wanted

ALL = Wanted()


def number(record: Record) -> int:
    return int(record.id, 16)


async def put_order(store: Store, number: int, state: OrderState) -> None:
    """An order of the decision with this number, in this state."""
    made = one_order(decision_id=f"{number:032x}", state=state)
    made = replace(made, request=replace(made.request, client_order_id=f"rl-{number:032x}"))
    await store.write(lambda connection: connection.execute(insert_into(orders).values(order_values(made))))


async def found(store: Store, wanted: Wanted, *, limit: int = 200) -> list[int]:
    """The numbers on one page that is the last one."""
    page = await find(store, wanted, before=None, limit=limit)
    assert page.before is None
    return [number(record) for record in page.records]


async def pages(store: Store, wanted: Wanted, *, limit: int, looked_through: int = LOOKED_THROUGH) -> list[list[int]]:
    before, seen = None, []
    while True:
        page = await find(store, wanted, before=before, limit=limit, looked_through=looked_through)
        seen.append([number(record) for record in page.records])
        before = page.before
        if before is None:
            return seen


def test_the_newest_come_first_also_when_they_were_journalled_late(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, [entry(3), entry(9)])
            await insert(store, [entry(5)])
            assert await found(store, ALL) == [9, 5, 3]

    run(main())


def test_pages_hold_every_decision_once_while_others_arrive(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, [entry(number) for number in range(10)])
            first = await find(store, ALL, before=None, limit=4)
            await insert(store, [entry(number) for number in range(10, 15)])
            second = await find(store, ALL, before=first.before, limit=4)
            third = await find(store, ALL, before=second.before, limit=4)
            seen = [number(record) for page in (first, second, third) for record in page.records]
            assert seen == list(range(9, -1, -1))
            assert third.before is None

    run(main())


def test_decisions_of_the_same_moment_are_all_found(location: Location) -> None:
    same = [entry(number).decision for number in range(6)]

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [type(entry(0))(decision=one, decided_at_s=START_S) for one in same])
            assert await pages(store, ALL, limit=4) == [[5, 4, 3, 2], [1, 0]]

    run(main())


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(user_id="amy"), [4, 3, 1]),
        (Wanted(symbol="ETH"), [3, 2]),
        (Wanted(arm=Arm.FALLBACK), [4, 2]),
        (Wanted(user_id="amy", symbol="ETH"), [3]),
        (Wanted(user_id="amy", arm=Arm.FALLBACK), [4]),
        (Wanted(symbol="BTC", arm=Arm.RL), [1]),
        (Wanted(since_s=START_S + 2), [4, 3, 2]),
        (Wanted(until_s=START_S + 2), [1]),
        (Wanted(user_id="amy", since_s=START_S + 2, until_s=START_S + 4), [3]),
        (Wanted(user_id="nobody"), []),
    ],
)
def test_only_what_was_asked_for(wanted: Wanted, expected: list[int], location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(
                store,
                [
                    entry(1, user_id="amy"),
                    entry(2, user_id="bob", symbol="ETH", arm=Arm.FALLBACK),
                    entry(3, user_id="amy", symbol="ETH"),
                    entry(4, user_id="amy", arm=Arm.FALLBACK),
                ],
            )
            assert await found(store, wanted) == expected

    run(main())


def test_what_is_rare_takes_several_pages_and_never_a_long_look(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            rare = [entry(number, symbol="ETH" if number == 3 else "BTC") for number in range(35)]
            await insert(store, rare)
            assert await pages(store, Wanted(symbol="ETH"), limit=5, looked_through=10) == [[], [], [], [3]]

    run(main())


def test_a_page_from_a_decision_that_is_no_longer_kept_is_empty(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, [entry(1)])
            page = await find(store, ALL, before=99, limit=10)
            assert page.records == ()
            assert page.before is None

    run(main())


def test_a_page_holds_200_at_most(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, [entry(number) for number in range(230)])
            page = await find(store, ALL, before=None, limit=1000)
            assert len(page.records) == 200
            assert page.before == page.records[-1].seq

    run(main())


def test_one_decision_by_its_id(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, [entry(1, user_id="amy"), entry(2)])
            record = await by_id(store, entry(1).decision.request_id)
            assert record is not None
            assert (number(record), record.user_id, record.decided_at_s) == (1, "amy", START_S + 1)
            assert record.terms == TERMS
            assert await by_id(store, "f" * 32) is None

    run(main())


def test_each_decision_comes_with_the_state_of_its_own_order_alone(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, [entry(number) for number in range(4)])
            await put_order(store, 1, OrderState.BLOCKED)
            await put_order(store, 3, OrderState.OPEN)
            await put_order(store, 9, OrderState.FILLED)
            page = await find(store, ALL, before=None, limit=10)
            assert [record.order_state for record in page.records] == ["open", None, "blocked", None]
            record = await by_id(store, f"{1:032x}")
            assert record is not None
            assert record.order_state == "blocked"

    run(main())
