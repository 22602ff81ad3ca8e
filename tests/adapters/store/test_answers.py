"""The steps of an idempotency key, on each database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from adapters.store.answers import (
    LEASE_S,
    Answered,
    Busy,
    Claimed,
    Keyed,
    Lost,
    answer_once,
    claim,
    keep,
    look,
    release,
    renew,
)
from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store, Work
from tests.fakes.jobs import HandClock, note, noted
from tests.fakes.stores import running
from trading.errors import IllegalChange, KeyReused

KEYED = Keyed(user_id="user123", operation="predict", key="k", fingerprint="f")


def noting(name: str) -> Work[object]:
    return lambda connection: note(connection, frozenset({name}))


def within(location: Location, test: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(location) as store:
            await test(store)

    asyncio.run(main())


def test_the_first_claims_and_answers_and_the_next_is_told(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        assert await store.write(claim(KEYED, clock)) == Claimed(epoch=1)
        assert await store.write(claim(KEYED, clock)) == Busy()

        assert await store.write(keep(KEYED, 1, '{"a":1}', noting("d"))) == Answered(answer='{"a":1}', fresh=True)

        told = Answered(answer='{"a":1}', fresh=False)
        assert await store.write(claim(KEYED, clock)) == told
        assert await store.read(look(KEYED, clock)) == told
        assert await store.read(noted) == ["d"]

    within(location, test)


def test_other_content_under_the_same_key_is_refused(location: Location) -> None:
    async def test(store: Store) -> None:
        other = replace(KEYED, fingerprint="another")
        await store.write(claim(KEYED, HandClock()))
        for step in (claim(other, HandClock()), look(other, HandClock())):
            with pytest.raises(KeyReused):
                await store.write(step)

    within(location, test)


@pytest.mark.parametrize("change", [{"user_id": "another"}, {"operation": "control"}, {"key": "another"}])
def test_a_key_belongs_to_one_user_and_operation(location: Location, change: dict[str, str]) -> None:
    async def test(store: Store) -> None:
        await store.write(claim(KEYED, HandClock()))

        assert await store.write(claim(replace(KEYED, **change), HandClock())) == Claimed(epoch=1)

    within(location, test)


def test_a_claim_whose_process_is_gone_is_taken_over_and_its_late_answer_is_lost(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        await store.write(claim(KEYED, clock))
        clock.go(LEASE_S)

        assert await store.write(claim(KEYED, clock)) == Claimed(epoch=2)
        assert await store.write(keep(KEYED, 1, "late", noting("late"))) == Lost()
        await store.write(release(KEYED, 1))
        assert await store.write(keep(KEYED, 2, "right", noting("right"))) == Answered(answer="right", fresh=True)
        assert await store.write(keep(KEYED, 1, "late", noting("late"))) == Lost()
        assert await store.read(noted) == ["right"]

    within(location, test)


def test_a_renewed_claim_is_not_taken_over(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        await store.write(claim(KEYED, clock))
        clock.go(LEASE_S - 0.5)
        await store.write(renew(KEYED, 1, clock))
        clock.go(1.0)
        clock.jump(3600.0)

        assert await store.write(claim(KEYED, clock)) == Busy()

    within(location, test)


def test_a_released_key_is_new_again(location: Location) -> None:
    async def test(store: Store) -> None:
        await store.write(claim(KEYED, HandClock()))
        await store.write(release(KEYED, 1))

        assert await store.read(look(KEYED, HandClock())) == Claimed(epoch=1)
        assert await store.write(claim(replace(KEYED, fingerprint="another"), HandClock())) == Claimed(epoch=1)

    within(location, test)


def test_an_answer_is_never_released_nor_changed(location: Location) -> None:
    async def test(store: Store) -> None:
        clock = HandClock()
        await store.write(claim(KEYED, clock))
        await store.write(keep(KEYED, 1, "first", noting("d")))
        await store.write(release(KEYED, 1))
        clock.go(10 * LEASE_S)

        assert await store.write(keep(KEYED, 1, "second", noting("d"))) == Answered(answer="first", fresh=True)
        assert await store.write(claim(KEYED, clock)) == Answered(answer="first", fresh=False)
        assert await store.read(noted) == ["d"]

    within(location, test)


def test_one_transaction_answers_once(location: Location) -> None:
    async def main() -> None:
        clock = HandClock()
        runs = []

        async def answer(connection: StoreConnection) -> bytes:
            runs.append(1)
            await note(connection, frozenset({"d"}))
            return f"answer {len(runs)}".encode()

        async with running(location) as one, running(location) as other:
            found = []
            for _ in range(3):
                found += await asyncio.gather(
                    *(store.write(answer_once(KEYED, clock, answer)) for store in (one, other) * 20)
                )
            found.append(await other.write(answer_once(KEYED, clock, answer)))
            told = [each for each in found if isinstance(each, Answered)]
            assert len({each.answer for each in told}) == 1
            assert sum(each.fresh for each in told) == 1
            assert found[-1] in told
            assert await one.read(noted) == ["d"]

    asyncio.run(main())


def test_an_error_of_the_transaction_leaves_no_key(location: Location) -> None:
    async def test(store: Store) -> None:
        async def refuse(_: StoreConnection) -> bytes:
            raise IllegalChange("stopped")

        async def answer(_: StoreConnection) -> bytes:
            return b"{}"

        with pytest.raises(IllegalChange):
            await store.write(answer_once(KEYED, HandClock(), refuse))
        assert await store.write(answer_once(KEYED, HandClock(), answer)) == Answered(answer="{}", fresh=True)

    within(location, test)
