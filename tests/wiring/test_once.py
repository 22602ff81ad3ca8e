"""Keyed requests over the processes of one store: each store here stands for one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.boot import boot_clock
from adapters.store.answers import LEASE_S
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work, locate
from tests.fakes.bus import FakeBus
from tests.fakes.jobs import HandClock, note, noted
from tests.fakes.stores import STORES, running
from trading.boot import Clock
from trading.errors import KeyInProgress, KeyReused, StoreUnavailable, UnknownSymbol
from wiring.once import RENEW_S, KeyedRequest, Made, Once

REQUEST = KeyedRequest(user_id="user123", operation="predict", key="k", content=b'{"symbol":"BTC"}')
SECRET = b"secret"


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


class Maker:
    """Makes answers, counts them, and waits before each until let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.ids: list[str] = []
        self.left_s: list[float] = []
        self.kept: list[str] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def __call__(self, decision_id: str, left_s: float) -> Made:
        self.ids.append(decision_id)
        self.left_s.append(left_s)
        self.begun.set()
        await self.go.wait()
        answer = f'{{"run":{len(self.ids)}}}'.encode()
        return Made(
            answer=answer,
            along=lambda connection: note(connection, frozenset({decision_id})),
            kept=lambda: self.kept.append(decision_id),
        )


@asynccontextmanager
async def processes(
    location: Location, count: int, *, bus: FakeBus | None = None, now: Clock | None = None, renew_s: float = RENEW_S
) -> AsyncIterator[tuple[list[Once], Store]]:
    """So many processes, and the store of the first."""
    async with running(location) as first:
        if count == 1:
            yield [Once(first, bus or FakeBus(), secret=SECRET, now=now or boot_clock())], first
            return
        async with running(location) as second:
            shared, clock = bus or FakeBus(), now or boot_clock()
            made = [Once(store, shared, secret=SECRET, now=clock, renew_s=renew_s) for store in (first, second)]
            yield made, first


def test_a_hundred_parallel_requests_over_two_processes_are_one_run(location: Location) -> None:
    async def main() -> None:
        maker = Maker()
        async with processes(location, 2) as (onces, store):
            answers = await asyncio.gather(
                *(onces[place % 2].run(REQUEST, maker, within_s=20.0) for place in range(100))
            )
            assert set(answers) == {b'{"run":1}'}
            assert len(maker.ids) == 1
            assert await store.read(noted) == maker.ids
            assert sum(once.replayed for once in onces) == 99
            assert maker.kept == maker.ids

    asyncio.run(main())


def test_the_answer_comes_without_messages_too(location: Location) -> None:
    async def main() -> None:
        maker = Maker(held=True)
        bus = FakeBus(deaf=True)
        async with processes(location, 2, bus=bus) as (onces, _):
            first = asyncio.create_task(onces[0].run(REQUEST, maker, within_s=20.0))
            await maker.begun.wait()
            second = asyncio.create_task(onces[1].run(REQUEST, maker, within_s=20.0))
            await asyncio.sleep(0.1)
            maker.go.set()
            assert await first == await second
            assert bus.listening == 0

    asyncio.run(main())


def test_who_waits_past_the_deadline_is_told_that_it_still_runs(location: Location) -> None:
    async def main() -> None:
        maker = Maker(held=True)
        async with processes(location, 1) as (onces, _):
            first = asyncio.create_task(onces[0].run(REQUEST, maker, within_s=20.0))
            await maker.begun.wait()
            with pytest.raises(KeyInProgress):
                await onces[0].run(REQUEST, maker, within_s=1.0)
            maker.go.set()
            assert await first == b'{"run":1}'

    asyncio.run(main())


def test_other_content_is_refused_while_it_runs_and_afterwards(location: Location) -> None:
    async def main() -> None:
        maker = Maker(held=True)
        other = replace(REQUEST, content=b'{"symbol":"ETH"}')
        async with processes(location, 1) as (onces, _):
            first = asyncio.create_task(onces[0].run(REQUEST, maker, within_s=20.0))
            await maker.begun.wait()
            with pytest.raises(KeyReused):
                await onces[0].run(other, maker, within_s=5.0)
            maker.go.set()
            await first
            with pytest.raises(KeyReused):
                await onces[0].run(other, maker, within_s=5.0)

    asyncio.run(main())


def test_an_error_frees_the_key_for_whoever_waits(location: Location) -> None:
    async def main() -> None:
        begun, go = asyncio.Event(), asyncio.Event()

        async def refuse(_: str, left_s: float) -> Made:
            begun.set()
            await go.wait()
            raise UnknownSymbol("NOPE")

        maker = Maker()
        async with processes(location, 2) as (onces, _):
            first = asyncio.create_task(onces[0].run(REQUEST, refuse, within_s=20.0))
            await begun.wait()
            second = asyncio.create_task(onces[1].run(REQUEST, maker, within_s=20.0))
            await asyncio.sleep(0.05)
            go.set()
            with pytest.raises(UnknownSymbol):
                await first
            assert await second == b'{"run":1}'

    asyncio.run(main())


