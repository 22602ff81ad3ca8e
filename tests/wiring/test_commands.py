"""Commands to agents with an idempotency key."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.boot import boot_clock
from adapters.store.snapshot import SnapshotReader
from rl_models.shelf import Candidate, Shelf
from schemas.agent_configs import AgentConfigBody
from schemas.agents import AgentStartParams
from tests.fakes.bars import random_bars
from tests.fakes.bundles import ensemble_manifest, policy_manifest
from tests.fakes.bus import FakeBus
from tests.fakes.closers import nowhere
from tests.fakes.market import FakeMarket
from tests.fakes.stores import running, sqlite
from trading.agents import ExecutionMode
from trading.errors import InvalidField
from wiring.agent_checks import AgentChecks
from wiring.agents import AgentDesk
from wiring.commands import AgentCommands
from wiring.models import Model
from wiring.once import Once

CROWD = Model(manifest=ensemble_manifest(()), networks=(), digest="sha256:1", bundle=None)
CONFIG = AgentConfigBody.model_validate({"model_type": "ensemble", "symbols": ("BTC",), "execution": ExecutionMode.OFF})


@dataclass
class FakeModels:
    """Keeps wiring.agents.KnownModels."""

    current: Model = CROWD
    others: dict[str, Model] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)


def test_a_start_is_answered_again_though_its_symbol_is_gone(tmp_path: Path) -> None:
    def asked(key: str | None) -> AgentStartParams:
        return {"user_id": "a", "config": CONFIG, "idempotency_key": key}

    location = sqlite(tmp_path)

    async def main() -> None:
        async with running(location) as store:
            known = SnapshotReader(store)

            def commands(market: FakeMarket) -> AgentCommands:
                checks = AgentChecks(market, lambda: Shelf(candidates=(), refusals=()), mode=ExecutionMode.PAPER)
                once = Once(store, FakeBus(), secret=b"secret", now=boot_clock())
                desk = AgentDesk(store, known, FakeModels(), checks, nowhere(store))
                return AgentCommands(desk, checks, market, known, once)

            first = await commands(FakeMarket({"BTC": random_bars(3)})).start(asked("k"))
            assert json.loads(first)["result"] == "started"
            without = commands(FakeMarket({"ETH": random_bars(3)}))
            assert await without.start(asked("k")) == first
            for key in ("another", None):
                with pytest.raises(InvalidField, match="no BTC"):
                    await without.start(asked(key))

    asyncio.run(main())


def test_a_start_that_is_answered_again_asks_nobody_about_a_session(tmp_path: Path) -> None:
    asked: list[str] = []

    async def session_trades(user_id: str) -> bool:
        asked.append(user_id)
        return True

    live = {"model_type": "sure", "symbols": ("BTC",), "execution": ExecutionMode.LIVE, "capital_usd": 100.0}
    start: AgentStartParams = {
        "user_id": "a",
        "config": AgentConfigBody.model_validate(live),
        "idempotency_key": "k",
    }
    sure = Candidate(manifest=policy_manifest("sure"), digest="sha256:2", path=tmp_path)

    async def main() -> None:
        async with running(sqlite(tmp_path)) as store:
            known, market = SnapshotReader(store), FakeMarket({"BTC": random_bars(3)})
            checks = AgentChecks(
                market,
                lambda: Shelf(candidates=(sure,), refusals=()),
                mode=ExecutionMode.LIVE,
                session_trades=session_trades,
            )
            once = Once(store, FakeBus(), secret=b"secret", now=boot_clock())
            desk = AgentDesk(store, known, FakeModels(), checks, nowhere(store))
            commands = AgentCommands(desk, checks, market, known, once)
            first = await commands.start(start)
            assert "session_trades" in [warning["code"] for warning in json.loads(first)["warnings"]]
            assert await commands.start(start) == first
            assert asked == ["a"]

    asyncio.run(main())
