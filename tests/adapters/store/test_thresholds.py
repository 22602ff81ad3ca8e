"""What one worker writes of thresholds all learn, on each database."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import update

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work
from adapters.store.thresholds import CHUNK, ThresholdReader, keep_thresholds
from adapters.store.trading_tables import thresholds
from adapters.store.versions import next_version
from tests.fakes.stores import running
from trading.thresholds import KnownThresholds, Thresholds

NOW_S = 1_700_000_000.25


def known(confidence: float = 0.9, at_s: float = NOW_S) -> KnownThresholds:
    return KnownThresholds(values=Thresholds(confidence=confidence), as_of_s=at_s)


def everybody(_: str) -> bool:
    return True


def damage(user_id: str, document: str) -> Work[None]:
    async def work(connection: StoreConnection) -> None:
        row = update(thresholds).where(thresholds.c.user_id == user_id)
        await connection.execute(row.values(document=document, version=await next_version(connection)))

    return work


def within(location: Location, test: Callable[[Store, Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as one, running(location) as other:
            await test(one, other)

    asyncio.run(main())


def test_another_worker_knows_what_was_kept_and_then_what_replaced_it(location: Location) -> None:
    async def test(one: Store, other: Store) -> None:
        reader = ThresholdReader(other, everybody)
        await one.write(keep_thresholds("user123", "BTC", known(0.9)))
        await reader.refresh()
        assert reader.of("user123", "BTC") == known(0.9)
        assert reader.of("user123", "ETH") is None

        await one.write(keep_thresholds("user123", "BTC", known(0.3, NOW_S + 60.0)))
        await one.write(keep_thresholds("user123", "ETH", known(0.4)))
        await reader.refresh()
        assert reader.of("user123", "BTC") == known(0.3, NOW_S + 60.0)
        assert reader.of("user123", "ETH") == known(0.4)

    within(location, test)


def test_a_worker_that_starts_later_learns_all_of_them(location: Location) -> None:
    users = [f"user{number}" for number in range(CHUNK + 1)]

    async def test(one: Store, other: Store) -> None:
        await asyncio.gather(*(one.write(keep_thresholds(user, "BTC", known())) for user in users))
        reader = ThresholdReader(other, everybody)
        await reader.refresh()
        assert {reader.of(user, "BTC") for user in users} == {known()}

    within(location, test)


def test_only_users_with_an_agent_take_room(location: Location) -> None:
    async def test(one: Store, other: Store) -> None:
        reader = ThresholdReader(other, lambda user_id: user_id == "user123")
        for user_id in ("user123", "nobody"):
            await one.write(keep_thresholds(user_id, "BTC", known()))
        await reader.refresh()
        assert reader.of("user123", "BTC") == known()
        assert reader.of("nobody", "BTC") is None

    within(location, test)


@pytest.mark.parametrize("document", ["{", "[]", '{"rsi": 70.0}', json.dumps({"rsi": 5})])
def test_a_row_that_cannot_be_read_leaves_what_was_known(location: Location, document: str) -> None:
    async def test(one: Store, other: Store) -> None:
        reader = ThresholdReader(other, everybody)
        for user_id in ("user123", "another"):
            await one.write(keep_thresholds(user_id, "BTC", known(0.9)))
        await reader.refresh()
        await one.write(damage("user123", document))
        await one.write(keep_thresholds("another", "BTC", known(0.3)))
        await reader.refresh()
        assert reader.of("user123", "BTC") == known(0.9)
        assert reader.of("another", "BTC") == known(0.3)

    within(location, test)
