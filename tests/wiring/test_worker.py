"""A worker that starts, is told to end at any moment, and ends."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from pydantic_core import to_json

from adapters.store.choices import choose
from adapters.store.experiments import ExperimentChange, LoggedEvent, change_experiment
from adapters.store.schema import prepare
from routes.errors import explain
from schemas.sessions import SessionPageView
from settings import MarketSource, Settings, SignalSource, TradingVersion
from tests.fakes.served import free_port
from tests.fakes.settings import settings
from tests.fakes.stack.running import running_stack
from tests.fakes.waiting import eventually
from trading.vocabulary import AssignmentReason
from wiring.bar_signals import HeardSignals
from wiring.evaluated import Failing, failing_choice_of, failing_text
from wiring.life import STOP_S
from wiring.observation import DoorCounts
from wiring.parts import Door
from wiring.runners import open_rule
from wiring.signs import impaired
from wiring.split_in_force import DEFAULT_EXPERIMENT
from wiring.status import reports
from wiring.stores import find_store
from wiring.worker import Worker


@pytest.fixture
def setup(tmp_path: Path) -> Settings:
    found = settings(tmp_path)
    found.data_dir.mkdir()
    prepare(find_store(found))
    return found


@pytest.fixture(autouse=True)
def another_process() -> Iterator[None]:
    """There is one worker in a process, and one register of metrics: each here has its own."""
    before = set(REGISTRY._collector_to_names)
    yield
    for collector in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(collector)


def made(setup: Settings, told: list[str] | None = None) -> Worker:
    door = Door(explain=explain, counts=lambda: DoorCounts(sockets=0, refused={}))
    return Worker(setup, open_rule(setup), door, end=lambda: told.append("end") if told is not None else None)


def test_a_worker_starts_is_ready_and_ends_in_time(setup: Settings) -> None:
    async def main() -> None:
        worker = made(setup)
        assert await worker.start()
        assert worker.not_ready() == []
        # It first finds out what became of the orders of earlier.
        await eventually(lambda: impaired(worker.parts) == [])
        assert worker.drain()
        began_s = time.monotonic()
        await worker.stop()
        assert time.monotonic() - began_s < STOP_S
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.mark.parametrize("wait_s", [0.0, 0.01, 0.03, 0.1, 1.0])
def test_who_is_told_to_end_at_any_moment_leaves_nothing_behind(setup: Settings, wait_s: float) -> None:
    async def main() -> None:
        worker = made(setup)
        starting = asyncio.create_task(worker.start())
        await asyncio.sleep(wait_s)
        started = worker.drain()
        assert await starting is started
        await worker.stop()
        await eventually(lambda: len(asyncio.all_tasks()) == 1)

    asyncio.run(main())


def test_who_waits_for_the_store_can_be_told_to_end(setup: Settings) -> None:
    async def main() -> None:
        worker = made(
            setup.model_copy(update={"database_url": SecretStr(f"postgresql://a:b@127.0.0.1:{free_port()}/c")})
        )
        starting = asyncio.create_task(worker.start())
        await asyncio.sleep(0.5)
        assert not starting.done()
        assert not worker.drain()
        assert await starting is False
        await worker.stop()

    asyncio.run(main())


def test_who_was_told_before_the_start_does_not_start(setup: Settings) -> None:
    async def main() -> None:
        worker = made(setup)
        assert not worker.drain()
        assert not await worker.start()
        await worker.stop()

    asyncio.run(main())


def test_a_worker_without_one_of_its_loops_is_not_ready_and_asks_to_be_ended(
    setup: Settings,
) -> None:
    told: list[str] = []

    async def main() -> None:
        worker = made(setup, told)
        await worker.start()
        worker.parts.queue.tasks[0].cancel()
        await eventually(lambda: worker.not_ready() == ["queue"])
        await eventually(lambda: told)
        worker.drain()
        await worker.stop()

    asyncio.run(main())


def test_a_worker_that_cannot_read_the_experiment_in_force_says_so_and_goes_on_with_the_rule(setup: Settings) -> None:
    told: list[str] = []

    async def main() -> None:
        worker = made(setup, told)
        await worker.start()
        assert reports(worker)["experiment"]()["problem"] is None  # type: ignore[index]
        event = LoggedEvent(number=3, at_s=0.0, market_s=0.0, by="", command="", detail="{}")
        damaged = ExperimentChange(event=event, document="{}", in_force=True)
        await worker.parts.store.write(change_experiment("default", lambda _: damaged))
        await eventually(lambda: "experiment" in impaired(worker.parts))
        assert worker.parts.trials.split.assign("user123").reason is AssignmentReason.UNKNOWN
        said = reports(worker)["experiment"]()
        assert isinstance(said, dict)
        assert (said["key"], said["phase"], said["environment_differs"]) == ("default", None, None)
        assert "damaged" in said["problem"]
        assert reports(worker)["evaluation"]() is None
        assert (worker.not_ready(), told) == ([], [])
        await worker.stop()

    asyncio.run(main())


def test_a_worker_that_cannot_read_the_store_says_so(setup: Settings) -> None:
    async def main() -> None:
        worker = made(setup)
        await worker.start()
        worker.parts.known._as_of_s -= 60.0
        assert "store" in impaired(worker.parts)
        await worker.stop()

    asyncio.run(main())


def test_a_worker_says_that_the_experiment_cannot_be_judged_whoever_tried(setup: Settings) -> None:
    async def main() -> None:
        worker = made(setup)
        await worker.start()
        failing = Failing(run=1, failures=2, error="nan is no price", paused=False)
        await worker.parts.store.write(choose(failing_choice_of(DEFAULT_EXPERIMENT), failing_text(failing)))
        await eventually(lambda: "experiment" in impaired(worker.parts))
        shown = json.loads(to_json(reports(worker)["evaluation"]()))
        assert (shown["error"], shown["failures"]) == ("nan is no price", 2)
        await worker.stop()

    asyncio.run(main())


def test_every_part_of_the_status_can_be_shown(setup: Settings) -> None:
    found = setup.model_copy(update={"adaptive_threshold_url": f"http://127.0.0.1:{free_port()}"})

    async def main() -> None:
        worker = made(found)
        await worker.start()
        await worker.parts.observation.count_jobs()
        shown = json.loads(to_json({name: report() for name, report in reports(worker).items()}))
        assert shown["trading"]["orders"] == {"new": 0, "sending": 0, "open": 0, "unknown": 0}
        assert shown["bars"] is None
        assert shown["thresholds"]["agreement"] == {"agreed": 0, "disagreed": 0, "failed": 0}
        await worker.stop()

    asyncio.run(main())


def test_a_worker_whose_live_market_gets_no_bars_says_so(setup: Settings) -> None:
    live = {"market_source": MarketSource.LIVE, "data_aggregator_url": f"http://127.0.0.1:{free_port()}"}

    async def main() -> None:
        worker = made(setup.model_copy(update=live))
        await worker.start()
        await eventually(lambda: "market_data" in impaired(worker.parts))
        await worker.stop()

    asyncio.run(main())


def test_what_a_worker_trades_with_reaches_its_metrics(setup: Settings) -> None:
    services = {"adaptive_threshold_url": f"http://127.0.0.1:{free_port()}"}

    async def main() -> None:
        worker = made(setup.model_copy(update=services))
        await worker.start()
        worker.parts.neighbours.breakers.of("adaptive_threshold", "thresholds").hold_open()
        worker.parts.acting.missed = 2
        worker.parts.observation.observe()
        worker.parts.metrics.flush()
        held = {"service": "adaptive_threshold", "route": "thresholds"}
        assert REGISTRY.get_sample_value("rl_service_breaker_state", held) == 3.0
        assert REGISTRY.get_sample_value("rl_service_agent_bars_total", {"result": "missed"}) == 2.0
        await worker.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        ("v1m", {"performance": "not_offered"}),
        # It knows its users by tokens, and there is no secret to sign them with.
        ("v2", {"session": "not_asked", "positions": "not_asked", "performance": "not_asked"}),
    ],
)
def test_a_worker_that_trades_on_paper_finds_out_which_sessions_there_are(
    setup: Settings, version: str, missing: dict[str, str]
) -> None:
    async def main(url: str) -> SessionPageView:
        worker = made(setup.model_copy(update={"trading_service_url": url}))
        await worker.start()
        sessions = worker.parts.neighbours.sessions
        assert sessions is not None
        await eventually(lambda: sessions.version is not None)
        page = await worker.parts.sessions.session("anna")
        assert worker.not_ready() == []
        await worker.stop()
        return page

    with running_stack(trading=version) as stack:
        page = asyncio.run(main(stack.trading.url))
    assert page["version"] == version
    assert {problem["part"]: problem["code"] for problem in page["problems"]} == missing


@pytest.mark.parametrize(("source", "heard"), [(SignalSource.GENERATED, False), (SignalSource.TRADING_SERVICE, True)])
def test_acting_agents_get_the_signals_that_the_settings_name(
    setup: Settings, source: SignalSource, heard: bool
) -> None:
    async def main() -> bool:
        url = f"http://127.0.0.1:{free_port()}"
        named = {"trading_service_url": url, "trading_service_version": TradingVersion.V1M, "signal_source": source}
        worker = made(setup.model_copy(update=named))
        await worker.start()
        found = isinstance(worker.parts.acting.signals, HeardSignals)
        await worker.stop()
        return found

    assert asyncio.run(main()) is heard
