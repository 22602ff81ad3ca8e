"""What every worker holds in memory of the store, brought up to date by version: agents, positions, choices and
experiments."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select

from adapters.store.agents import agent_of
from adapters.store.connections import StoreConnection
from adapters.store.engine import Store
from adapters.store.experiment_tables import experiments
from adapters.store.experiments import KeptExperiment, experiment_of
from adapters.store.facts import TRADING, halt_from
from adapters.store.ledger import Holding, holding_of
from adapters.store.tables import agents, choices
from adapters.store.trading_tables import positions
from adapters.store.versions import version_now
from trading.agents import Agent, AgentState, ExecutionMode
from trading.orders import ZERO
from trading.vocabulary import Arm, Halt

# Agents, or positions, read at once: between two readings other requests have their turn.
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    # All changes up to `version`, above the one that was asked from; `more` when there are some above it.
    version: int
    agents: Sequence[Agent] = ()
    choices: Sequence[tuple[str, str]] = ()
    holdings: Sequence[Holding] = ()
    experiments: Sequence[KeptExperiment] = ()
    more: bool = False


class SnapshotReader:
    """Keeps trading.ports.Agents and Holdings; as fresh as the last `refresh`. For one event loop."""

    def __init__(self, store: Store, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic_s = monotonic_s
        self._agents: dict[str, Agent] = {}
        self._choices: dict[str, str] = {}
        self._held: dict[tuple[str, str, ExecutionMode], Decimal] = {}
        self._opened: dict[tuple[str, str, ExecutionMode], Arm] = {}
        self._experiments: dict[str, KeptExperiment] = {}
        self._halt = Halt.OPEN
        self._kinds: Counter[tuple[AgentState, str]] = Counter()
        self._as_of_s = float("-inf")
        self._refreshing = asyncio.Lock()
        self.version = -1
        # The newest of an experiment; -1 for none.
        self.experiments_version = -1

    async def refresh(self) -> bool:
        """Take in what changed since the last time; True when something did. Raises StoreUnavailable."""
        # One at a time: of two that overlap, the one that looked first could put back what the other brought.
        async with self._refreshing:
            return await self._refresh()

    async def _refresh(self) -> bool:
        before, started_s = self.version, self._monotonic_s()
        while True:
            changes = await self._store.read(self._newer)
            for agent in changes.agents:
                self.apply(agent)
            self._choices.update(changes.choices)
            self._halt = halt_from(self._choices.get(TRADING))
            for holding in changes.holdings:
                self._hold(holding)
            for experiment in changes.experiments:
                self._experiments[experiment.key] = experiment
                self.experiments_version = max(self.experiments_version, experiment.version)
            self.version = changes.version
            if not changes.more:
                break
            await asyncio.sleep(0)
        self._as_of_s = started_s
        return self.version != before

    def _hold(self, holding: Holding) -> None:
        key = (holding.user_id, holding.symbol, holding.mode)
        self._held[key] = holding.position.quantity
        if holding.position.arm is None:
            self._opened.pop(key, None)
        else:
            self._opened[key] = holding.position.arm

    async def _newer(self, connection: StoreConnection) -> _Changes:
        return await _above(self.version, connection)

    def apply(self, agent: Agent) -> None:
        """Take in one agent that this worker changed; an older version of it changes nothing."""
        known = self._agents.get(agent.user_id)
        if known is not None and known.version >= agent.version:
            return
        if known is not None:
            self._kinds[known.state, known.config.model_type] -= 1
        self._kinds[agent.state, agent.config.model_type] += 1
        self._agents[agent.user_id] = agent

    def of(self, user_id: str) -> Agent | None:
        """See Agents."""
        return self._agents.get(user_id)

    def agents(self) -> Sequence[Agent]:
        """All of them, in no order."""
        return tuple(self._agents.values())

    def running(self) -> Sequence[Agent]:
        """Those that run, in no order."""
        return tuple(agent for agent in self._agents.values() if agent.state is AgentState.RUNNING)

    def held(self, user_id: str, symbol: str, mode: ExecutionMode) -> Decimal:
        """See Holdings."""
        return self._held.get((user_id, symbol, mode), ZERO)

    def opened_by(self, user_id: str, symbol: str, mode: ExecutionMode) -> Arm | None:
        """See Holdings."""
        return self._opened.get((user_id, symbol, mode))

    def halt(self) -> Halt:
        """See Holdings."""
        return self._halt

    def choice(self, name: str) -> str | None:
        """The JSON value that was chosen for `name`; None before the first choice."""
        return self._choices.get(name)

    def experiments(self) -> Mapping[str, KeptExperiment]:
        """Every experiment by its key; whenever one changes, its `version` and `experiments_version` grow."""
        return dict(self._experiments)

    def in_force(self) -> str | None:
        """The key of the experiment that assigns users; None for none."""
        return next((key for key, experiment in self._experiments.items() if experiment.in_force), None)

    def age_s(self, monotonic_s: float) -> float:
        """Seconds since this was what the store held; infinite before the first refresh."""
        return monotonic_s - self._as_of_s

    def model_types(self) -> frozenset[str]:
        """What the agents that may still decide, running or paused, name as their model."""
        return frozenset(
            model for (state, model), count in tuple(self._kinds.items()) if count and state is not AgentState.STOPPED
        )

    def count(self, state: AgentState) -> int:
        """How many agents are in a state."""
        return sum(count for (found, _), count in self._kinds.items() if found is state)


async def _above(known: int, connection: StoreConnection) -> _Changes:
    version = await version_now(connection)
    if version == known:
        return _Changes(version=version)
    newer = select(agents).where(agents.c.version > known).order_by(agents.c.version).limit(CHUNK)
    changed = [agent_of(row) for row in await connection.execute(newer)]
    held = select(positions).where(positions.c.version > known).order_by(positions.c.version).limit(CHUNK)
    holdings = [holding_of(row) for row in await connection.execute(held)]
    experimented = select(experiments).where(experiments.c.version > known)
    chosen = select(choices.c.name, choices.c.value).where(choices.c.version > known)
    # What lies above the last of a full reading is read again with the next.
    ends = [read[-1].version for read in (changed, holdings) if len(read) == CHUNK]
    return _Changes(
        version=min(ends, default=version),
        agents=changed,
        holdings=holdings,
        experiments=[experiment_of(row) for row in await connection.execute(experimented)],
        choices=[(row.name, row.value) for row in await connection.execute(chosen)],
        more=bool(ends),
    )
