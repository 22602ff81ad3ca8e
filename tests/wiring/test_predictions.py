"""Predictions with a key, over two processes of one store."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from adapters.store.answers import LEASE_S
from adapters.store.engine import Location, Store
from schemas.predictions import PredictParams, PredictRequest, to_params
from tests.fakes.advisers import FakeFeatures, FakeOrders
from tests.fakes.bus import FakeBus
from tests.fakes.decisions import DECISION
from tests.fakes.jobs import HandClock
from tests.fakes.journals import journalling, rows_of
from tests.fakes.stores import STORES, running
from tests.fakes.waiting import eventually
from trading.errors import InvalidField, UnknownSymbol
from trading.topics import topic_of
from trading.vocabulary import Action, Decision, MarketView, Signal
from wiring.job_runner import Surroundings
from wiring.once import Once
from wiring.predictions import Predictions
from wiring.queue import Queue

BODY = {
    "user_id": "user123",
    "symbol": "BTC",
    "signal_data": {"confidence": 0.5, "rsi": 50.0, "change_percent": 0.1, "volume": 1.0, "action": "BUY"},
}


def params(**changes: object) -> PredictParams:
    return to_params(PredictRequest.model_validate(BODY | changes))


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


@dataclass
class FakeDesk:
    """Stands for trading.desk.Desk: one action for all, when let."""

    action: Action
    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def decide(self, signal: Signal, *, request_id: str, budget_s: float) -> Decision:
        self.begun.set()
        await self.go.wait()
        return replace(DECISION, request_id=request_id, signal=signal, action=self.action)


@dataclass
class Process:
    """One worker's predictions, and what its users' sockets hear."""

    predictions: Predictions
    desk: FakeDesk
    once: Once
    queue: Queue
    features: FakeFeatures
    heard: list[str]
    offered: list[Decision]


@asynccontextmanager
async def processes(location: Location, folder: Path, clock: HandClock) -> AsyncIterator[tuple[list[Process], Store]]:
    made = []
    async with AsyncExitStack() as stack:
        for number, action in enumerate((Action.SELL, Action.BUY)):
            store = await stack.enter_async_context(running(location))
            journal = await stack.enter_async_context(journalling(store, folder / str(number)))
            bus, heard, desk, features = FakeBus(), list[str](), FakeDesk(action), FakeFeatures()
            offered: list[Decision] = []
            bus.subscribe(topic_of("user123"), lambda message, heard=heard: heard.append(json.loads(message)["action"]))
            predictions = Predictions(
                desk,  # type: ignore[arg-type]
                features,
                journal,
                FakeOrders(),
                bus,
                market={"source": "fake", "speed": 1.0},
                timeout_s=60.0,
                offer=offered.append,
            )
            around = Surroundings(
                store=store,
                journal=journal,
                bus=bus,
                now=clock,
                decide=predictions.decide_later,
                explain=lambda error: pytest.fail(str(error)),
                announce=predictions.announce,
            )
            once = Once(store, bus, secret=b"secret", now=clock)
            queue = Queue(around, max_waiting=10, max_polls=10)
            made.append(Process(predictions, desk, once, queue, features, heard, offered))
        yield made, store


def test_only_what_was_stored_is_pushed_and_only_by_who_stored_it(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        clock = HandClock()
        async with processes(location, tmp_path, clock) as ((slow, quick), store):
            first = asyncio.create_task(slow.predictions.answer_once(params(), "k", slow.once))
            await slow.desk.begun.wait()
            clock.go(LEASE_S)
            quick.desk.go.set()
            answer = await quick.predictions.answer_once(params(), "k", quick.once)
            slow.desk.go.set()
            assert json.loads(await first) == json.loads(answer)
            assert (slow.heard, quick.heard) == ([], ["BUY"])
            assert await rows_of(store, "SELECT action FROM decisions") == [("BUY",)]

    asyncio.run(main())


def test_the_sockets_hear_of_it_also_when_the_caller_is_gone(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with processes(location, tmp_path, HandClock()) as ((here, _), _):
            call = asyncio.create_task(here.predictions.answer_once(params(), "k", here.once))
            await here.desk.begun.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            here.desk.go.set()
            await eventually(lambda: here.heard == ["SELL"])

    asyncio.run(main())


def test_an_accepted_request_is_accepted_again_though_its_symbol_is_gone(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with processes(location, tmp_path, HandClock()) as ((here, _), _):
            asked = params(idempotency_key="k")
            first = await here.predictions.accept(asked, here.queue, here.once)
            here.features.view = delisted  # type: ignore[method-assign]
            assert await here.predictions.accept(asked, here.queue, here.once) == first
            with pytest.raises(UnknownSymbol):
                await here.predictions.accept(params(idempotency_key="new"), here.queue, here.once)
            with pytest.raises(UnknownSymbol):
                await here.predictions.accept(params(), here.queue, here.once)

    asyncio.run(main())


def test_a_signal_from_the_future_does_not_use_up_its_key(location: Location, tmp_path: Path) -> None:
    async def main() -> None:
        async with processes(location, tmp_path, HandClock()) as ((here, _), _):
            here.desk.go.set()
            with pytest.raises(InvalidField, match="future"):
                await here.predictions.answer_once(params(timestamp="2999-01-01T00:00:00Z"), "k", here.once)
            assert json.loads(await here.predictions.answer_once(params(), "k", here.once))["action"] == "SELL"

    asyncio.run(main())


def test_every_decision_is_offered_that_of_an_agent_on_a_bar_too(location: Location, tmp_path: Path) -> None:
    async def nothing(_: object) -> None:
        return None

    async def main() -> None:
        async with processes(location, tmp_path, HandClock()) as ((here, _), _):
            here.desk.go.set()
            await here.predictions.answer(params(), request_id="asked")
            await here.predictions.decide_on_bar(DECISION.signal, "on a bar", nothing)
            assert [decision.request_id for decision in here.offered] == ["asked", "on a bar"]

    asyncio.run(main())


def delisted(symbol: str) -> MarketView:
    raise UnknownSymbol(symbol)
