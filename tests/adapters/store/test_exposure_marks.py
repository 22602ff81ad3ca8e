"""Exposures are read for marking as they were written: all of them, in order, page by page."""

import pytest

from adapters.store.engine import Location
from adapters.store.exposure_marks import stream_marks
from tests.fakes.exposures import START_S, Exposing, entries
from tests.fakes.journals import insert
from tests.fakes.market import HOUR_S
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.vocabulary import Arm, FailureReason

USERS = ("amy", "bob", "cyd")
EXPOSED = [
    Exposing(user_id=user, arm=Arm.RL, hours=hour, target=hour / 4, price=100.0 + hour, symbol=symbol)
    for hour in range(3)
    for symbol in ("ETH", "BTC")
    for user in reversed(USERS)
]


@pytest.mark.parametrize("page", [1, 4, 18, 100])
def test_all_of_a_run_come_by_user_symbol_and_bar(location: Location, page: int) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, entries(EXPOSED))
            await insert(store, entries([Exposing(user_id="dan", arm=Arm.RL, hours=0, target=1.0, price=1.0)], run=2))
            pages = [found async for found in stream_marks(store, "default", 1, page=page)]
            assert all(len(found) == page for found in pages[:-1])
            assert [tuple(mark) for found in pages for mark in found] == [
                (user, symbol, START_S + hour * HOUR_S, "rl", "rl", "hash", 100.0 + hour, hour / 4)
                for user in USERS
                for symbol in ("BTC", "ETH")
                for hour in range(3)
            ]

    run(main())


def test_who_answered_and_why_is_told(location: Location) -> None:
    failed = Exposing(
        user_id="amy",
        arm=Arm.RL,
        hours=1,
        target=0.0,
        price=100.0,
        served=Arm.FALLBACK,
        failure=FailureReason.POLICY_NAN,
    )

    async def main() -> None:
        async with running(location) as store:
            await insert(store, entries([failed]))
            ((mark,),) = [found async for found in stream_marks(store, "default", 1)]
            assert tuple(mark)[3:6] == ("rl", "fallback", "policy_nan")

    run(main())


def test_a_run_without_exposures_has_no_page(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            assert [found async for found in stream_marks(store, "default", 1)] == []

    run(main())
