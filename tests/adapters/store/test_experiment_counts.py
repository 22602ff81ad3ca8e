"""What is counted for an evaluation: whether anything has come, and the orders of an arm that were rejected."""

from dataclasses import replace

from sqlalchemy import insert as insert_into

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.experiment_counts import Newest, Sent, count_orders, newest
from adapters.store.order_rows import order_values
from adapters.store.reported_outcomes import ReportedOutcome, save_reported
from adapters.store.trading_tables import orders
from tests.fakes.exposures import START_S, Exposing, entries
from tests.fakes.journals import insert
from tests.fakes.market import HOUR_S
from tests.fakes.one_order import one_order
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.orders import Order, OrderState
from trading.vocabulary import Arm

TOLD = ReportedOutcome(
    decision_id="d",
    user_id="amy",
    experiment="default",
    run=1,
    market_s=1.0,
    net_bps=1.0,
    net_usd=None,
    at_s=77.0,
    document="{}",
)


def test_whatever_comes_is_newer_than_what_was(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            assert await store.read(newest()) == Newest(exposed_at_s=None, reported_at_s=None)
            await insert(store, entries([Exposing(user_id="amy", arm=Arm.RL, hours=1, target=1.0, price=1.0)]))
            exposed_at_s = START_S + HOUR_S + 1.0
            assert await store.read(newest()) == Newest(exposed_at_s=exposed_at_s, reported_at_s=None)
            await store.write(save_reported(TOLD))
            assert await store.read(newest()) == Newest(exposed_at_s=exposed_at_s, reported_at_s=77.0)

    run(main())


def numbered(number: int, state: OrderState, *, arm: Arm = Arm.RL, at_s: float = 100.0) -> Order:
    made = one_order(state=state, arm=arm, created_at_s=at_s, decision_id=str(number))
    return replace(made, request=replace(made.request, client_order_id=f"rl-{number}"))


async def keep(store: Store, made: list[Order]) -> None:
    async def work(connection: StoreConnection) -> None:
        for order in made:
            await connection.execute(insert_into(orders).values(**order_values(order)))

    await store.write(work)


def test_orders_that_a_venue_answered_count_and_those_it_rejected(location: Location) -> None:
    made = [
        numbered(1, OrderState.FILLED),
        numbered(2, OrderState.REJECTED),
        numbered(3, OrderState.OPEN),
        numbered(4, OrderState.BLOCKED),
        numbered(5, OrderState.UNKNOWN),
        numbered(6, OrderState.REJECTED, arm=Arm.FALLBACK),
        numbered(7, OrderState.REJECTED, at_s=99.0),
    ]

    async def main() -> None:
        async with running(location) as store:
            assert await store.read(count_orders(Arm.RL, since_s=100.0)) == Sent(orders=0, rejected=0)
            await keep(store, made)
            assert await store.read(count_orders(Arm.RL, since_s=100.0)) == Sent(orders=3, rejected=1)

    run(main())
