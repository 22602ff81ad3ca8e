"""What a worker's parts say of themselves reaches the metrics."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from adapters.condition import Condition, TradingCondition
from adapters.store.engine import Location
from adapters.store.order_rows import lease_values, order_values
from adapters.store.snapshot import SnapshotReader
from adapters.store.trading_tables import orders
from adapters.upstream.breakers import Breakers
from tests.fakes.jobs import START
from tests.fakes.journals import journalling
from tests.fakes.one_order import one_order
from tests.fakes.stores import running, sqlite
from trading.errors import StoreUnavailable
from trading.orders import Order, OrderState
from trading.vocabulary import Halt
from wiring.bar_poller import PollerState
from wiring.observation import DoorCounts, Observation, Observed, Trading
from wiring.reconciler import Unresolved


@dataclass
class FakeMetrics:
    seen: list[Condition] = field(default_factory=list)

    def observe(self, condition: Condition) -> None:
        self.seen.append(condition)


@dataclass
class FakeBars:
    """Stands for wiring.bar_poller.BarPoller."""

    def state(self) -> PollerState:
        return PollerState(
            holds=True, kept_total=4, disputed_total=1, failed_totals={"late": 2}, failing={"BTC": "late"}
        )


BREAKERS = Breakers()
TRADING = Trading(
    waiting_for=lambda: ["reconciling"],
    unresolved=lambda: Unresolved(unknown=3, needs_operator=2),
    acting=SimpleNamespace(decided=5, missed=6),  # type: ignore[arg-type]
    breakers=BREAKERS,
    bars=FakeBars,  # type: ignore[arg-type]
    thresholds=lambda: SimpleNamespace(kept=7, refused=8, failed=9),  # type: ignore[arg-type,return-value]
    samples=lambda: SimpleNamespace(agreed=10, disagreed=11, failed=12),  # type: ignore[arg-type,return-value]
)
CALM = replace(
    TRADING,
    waiting_for=list,
    unresolved=Unresolved,
    bars=lambda: None,
    thresholds=lambda: None,
    samples=lambda: None,
)


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return sqlite(tmp_path)


def observed(
    location: Location, folder: Path, trading: Trading, *before: Order, away: bool = False
) -> TradingCondition:
    """How trading is seen once these orders are in the store."""
    return condition(location, folder, trading, *before, away=away).trading


def condition(location: Location, folder: Path, trading: Trading, *before: Order, away: bool = False) -> Condition:
    """How the worker is seen then."""
    metrics = FakeMetrics()

    async def main() -> None:
        async with running(location) as store, journalling(store, folder) as journal:
            parts = Observed(
                store=store,
                known=SnapshotReader(store),
                journal=journal,
                bus=SimpleNamespace(dropped=0),  # type: ignore[arg-type]
                once=SimpleNamespace(replayed=0),  # type: ignore[arg-type]
                door=lambda: DoorCounts(sockets=0, refused={}),
                shadows=SimpleNamespace(totals={"kept": 13}),  # type: ignore[arg-type]
                trading=trading,
            )
            observation = Observation(parts, metrics)  # type: ignore[arg-type]
            lease = lease_values("me", START)
            for order in before:
                values = order_values(order) | lease
                await store.write(lambda connection, values=values: connection.execute(insert(orders).values(values)))
            await observation.count_jobs()
            if away:
                await store.stop()
                with pytest.raises(StoreUnavailable):
                    await observation.count_jobs()
            observation.observe()

    asyncio.run(main())
    (seen,) = metrics.seen
    return seen


def numbered(number: int, state: OrderState) -> Order:
    order = one_order(state=state, decision_id=str(number))
    return replace(order, request=replace(order.request, client_order_id=f"rl-{number}"))


def test_orders_that_may_still_be_filled_are_counted_by_state(location: Location, tmp_path: Path) -> None:
    states = (OrderState.UNKNOWN, OrderState.UNKNOWN, OrderState.OPEN, OrderState.FILLED)
    seen = observed(location, tmp_path, CALM, *(numbered(number, state) for number, state in enumerate(states)))
    assert seen.orders == {"new": 0, "sending": 0, "open": 1, "unknown": 2}


def test_orders_are_not_known_while_the_store_is_away(location: Location, tmp_path: Path) -> None:
    seen = observed(location, tmp_path, CALM, numbered(1, OrderState.OPEN), away=True)
    assert seen.orders is None


def test_what_trading_stands_on_is_told_in_words_of_the_metrics(location: Location, tmp_path: Path) -> None:
    seen = observed(location, tmp_path, TRADING)
    assert (seen.halt, seen.reconciling, seen.orders_needing_operator) == (Halt.OPEN, True, 2)
    assert seen.agent_bars_totals == {"decided": 5, "missed": 6}
    assert seen.bars_totals == {"late": 2, "kept": 4, "disputed": 1}
    assert seen.thresholds_totals == {"kept": 7, "refused": 8, "failed": 9}
    assert seen.agreements_totals == {"agreed": 10, "disagreed": 11, "failed": 12}


def test_what_became_of_shadows_is_told(location: Location, tmp_path: Path) -> None:
    assert condition(location, tmp_path, CALM).shadows_totals == {"kept": 13}


def test_the_breakers_of_the_process_are_told_with_their_states(location: Location, tmp_path: Path) -> None:
    breakers = Breakers()
    breakers.of("trading_service", "order").hold_open()
    (seen,) = observed(location, tmp_path, replace(CALM, breakers=breakers)).breakers
    assert (seen.service, seen.route, seen.status, seen.opened) == ("trading_service", "order", "held_open", 1)


def test_without_the_services_nothing_is_said_of_them(location: Location, tmp_path: Path) -> None:
    seen = observed(location, tmp_path, CALM)
    assert (seen.reconciling, seen.orders_needing_operator) == (False, 0)
    assert (seen.bars_totals, seen.thresholds_totals, seen.agreements_totals) == ({}, {}, {})
