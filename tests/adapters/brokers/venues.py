"""Every venue that takes orders, running, with the handles that make it refuse, hang and go away."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from adapters.brokers.catalogue import BROKERS, Surroundings
from adapters.brokers.paper import PaperTerms
from adapters.store.engine import Store
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import Tokens
from tests.fakes.market import FakeMarket, bars_from_closes
from tests.fakes.stack.faults import FaultKind
from tests.fakes.stack.running import Service, running_stack
from tests.fakes.stack.terms import Terms
from tests.fakes.stores import running, sqlite
from trading.ports import Broker

PRICE = Decimal(60_000)
PAPER = PaperTerms(fee_bps=Decimal(10), spread_bps=Decimal(0), participation=Decimal("0.1"))
ACCOUNT = "user-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """A venue under test. `booked` says how many orders its own book holds; `unreachable` is None where nothing is
    called. `dedupes` when the same client id is one order, however often it is sent."""

    broker: Broker
    dedupes: bool
    booked: Callable[[], int]
    refuse: Callable[[], None]
    fill_slowly: Callable[[], None]
    hanging: Callable[[], AbstractContextManager[None]]
    unreachable: Callable[[], None] | None
    service: Service | None


def around(store: Store, market: FakeMarket, service: Upstream | None, *, lists_client_ids: bool) -> Surroundings:
    return Surroundings(
        store=store,
        market=market,
        paper_terms=PAPER,
        trading_service=service,
        tokens=Tokens(Terms().jwt_secret.encode()),
        lists_client_ids=lists_client_ids,
        account_user_id=ACCOUNT,
    )


@asynccontextmanager
async def paper(folder: Path) -> AsyncIterator[Venue]:
    location = sqlite(folder)
    market = FakeMarket({"BTC": bars_from_closes([float(PRICE)] * 2, volume_base=1e6)})
    assert location.file is not None
    file = location.file

    def booked() -> int:
        with sqlite3.connect(file) as connection:
            statement = "select count(*) from paper_orders where state != 'rejected'"
            return int(connection.execute(statement).fetchone()[0])

    @contextmanager
    def hanging() -> Iterator[None]:
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("begin immediate")
        try:
            yield
        finally:
            holder.close()

    async with running(location) as store:
        yield Venue(
            broker=BROKERS["paper"](around(store, market, None, lists_client_ids=False)),
            dedupes=True,
            booked=booked,
            refuse=lambda: market.advance(1e6),
            fill_slowly=lambda: market.put("BTC", bars_from_closes([float(PRICE)] * 2, volume_base=5.0)),
            hanging=hanging,
            unreachable=None,
            service=None,
        )


@asynccontextmanager
async def trading_service(folder: Path, version: str, *, lists_client_ids: bool = False) -> AsyncIterator[Venue]:
    with running_stack(trading=version) as stack:
        control = stack.trading.control
        control.set(lists_client_ids=lists_client_ids, prices={"BTC": str(PRICE)})
        upstream = Upstream("trading_service", stack.trading.url, Breakers())
        surroundings = around(Store(sqlite(folder)), FakeMarket({}), upstream, lists_client_ids=lists_client_ids)

        @contextmanager
        def hanging() -> Iterator[None]:
            control.fault(FaultKind.ACCEPT_THEN_HANG)
            yield
            control.heal()

        # V2's own refusals are 500s that prove nothing; its validation proves that nothing was passed on.
        refusals = {
            "v1m": lambda: control.set(refusal={"message": "Account has insufficient balance.", "code": -2010}),
            "v2": lambda: control.set(jwt_secret="another secret"),  # noqa: S106 - of a fake on loopback
        }
        await upstream.start()
        try:
            yield Venue(
                broker=BROKERS[f"trading_service_{version}"](surroundings),
                dedupes=False,
                booked=lambda: len(control.ledger().bookings),
                refuse=refusals[version],
                fill_slowly=lambda: control.set(fills="halves"),
                hanging=hanging,
                unreachable=control.down,
                service=stack.trading,
            )
        finally:
            await upstream.stop()


VENUES: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Venue]]] = {
    "paper": paper,
    "trading_service_v1m": lambda folder: trading_service(folder, "v1m"),
    "trading_service_v2": lambda folder: trading_service(folder, "v2"),
    "trading_service_v2 that lists client ids": lambda folder: trading_service(folder, "v2", lists_client_ids=True),
}
