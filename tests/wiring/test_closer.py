"""A user stops an agent with all that it holds, and is told what becomes of each position."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.boot import boot_clock
from adapters.store.choices import choose
from adapters.store.engine import Location
from adapters.store.facts import TRADING
from adapters.store.snapshot import SnapshotReader
from rl_models.shelf import Shelf
from schemas.agents import AgentControlParams
from tests.fakes.bars import random_bars
from tests.fakes.brokers import FakeBroker, Reply
from tests.fakes.bundles import ensemble_manifest
from tests.fakes.bus import FakeBus
from tests.fakes.jobs import HandClock
from tests.fakes.market import FakeMarket
from tests.fakes.orders import TERMS, Worker, all_orders, decided, held, price_of, put_agent, reasons, states, worker
from tests.fakes.stores import STORES
from tests.fakes.waiting import eventually
from trading.agents import AgentCommand, AgentState, ExecutionMode
from trading.errors import IllegalChange, KeyReused, NotFound
from trading.orders import MadeBy, WantedOrders
from trading.vocabulary import Halt
from wiring.agent_checks import AgentChecks
from wiring.agents import AgentDesk
from wiring.closer import Closer
from wiring.commands import AgentCommands
from wiring.models import Model
from wiring.once import Once
from wiring.order_pages import OrderPages
from wiring.order_sender import Sender
from wiring.venues import Venues

MARKET_S = 1_600_000_000.0
CROWD = Model(manifest=ensemble_manifest(()), networks=(), digest="sha256:1", bundle=None)


@dataclass
class NoModels:
    """Keeps wiring.agents.KnownModels."""

    current: Model = CROWD
    others: dict[str, Model] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)


@dataclass
class Office:
    """One worker that holds 3 BTC for user123, and its desk for agents."""

    worker: Worker
    desk: AgentDesk
    commands: AgentCommands

    async def stop(self, key: str | None = None, *, close: bool = True) -> dict[str, object]:
        params: AgentControlParams = {
            "user_id": "user123",
            "action": AgentCommand.STOP,
            "close_positions": close,
            "idempotency_key": key,
        }
        answer: dict[str, object] = json.loads(await self.commands.control(params))
        return answer


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def within(location: Location, test: Callable[[Office], Awaitable[None]], *, open_now: bool = True) -> None:
    async def main() -> None:
        known_venues: set[str] = {"paper"}
        async with worker(location, FakeBroker(), HandClock(), reconciled=lambda name: name in known_venues) as made:
            await put_agent(made.store)
            await made.act(decided(1))
            await made.send()
            made.clock.go(1.0)
            if not open_now:
                known_venues.clear()
            await test(office(made))

    asyncio.run(main())


def office(made: Worker) -> Office:
    market, known = FakeMarket({"BTC": random_bars(3)}), SnapshotReader(made.store)
    checks = AgentChecks(market, lambda: Shelf(candidates=(), refusals=()), mode=ExecutionMode.PAPER)
    closer = Closer(
        made.venues, made.sender, price_of=price_of, market_s=lambda: MARKET_S, ttl_s=TERMS.ttl_s, now=made.clock
    )
    desk = AgentDesk(made.store, known, NoModels(), checks, closer, wall_s=lambda: made.clock().wall_s)
    once = Once(made.store, FakeBus(), secret=b"secret", now=boot_clock())
    return Office(made, desk, AgentCommands(desk, checks, market, known, once))


def test_all_that_is_held_is_sold_and_the_order_says_what_made_it(location: Location) -> None:
    async def test(there: Office) -> None:
        answer = await there.stop()
        assert answer["state"] == "stopped"
        (closing,) = answer["closing"]  # type: ignore[misc]
        assert closing["symbol"] == "BTC"
        assert closing["reason"] is None
        await there.worker.send()
        assert await held(there.worker.store) == 0
        pages = OrderPages(there.worker.store, there.worker.venues, price_of=price_of, now=there.worker.clock)
        shown = await pages.order(closing["client_order_id"])
        assert (shown["made_by"], shown["decision_id"], shown["state"]) == ("stop", None, "filled")
        orders = (await pages.orders(WantedOrders(), before=None, limit=10))["orders"]
        assert [order["made_by"] for order in orders] == ["stop", "decision"]

    within(location, test)


def test_its_worker_is_told_that_there_is_an_order_to_send(location: Location) -> None:
    async def test(there: Office) -> None:
        sending = asyncio.create_task(there.worker.sender.run())
        await asyncio.sleep(0.05)
        await there.stop()
        await eventually(lambda: len(there.worker.broker.arrived) == 2)
        sending.cancel()

    within(location, test)


@pytest.mark.parametrize("key", [None, "k"])
def test_the_same_stop_again_sells_nothing_twice(location: Location, key: str | None) -> None:
    async def test(there: Office) -> None:
        first = await there.stop(key)
        again = await there.stop(key)
        assert again["closing"] == first["closing"]
        await there.worker.send()
        after = await there.stop(key)
        assert after["closing"] == (first["closing"] if key else [])
        assert await states(there.worker.store) == ["filled", "filled"]

    within(location, test)


def test_a_key_of_a_stop_that_keeps_positions_does_not_close_them(location: Location) -> None:
    async def test(there: Office) -> None:
        assert (await there.stop("k", close=False))["closing"] == []
        with pytest.raises(KeyReused):
            await there.stop("k")
        assert await states(there.worker.store) == ["filled"]

    within(location, test)


def test_a_stop_keeps_positions_unless_told_and_may_be_followed_by_one_that_closes(location: Location) -> None:
    async def test(there: Office) -> None:
        assert (await there.stop(close=False))["closing"] == []
        assert await states(there.worker.store) == ["filled"]
        with pytest.raises(IllegalChange):
            await there.stop(close=False)
        answer = await there.stop()
        assert answer["state"] == AgentState.STOPPED
        assert len(answer["closing"]) == 1  # type: ignore[arg-type]

    within(location, test)


def test_an_order_whose_answer_was_lost_is_told_and_closed_by_none(location: Location) -> None:
    async def test(there: Office) -> None:
        there.worker.broker.replies.append(Reply.LOST_AFTER)
        await there.worker.act(decided(2, target=0.0))
        await there.worker.send()
        answer = await there.stop()
        assert answer["closing"] == [{"symbol": "BTC", "client_order_id": None, "reason": "order_unresolved"}]
        assert await states(there.worker.store) == ["filled", "unknown"]

    within(location, test)


def test_an_order_has_all_its_time_from_the_stop_on_however_long_the_store_was_waited_for(location: Location) -> None:
    async def test(there: Office) -> None:
        work = there.desk.control_work("user123", AgentCommand.STOP, close_positions=True)
        there.worker.clock.go(TERMS.ttl_s + 1.0)
        await there.worker.store.write(work)
        (order,) = [each for each in await all_orders(there.worker.store) if each.request.made_by is MadeBy.STOP]
        assert order.deadline == there.worker.clock().after(TERMS.ttl_s)
        assert order.market_s == MARKET_S
        await there.worker.send()
        assert await held(there.worker.store) == 0

    within(location, test)


def test_a_worker_that_has_not_found_the_venue_yet_does_not_end_what_another_is_to_send(location: Location) -> None:
    async def test(there: Office) -> None:
        await there.stop()
        made = there.worker
        new = Sender(made.store, Venues({}, lambda _: True), owner="new", now=made.clock, halt=lambda: Halt.OPEN)
        await new._send_claimed()
        await new.drain()
        assert await states(made.store) == ["filled", "new"]
        await made.send()
        assert await held(made.store) == 0

    within(location, test)


def test_what_a_worker_made_itself_ends_where_there_is_no_venue_for_it(location: Location) -> None:
    async def test(there: Office) -> None:
        await there.stop()
        made = there.worker
        same = Sender(made.store, Venues({}, lambda _: True), owner="one", now=made.clock, halt=lambda: Halt.OPEN)
        await same._send_claimed()
        await same.drain()
        assert await reasons(made.store) == [None, "no_such_venue"]

    within(location, test)


def test_another_worker_that_has_found_the_venue_sends_it(location: Location) -> None:
    async def test(there: Office) -> None:
        await there.stop()
        made = there.worker
        other = Sender(made.store, made.venues, owner="other", now=made.clock, halt=lambda: Halt.OPEN)
        await other._send_claimed()
        await other.drain()
        assert await held(made.store) == 0

    within(location, test)


def test_a_halt_is_the_reason_why_nothing_is_sold(location: Location) -> None:
    async def test(there: Office) -> None:
        await there.worker.store.write(choose(TRADING, '{"state": "halted"}'))
        answer = await there.stop()
        assert answer["state"] == "stopped"
        assert answer["closing"] == [{"symbol": "BTC", "client_order_id": None, "reason": "halted"}]
        await there.worker.store.write(choose(TRADING, '{"state": "open"}'))
        await there.stop()
        await there.worker.send()
        assert await held(there.worker.store) == 0

    within(location, test)


def test_before_the_venue_is_reconciled_nothing_is_sold(location: Location) -> None:
    async def test(there: Office) -> None:
        answer = await there.stop()
        assert answer["closing"] == [{"symbol": "BTC", "client_order_id": None, "reason": "reconciling"}]

    within(location, test, open_now=False)


def test_there_is_nothing_to_close_without_an_agent(location: Location) -> None:
    async def test(there: Office) -> None:
        with pytest.raises(NotFound):
            await there.desk.control("nobody", AgentCommand.STOP, close_positions=True)

    within(location, test)
