"""The clocks of embedded markets: the first process of a market writes one, all others and restarts read it."""

import json
from dataclasses import asdict

from sqlalchemy import delete, select

from adapters.market_clock import ClockTerms, MarketClock
from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.tables import market_clocks
from adapters.store.trading_tables import agent_bars
from adapters.store.upsert import insert_new
from adapters.store.versions import wait_for_turn


def open_clock(terms: ClockTerms, *, wall_s: float) -> Work[MarketClock]:
    """Write: the clock that all processes of these terms share; its epoch is `wall_s` when this one is the first."""

    async def work(connection: StoreConnection) -> MarketClock:
        begun = terms.begin(wall_s)
        values = {
            "digest": terms.digest,
            "terms": json.dumps(asdict(terms), sort_keys=True),
            "epoch_wall": begun.epoch_wall_s,
            "start_market": begun.start_market_s,
            "speed": begun.speed,
        }
        await insert_new(connection, market_clocks, values)
        return await find_clock(terms)(connection) or begun

    return work


def forget_bars_ahead(now_s: float) -> Work[None]:
    """Write: agents have decided on no bar that closes at this market time or later: who did was in another life of
    the market, or in another market, and would keep them from deciding when the time comes."""

    async def work(connection: StoreConnection) -> None:
        await wait_for_turn(connection)
        await connection.execute(delete(agent_bars).where(agent_bars.c.bar_close >= now_s))

    return work


def find_clock(terms: ClockTerms) -> Work[MarketClock | None]:
    """Read: the shared clock; None for a market that has not begun."""

    async def work(connection: StoreConnection) -> MarketClock | None:
        statement = select(market_clocks).where(market_clocks.c.digest == terms.digest)
        row = (await connection.execute(statement)).first()
        if row is None:
            return None
        return MarketClock(epoch_wall_s=row.epoch_wall, start_market_s=row.start_market, speed=row.speed)

    return work


def forget_clock(terms: ClockTerms) -> Work[bool]:
    """Write: the market of these terms begins anew with its next process. False when it had not begun."""

    async def work(connection: StoreConnection) -> bool:
        statement = delete(market_clocks).where(market_clocks.c.digest == terms.digest)
        return (await connection.execute(statement)).rowcount > 0

    return work
