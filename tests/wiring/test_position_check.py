"""What the venue holds is compared with the ledger."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from sqlalchemy import insert

from adapters.store.connections import StoreConnection
from adapters.store.engine import Store
from adapters.store.snapshot import SnapshotReader
from adapters.store.trading_tables import positions
from tests.fakes.jobs import HandClock
from tests.fakes.stores import running, sqlite
from trading.agents import ExecutionMode
from trading.orders import LotRules, OrderRequest, Receipt
from trading.vocabulary import BlockReason
from wiring.position_check import LEASE_S, PositionCheck
from wiring.venues import Place, Venues

RULES = LotRules(lot=Decimal("0.001"), tick=Decimal("0.01"), min_notional=Decimal(10))


class Account:
    """A broker of which only the positions matter."""

    name = "account"
    tells_absence = False

    def __init__(self, held: Mapping[str, Decimal] | None) -> None:
        self.held = held

    def rules(self, symbol: str) -> LotRules:
        return RULES

    async def place(self, order: OrderRequest, *, deadline_s: float) -> Receipt:
        raise AssertionError("nothing is ordered here")

    async def find(self, order: OrderRequest, venue_order_id: str | None, *, deadline_s: float) -> Receipt | None:
        raise AssertionError("nothing is asked here")

    async def positions(self, *, deadline_s: float) -> Mapping[str, Decimal] | None:
        return self.held


async def hold(store: Store, **quantities: str) -> None:
    async def work(connection: StoreConnection) -> None:
        for number, (symbol, quantity) in enumerate(quantities.items()):
            row = {"user_id": f"u{number}", "symbol": symbol, "mode": "live", "quantity": quantity}
            rest = {"average_cost": "1", "arm": "rl", "opened_at": 1.0, "changed_at": 1.0, "version": 1}
            await connection.execute(insert(positions).values(**row, **rest))

    await store.write(work)


def checked(tmp_path: Path, account: Account, *answers: Mapping[str, Decimal] | None) -> list[list[str]]:
    """Which symbols do not match after each answer of the venue; the ledger holds 1 BTC and 2 ETH."""

    async def main() -> list[list[str]]:
        found = []
        async with running(sqlite(tmp_path)) as store:
            await hold(store, BTC="1", ETH="2")
            known, place = SnapshotReader(store), Place(broker=account)
            venues = Venues({ExecutionMode.LIVE: place}, lambda _: True, lambda: check.mismatched())  # noqa: PLW0108 - made below
            check = PositionCheck(store, venues, known.choice, owner="a", now=HandClock())
            for answer in answers:
                account.held = answer
                await check.check(account)
                await known.refresh()
                found.append(sorted(check.mismatched()))
                blocked = [symbol for symbol in ("BTC", "ETH") if venues.venue(place, symbol).blocked is not None]
                assert blocked == found[-1]
                assert all(venues.venue(place, each).blocked is BlockReason.POSITION_MISMATCH for each in blocked)
        return found

    return asyncio.run(main())


def of(btc: str, eth: str) -> Mapping[str, Decimal]:
    return {"BTC": Decimal(btc), "ETH": Decimal(eth)}


def test_a_venue_that_holds_less_twice_in_a_row_gets_no_orders_in_that_symbol(tmp_path: Path) -> None:
    answers = (of("0.5", "2"), of("0.5", "2"), of("1", "2"))
    assert checked(tmp_path, Account(None), *answers) == [[], ["BTC"], []]


def test_more_than_ours_the_fee_in_the_coin_and_a_venue_that_does_not_tell_are_no_mismatch(tmp_path: Path) -> None:
    answers = (of("7", "1.99"), of("7", "1.99"), None)
    assert checked(tmp_path, Account(None), *answers) == [[], [], []]


def test_what_is_short_only_once_is_a_fill_on_its_way(tmp_path: Path) -> None:
    answers = (of("0", "2"), of("1", "0"), of("0", "2"))
    assert checked(tmp_path, Account(None), *answers) == [[], [], []]


def test_only_the_worker_whose_turn_it_is_asks(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(sqlite(tmp_path)) as store:
            clock, account = HandClock(), Account(of("1", "2"))
            venues = Venues({ExecutionMode.LIVE: Place(broker=account)}, lambda _: True)
            first, second = (
                PositionCheck(store, venues, lambda _: None, owner=owner, now=clock) for owner in ("a", "b")
            )
            await hold(store, BTC="1")
            await first.check(account)
            account.positions = None  # type: ignore[method-assign, assignment]
            await second.check(account)
            clock.go(LEASE_S)
            account = Account(None)
            await second.check(account)

    asyncio.run(main())
