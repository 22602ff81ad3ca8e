"""A halt is durable, known to every worker, and tells which orders had left before it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.store.engine import Location
from adapters.store.orders import Claim, claim
from adapters.store.snapshot import SnapshotReader
from tests.fakes.brokers import FakeBroker
from tests.fakes.jobs import HandClock
from tests.fakes.orders import Worker, decided, order_id, put_agent, states, worker
from tests.fakes.stores import STORES, running
from trading.errors import StoreUnavailable
from trading.vocabulary import BlockReason, Halt
from wiring.trading_switch import TradingSwitch


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


def within(location: Location, test: Callable[[Worker, TradingSwitch, SnapshotReader], Awaitable[None]]) -> None:
    async def main() -> None:
        async with worker(location, FakeBroker(), HandClock()) as made:
            await put_agent(made.store)
            known = SnapshotReader(made.store)
            await test(made, TradingSwitch(made.store, known, now=made.clock), known)

    asyncio.run(main())


def test_a_halt_is_known_here_at_once_and_anywhere_after_a_look(location: Location) -> None:
    async def test(made: Worker, switch: TradingSwitch, known: SnapshotReader) -> None:
        answer = json.loads(await switch.set(Halt.HALTED, reason="news"))
        assert (answer["state"], answer["before"], answer["reason"]) == ("halted", "open", "news")
        assert known.halt() is switch.halt() is Halt.HALTED
        async with running(location) as restarted:
            other = SnapshotReader(restarted)
            await other.refresh()
            assert other.halt() is Halt.HALTED
            assert (TradingSwitch(restarted, other, now=made.clock).since() or {})["reason"] == "news"
        assert json.loads(await switch.set(Halt.OPEN, reason=None))["before"] == "halted"

    within(location, test)


def test_what_had_left_is_listed_and_nothing_leaves_after_it(location: Location) -> None:
    async def test(made: Worker, switch: TradingSwitch, known: SnapshotReader) -> None:
        await made.act(decided(1))
        await made.store.write(claim(Claim(owner="other"), made.clock))
        assert json.loads(await switch.set(Halt.HALTED, reason=None))["orders_in_flight"] == []
        await made.send()
        assert (made.broker.began, await states(made.store)) == ([], ["blocked"])
        refused = await made.act(decided(2))
        assert refused.refused_by == (BlockReason.HALTED,)
        await switch.set(Halt.OPEN, reason=None)
        await made.act(decided(3))
        await made.store.write(claim(Claim(owner="one"), made.clock))
        assert json.loads(await switch.set(Halt.HALTED, reason=None))["orders_in_flight"] == [order_id(3)]

    within(location, test)


def test_a_halt_that_is_durable_is_acknowledged_though_the_store_goes_away(location: Location) -> None:
    async def test(made: Worker, switch: TradingSwitch, known: SnapshotReader) -> None:
        async def away() -> bool:
            raise StoreUnavailable("away")

        known.refresh = away  # type: ignore[method-assign]
        assert json.loads(await switch.set(Halt.REDUCING, reason=None))["state"] == "reducing"

    within(location, test)


def test_nobody_has_set_anything_at_first(location: Location) -> None:
    async def test(_: Worker, switch: TradingSwitch, known: SnapshotReader) -> None:
        await known.refresh()
        assert (switch.halt(), switch.since()) == (Halt.OPEN, None)

    within(location, test)
