"""Exposures come back with the model that answered and its confidence, for every run of the last days."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import text

from adapters.store.engine import Location, Store
from adapters.store.journal_rows import Entry
from adapters.store.model_exposures import AnsweredRun, ModelExposure, answered_runs, stream_model_exposures
from tests.fakes.exposures import START_S, Exposing, entries
from tests.fakes.journals import insert, rows_of
from tests.fakes.market import HOUR_S
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.vocabulary import Arm, FailureReason


def exposing(user_id: str = "amy", *, hours: float = 1, symbol: str = "BTC", **more: object) -> Exposing:
    return Exposing(user_id=user_id, arm=Arm.RL, hours=hours, target=1.0, price=100.0, symbol=symbol, **more)  # type: ignore[arg-type]


def with_confidence(entry: Entry, confidence: float | None) -> Entry:
    advice = replace(entry.decision.advice, confidence=confidence)
    return entry._replace(decision=replace(entry.decision, advice=advice))


async def streamed(store: Store, *, since_s: float = 0.0, page: int = 100) -> list[ModelExposure]:
    runs = await store.read(answered_runs(since_s=since_s))
    return [
        one
        for each in runs
        async for found in stream_model_exposures(store, each, since_s=since_s, page=page)
        for one in found
    ]


def kept(location: Location, made: Sequence[Entry], **how: float) -> list[ModelExposure]:
    """What is read back of these."""

    async def main() -> list[ModelExposure]:
        async with running(location) as store:
            await insert(store, made)
            return await streamed(store, **how)  # type: ignore[arg-type]

    return run(main())


def test_an_exposure_comes_with_who_answered_and_how_sure_it_was(location: Location) -> None:
    failed = exposing(served=Arm.FALLBACK, failure=FailureReason.POLICY_TIMEOUT)
    assert kept(location, entries([failed])) == [
        ModelExposure(
            user_id="amy",
            symbol="BTC",
            bar_close_s=int(START_S + HOUR_S),
            decision_id=f"{1:032x}",
            assigned_arm=Arm.RL,
            served_arm=Arm.FALLBACK,
            model="ppo-btc-1h",
            model_version="3",
            failed=True,
            price=100.0,
            position_exposure=0.0,
            target_exposure=1.0,
            confidence=0.61,
        )
    ]


@pytest.mark.parametrize("confidence", [None, float("nan"), float("inf")])
def test_a_confidence_that_is_none_or_no_number_is_none(location: Location, confidence: float | None) -> None:
    made = [with_confidence(entries([exposing()])[0], confidence)]
    assert [one.confidence for one in kept(location, made)] == [None]


@pytest.mark.parametrize("confidence", [0.0, 0.1 + 0.2, 1.0])
def test_a_confidence_comes_back_as_it_was(location: Location, confidence: float) -> None:
    made = [with_confidence(entries([exposing()])[0], confidence)]
    assert [one.confidence for one in kept(location, made)] == [confidence]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_pages_miss_none_and_repeat_none(location: Location, page: int) -> None:
    made = entries(
        [exposing(user, hours=hours, symbol=symbol) for user in "ab" for symbol in ("BTC", "ETH") for hours in (1, 2)]
    )
    found = kept(location, made, page=page)
    places = [(one.user_id, one.symbol, one.bar_close_s) for one in found]
    assert places == sorted(places)
    assert len(set(places)) == 8


def test_of_two_decisions_on_one_bar_the_last_one_is_read(location: Location) -> None:
    first, second = entries([exposing(), exposing()])
    later = second._replace(decided_at_s=second.decided_at_s + 5.0)
    assert [one.decision_id for one in kept(location, [first, later])] == [later.decision.request_id]


def test_only_what_was_decided_since_then_is_read(location: Location) -> None:
    made = entries([exposing(hours=1), exposing(hours=2)])
    found = kept(location, made, since_s=made[1].decided_at_s)
    assert [one.decision_id for one in found] == [made[1].decision.request_id]
    assert kept(location, [], since_s=made[1].decided_at_s + 1.0) == []


def test_what_left_the_journal_is_left_out(location: Location) -> None:
    async def main() -> list[ModelExposure]:
        async with running(location) as store:
            await insert(store, entries([exposing("amy"), exposing("bob")]))
            gone = text("DELETE FROM decisions WHERE user_id = 'amy'")
            await store.write(lambda connection: connection.execute(gone))
            assert len(await rows_of(store, "SELECT 1 FROM exposures")) == 2
            return await streamed(store)

    assert [one.user_id for one in run(main())] == ["bob"]


def test_every_run_is_told_with_its_bars_the_latest_last(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, entries([exposing("amy", hours=5), exposing("bob", hours=7)], run=2))
            earlier = entries([exposing("zoe", hours=1), exposing("zoe", hours=3)], run=1)
            renamed = [
                each._replace(decision=replace(each.decision, request_id=f"{place + 10:032x}"))
                for place, each in enumerate(earlier)
            ]
            await insert(store, renamed)
            assert await store.read(answered_runs(since_s=0.0)) == [
                AnsweredRun(
                    experiment="default",
                    run=number,
                    first_bar_s=int(START_S + first * HOUR_S),
                    last_bar_s=int(START_S + last * HOUR_S),
                    last_decided_s=START_S + last * HOUR_S + 1.0,
                )
                for number, first, last in ((1, 1, 3), (2, 5, 7))
            ]

    run(main())
