"""The experiments of one worker follow what others command, and the other arm is asked beside its requests."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from adapters.boot import boot_clock
from adapters.store.engine import Location, Store
from adapters.store.snapshot import SnapshotReader
from schemas.experiments import ConfigureParams
from tests.fakes.advisers import FakeFallback, FakeFeatures, FakePolicies, FakePolicy
from tests.fakes.journals import entry, insert, rows_of
from tests.fakes.market import FakeMarket, bars_from_closes
from tests.fakes.settings import settings
from tests.fakes.stores import running, sqlite
from tests.fakes.waiting import eventually
from trading.desk import Advisers
from trading.exposure import SPOT
from trading.vocabulary import AssignmentReason
from wiring.trials import Trials


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return sqlite(tmp_path)


class Nothing:
    """Keeps wiring.trials.Timings: nobody was answered yet."""

    def policy_seconds(self) -> Sequence[tuple[float, int]]:
        return []

    def model_seconds(self) -> Mapping[tuple[str, str, str], Sequence[tuple[float, int]]]:
        return {}


async def no_model(model: str) -> None:
    raise AssertionError(f"nobody names {model}")


def trials(store: Store, known: SnapshotReader) -> Trials:
    made = Trials(
        settings(Path()),
        store,
        known,
        FakeMarket({"BTC": bars_from_closes([100.0])}),
        check_model=no_model,
        timings=Nothing(),
        now=boot_clock(),
    )
    advisers = Advisers(rl=FakePolicies(FakePolicy()), fallback=FakeFallback(FakePolicy(target=0.5)))
    made.open_shadows(FakeFeatures(), advisers, SPOT)
    return made


async def end(loops: Sequence[asyncio.Task[None]]) -> None:
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)


def test_what_another_worker_was_told_decides_here_once_it_is_known(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store, running(location) as elsewhere:
            known = SnapshotReader(store)
            here, there = trials(store, known), trials(elsewhere, SnapshotReader(elsewhere))
            await here.experiments.ensure_default()
            loops = here.loops()
            off: ConfigureParams = {"enabled": False, "rl_traffic_percentage": None, "reason": None}
            await there.experiments.configure(off)
            await known.refresh()
            await eventually(lambda: here.split.assign("amy").reason is AssignmentReason.DISABLED)
            await end(loops)

    asyncio.run(main())


def test_what_the_other_arm_would_have_done_comes_to_the_exposure(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            made = trials(store, SnapshotReader(store))
            loops = made.loops()
            await insert(store, [entry(1)])
            made.shadows.offer(entry(1).decision)
            await eventually(lambda: made.shadows.totals["kept"] == 1)
            assert await rows_of(store, "SELECT shadow_arm, shadow_target FROM exposures") == [("fallback", 0.5)]
            await end(loops)

    asyncio.run(main())
