"""Experiments in the store: a log without gaps, what it adds up to, and which one is in force for every worker."""

import asyncio
from dataclasses import replace

import pytest

from adapters.store.engine import Location, Store
from adapters.store.experiments import (
    Change,
    ExperimentChange,
    KeptExperiment,
    LoggedEvent,
    Standing,
    Times,
    change_experiment,
    event_documents,
    list_experiments,
    read_events,
)
from adapters.store.failures import RefusedStatement
from adapters.store.snapshot import SnapshotReader
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.errors import IllegalChange, StaleVersion


def event(number: int, *, by: str = "operator") -> LoggedEvent:
    return LoggedEvent(
        number=number,
        at_s=1_760_000_000.5 + number,
        market_s=1_700_000_000.25 + number,
        by=by,
        command="configure",
        detail=f'{{"number": {number}, "by": "{by}", "reason": "a\\nb \\u0000 ü"}}',
    )


def changing(number: int, *, document: str = "{}", in_force: bool = True, by: str = "operator") -> Change:
    return lambda *_: ExperimentChange(event=event(number, by=by), document=document, in_force=in_force)


def counting(standing: Standing) -> ExperimentChange:
    """One more than what is kept."""
    number = 1 if standing.document is None else int(standing.document) + 1
    return ExperimentChange(event=event(number), document=str(number), in_force=True)


async def change(store: Store, key: str, *numbers: int) -> None:
    for number in numbers:
        await store.write(change_experiment(key, changing(number, document=f'"{key} {number}"')))