def test_a_caller_that_is_gone_leaves_an_answer(location: Location) -> None:
    async def main() -> None:
        maker = Maker(held=True)
        async with processes(location, 1) as (onces, store):
            first = asyncio.create_task(onces[0].run(REQUEST, maker, within_s=20.0))
            await maker.begun.wait()
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            maker.go.set()
            await onces[0].drain()
            assert await onces[0].run(REQUEST, Maker(), within_s=5.0) == b'{"run":1}'
            assert await store.read(noted) == maker.ids == maker.kept

    asyncio.run(main())


def test_who_was_held_up_past_its_lease_gives_the_answer_of_who_took_over(location: Location) -> None:
    async def main() -> None:
        clock = HandClock()
        slow, quick = Maker(held=True), Maker()
        async with processes(location, 2, now=clock) as (onces, store):
            first = asyncio.create_task(onces[0].run(REQUEST, slow, within_s=60.0))
            await slow.begun.wait()
            clock.go(LEASE_S)
            second = await onces[1].run(REQUEST, quick, within_s=60.0)
            slow.go.set()
            assert await first == second
            assert slow.ids == quick.ids == quick.kept
            assert slow.kept == []
            assert await store.read(noted) == quick.ids

    asyncio.run(main())


def test_a_long_run_keeps_its_claim(location: Location) -> None:
    async def main() -> None:
        # The clock goes on only where the claim was renewed: the run outlives its first lease.
        clock = HandClock()
        slow, quick = Maker(held=True), Maker()
        async with processes(location, 2, now=clock, renew_s=0.02) as (onces, _):
            first = asyncio.create_task(onces[0].run(REQUEST, slow, within_s=60.0))
            await slow.begun.wait()
            for _ in range(3):
                clock.go(LEASE_S - 1.0)
                await asyncio.sleep(0.2)
            with pytest.raises(KeyInProgress):
                await onces[1].run(REQUEST, quick, within_s=0.0)
            slow.go.set()
            assert await first == b'{"run":1}'
            assert quick.ids == []

    asyncio.run(main())


def test_keys_of_different_users_have_different_decisions(location: Location) -> None:
    async def main() -> None:
        maker = Maker()
        async with processes(location, 1) as (onces, _):
            await onces[0].run(REQUEST, maker, within_s=5.0)
            await onces[0].run(replace(REQUEST, user_id="another"), maker, within_s=5.0)
            await onces[0].run(replace(REQUEST, operation="control"), maker, within_s=5.0)
        assert len(set(maker.ids)) == 3
        assert all(len(decision_id) == 32 and int(decision_id, 16) for decision_id in maker.ids)

    asyncio.run(main())


def test_a_transaction_answers_once_over_two_processes(location: Location) -> None:
    async def main() -> None:
        def making(decision_id: str) -> Work[bytes]:
            async def work(connection: StoreConnection) -> bytes:
                await note(connection, frozenset({decision_id}))
                return decision_id.encode()

            return work

        async with processes(location, 2) as (onces, store):
            answers = await asyncio.gather(
                *(onces[place % 2].run_in_transaction(REQUEST, making, within_s=20.0) for place in range(100))
            )
            assert len(set(answers)) == 1
            assert await store.read(noted) == [answers[0].decode()]
            assert sum(once.replayed for once in onces) == 99

    asyncio.run(main())


def test_without_a_store_nothing_is_run(tmp_path: Path) -> None:
    async def main() -> None:
        maker = Maker()
        nowhere = locate(None, tmp_path / "no folder")
        async with processes(nowhere, 1) as (onces, _):
            with pytest.raises(StoreUnavailable):
                await onces[0].run(REQUEST, maker, within_s=5.0)
        assert maker.ids == []

    asyncio.run(main())


def test_who_takes_over_has_what_is_left_of_its_time(location: Location) -> None:
    async def main() -> None:
        clock = HandClock()
        held, quick = Maker(held=True), Maker()
        async with processes(location, 2, now=clock) as (onces, _):
            first = asyncio.create_task(onces[0].run(REQUEST, held, within_s=60.0))
            await held.begun.wait()
            second = asyncio.create_task(onces[1].run(REQUEST, quick, within_s=LEASE_S + 1.5))
            await asyncio.sleep(0.1)
            clock.go(LEASE_S)
            await second
            assert (held.left_s, quick.left_s) == ([60.0], [pytest.approx(1.5)])
            held.go.set()
            await first

    asyncio.run(main())


def test_an_answer_that_came_in_the_last_pause_is_given(location: Location) -> None:
    async def main() -> None:
        clock = HandClock()
        maker = Maker(held=True)
        async with processes(location, 2, now=clock, bus=FakeBus(deaf=True)) as (onces, _):
            first = asyncio.create_task(onces[0].run(REQUEST, maker, within_s=60.0))
            await maker.begun.wait()
            second = asyncio.create_task(onces[1].run(REQUEST, Maker(), within_s=2.0))
            await asyncio.sleep(0.3)
            maker.go.set()
            await first
            clock.go(2.5)
            assert await second == b'{"run":1}'

    asyncio.run(main())


def test_what_was_answered_is_found_without_being_made(location: Location) -> None:
    async def main() -> None:
        async with processes(location, 1) as (onces, _):
            assert await onces[0].replay(REQUEST) is None
            await onces[0].run(REQUEST, Maker(), within_s=5.0)
            assert await onces[0].replay(REQUEST) == b'{"run":1}'
            with pytest.raises(KeyReused):
                await onces[0].replay(replace(REQUEST, content=b"other"))

    asyncio.run(main())
