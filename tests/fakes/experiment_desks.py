"""Experiments as the workers of one store have them, for tests of commands and of what is assigned."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from adapters.store.engine import Location, Store
from adapters.store.experiments import ExperimentChange, LoggedEvent, Standing, change_experiment
from adapters.store.snapshot import SnapshotReader
from schemas.experiments import AbTestStatus, ConfigureParams, CreateRequest, StageRequest, VersionedRequest
from settings import Settings
from tests.fakes.settings import settings
from tests.fakes.stores import running
from trading.errors import InvalidField
from wiring.experiment_log import state_from
from wiring.experiments import Experiments
from wiring.split_in_force import SplitInForce

MARKET_S, WALL_S = 1_700_000_000.0, 1_760_000_000.0
RAMP = CreateRequest(key="ramp", stages=[StageRequest(share=0.1, approval=True), StageRequest(share=0.5)])


async def check_model(model: str) -> None:
    if model != "ppo":
        raise InvalidField("model", "no such model here")


class Desk:
    """The experiments as one worker has them; it hears of changes from `heard`, another connection where it is told."""

    def __init__(self, store: Store, chosen: Settings, *, heard: Store | None = None) -> None:
        self.store = store
        self.age_s = 0.0
        self.market_s = MARKET_S
        self.wall_s = WALL_S
        self.known = SnapshotReader(heard or store, monotonic_s=lambda: 0.0)
        self.split = SplitInForce(self.known, monotonic_s=lambda: self.age_s)
        self.experiments = Experiments(
            chosen,
            store,
            self.known,
            self.split,
            market_s=lambda: self.market_s,
            check_model=check_model,
            wall_s=lambda: self.wall_s,
        )

    async def look(self) -> None:
        await self.known.refresh()
        self.split.apply()

    async def configure(self, **said: object) -> AbTestStatus:
        params: ConfigureParams = {"enabled": None, "rl_traffic_percentage": None, "reason": None}
        return await self.experiments.configure(params | said)  # type: ignore[operator]

    async def put(self, key: str, document: str, *, in_force: bool) -> None:
        """Keep what no command wrote: the row of an experiment, with an event that is only counted."""

        def change(standing: Standing) -> ExperimentChange:
            number = 1 if standing.document is None else state_from(standing.document).version + 1
            event = LoggedEvent(number=number, at_s=0.0, market_s=0.0, by="", command="", detail="{}")
            return ExperimentChange(event=event, document=document, in_force=in_force)

        await self.store.write(change_experiment(key, change))

    async def give(self, key: str, *commands: str) -> None:
        for command in commands:
            version = self.split.states[key].version
            await self.experiments.command(key, command, VersionedRequest(version=version))


def within(location: Location, test: Callable[[Desk, Desk], Awaitable[None]], **changes: object) -> None:
    """Two workers of one store, the default experiment begun by both at once."""

    async def main() -> None:
        async with running(location) as one, running(location) as other:
            first, second = (Desk(store, settings(Path(), **changes)) for store in (one, other))
            await asyncio.gather(first.experiments.ensure_default(), second.experiments.ensure_default())
            await test(first, second)

    asyncio.run(main())