def test_the_log_is_read_back_as_it_was_written(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await change(store, "default", 1, 2, 3)
            await change(store, "other", 1)
        async with running(location) as again:
            assert await again.read(read_events("default", after=0, limit=10)) == [event(1), event(2), event(3)]
            assert await again.read(read_events("default", after=1, limit=1)) == [event(2)]
            assert await again.read(event_documents("default", 2)) == [event(1).detail, event(2).detail]
            assert await again.read(event_documents("none", 2)) == []

    run(main())


def test_an_experiment_is_what_its_last_event_made_it(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await change(store, "default", 1, 2)
            (kept,) = await store.read(list_experiments())
            assert kept == KeptExperiment(key="default", document='"default 2"', in_force=True, version=kept.version)

    run(main())


@pytest.mark.parametrize("number", [0, 1, 2, 4])
def test_an_event_that_is_not_the_next_is_refused_with_the_version_there_is(location: Location, number: int) -> None:
    async def main() -> None:
        async with running(location) as store:
            await change(store, "default", 1, 2)
            with pytest.raises(StaleVersion) as refused:
                await change(store, "default", number)
            assert refused.value.version == 2
            assert await store.read(read_events("default", after=0, limit=10)) == [event(1), event(2)]
            assert [kept.document for kept in await store.read(list_experiments())] == ['"default 2"']

    run(main())


def test_of_two_writers_with_the_same_number_one_wins(location: Location) -> None:
    async def main() -> None:
        async with running(location) as one, running(location) as two:
            writers = [
                store.write(change_experiment("default", changing(1, by=by, document=f'"{by}"')), within_s=30)
                for store, by in ((one, "amy"), (two, "bob"), (one, "cyd"), (two, "dan"))
            ]
            outcomes = await asyncio.gather(*writers, return_exceptions=True)
            (won,) = [outcome for outcome in outcomes if isinstance(outcome, ExperimentChange)]
            assert sum(isinstance(outcome, StaleVersion) for outcome in outcomes) == 3
            assert await one.read(read_events("default", after=0, limit=10)) == [won.event]
            assert [kept.document for kept in await one.read(list_experiments())] == [won.document]

    run(main())


def test_each_change_is_made_of_the_experiment_as_it_is_whoever_else_changes_it(location: Location) -> None:
    async def main() -> None:
        async with running(location) as one, running(location) as two:
            stores = (one, two) * 10
            changes = [store.write(change_experiment("default", counting), within_s=30) for store in stores]
            written = [changed.event.number for changed in await asyncio.gather(*changes) if changed is not None]
            assert sorted(written) == list(range(1, 21))
            assert [kept.document for kept in await one.read(list_experiments())] == ["20"]

    run(main())


def test_what_changes_nothing_writes_nothing(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await change(store, "default", 1)
            snapshot = SnapshotReader(store)
            await snapshot.refresh()
            assert await store.write(change_experiment("default", lambda *_: None)) is None
            assert await snapshot.refresh() is False

    run(main())


def test_a_change_sees_what_stands_in_its_own_transaction(location: Location) -> None:
    seen: list[Standing] = []

    def look(standing: Standing) -> None:
        seen.append(standing)

    async def main() -> None:
        async with running(location) as store:
            await store.write(change_experiment("two", look))
            assert seen.pop() == Standing(
                document=None, in_force=None, experiments=0, latest=None, latest_in_force=None
            )
            await change(store, "one", 1, 2)
            await change(store, "two", 1)
            await store.write(change_experiment("one", look))
            (found,) = seen
            assert found.document == '"one 2"'
            assert found.in_force is not None
            assert (found.in_force.key, found.experiments) == ("two", 2)
            assert found.latest == Times(at_s=event(2).at_s, market_s=event(2).market_s)
            assert found.latest_in_force == Times(at_s=event(1).at_s, market_s=event(1).market_s)

    run(main())


def test_a_change_that_raises_leaves_all_as_it_was(location: Location) -> None:
    def refuse(*_: object) -> ExperimentChange:
        raise IllegalChange("killed")

    async def main() -> None:
        async with running(location) as store:
            with pytest.raises(IllegalChange):
                await store.write(change_experiment("default", refuse))
            assert await store.read(list_experiments()) == []

    run(main())


def test_before_the_first_experiment_a_worker_knows_none(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            snapshot = SnapshotReader(store)
            await snapshot.refresh()
            assert (snapshot.experiments(), snapshot.in_force(), snapshot.experiments_version) == ({}, None, -1)

    run(main())


def test_a_change_of_another_worker_is_known_after_a_refresh(location: Location) -> None:
    async def main() -> None:
        async with running(location) as here, running(location) as there:
            snapshot = SnapshotReader(here)
            await change(there, "default", 1)
            assert await snapshot.refresh() is True
            first = snapshot.experiments_version
            assert snapshot.experiments()["default"].document == '"default 1"'
            await change(there, "default", 2)
            assert await snapshot.refresh() is True
            (kept,) = snapshot.experiments().values()
            assert kept.document == '"default 2"'
            assert kept.version == snapshot.experiments_version > first

    run(main())


def test_the_experiment_in_force_relieves_the_one_before_it(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            early, late = SnapshotReader(store), SnapshotReader(store)
            await change(store, "one", 1)
            await early.refresh()
            assert early.in_force() == "one"
            await change(store, "two", 1)
            for snapshot in (early, late):
                await snapshot.refresh()
                assert snapshot.in_force() == "two"
                assert set(snapshot.experiments()) == {"one", "two"}
            assert [kept.key for kept in await store.read(list_experiments()) if kept.in_force] == ["two"]

    run(main())


def test_what_becomes_of_the_one_whose_place_is_taken_is_written_with_it_or_not_at_all(location: Location) -> None:
    ended = ExperimentChange(event=event(2), document='"ended"', in_force=False)
    again = replace(ended, event=event(1))

    def taking(displaced: ExperimentChange) -> Change:
        return lambda _: ExperimentChange(event=event(1), document="{}", in_force=True, displaced=displaced)

    async def main() -> None:
        async with running(location) as store:
            await change(store, "one", 1)
            # It is there already: with it nothing else is written.
            with pytest.raises(RefusedStatement):
                await store.write(change_experiment("two", taking(again)))
            assert [kept.key for kept in await store.read(list_experiments())] == ["one"]
            await store.write(change_experiment("two", taking(ended)))
            assert await store.read(read_events("one", after=0, limit=9)) == [event(1), event(2)]
            kept = [(one.key, one.document, one.in_force) for one in await store.read(list_experiments())]
            assert kept == [("one", '"ended"', False), ("two", "{}", True)]
            snapshot = SnapshotReader(store)
            await snapshot.refresh()
            assert (snapshot.in_force(), snapshot.experiments()["one"].document) == ("two", '"ended"')

    run(main())


def test_an_experiment_that_is_no_longer_in_force_leaves_none(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            snapshot = SnapshotReader(store)
            await change(store, "one", 1)
            await store.write(change_experiment("two", changing(1, in_force=False)))
            await snapshot.refresh()
            assert snapshot.in_force() == "one"
            await store.write(change_experiment("one", changing(2, in_force=False)))
            await snapshot.refresh()
            assert snapshot.in_force() is None

    run(main())


def test_an_event_is_kept_with_its_times_to_the_last_bit(location: Location) -> None:
    odd = replace(event(1), at_s=0.1 + 0.2, market_s=1e9 / 3)

    async def main() -> None:
        async with running(location) as store:
            kept = ExperimentChange(event=odd, document="{}", in_force=True)
            await store.write(change_experiment("default", lambda *_: kept))
            assert await store.read(read_events("default", after=0, limit=1)) == [odd]

    run(main())
