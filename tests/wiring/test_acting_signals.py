"""A bar and the signals it is to be decided on: who has none leaves it to those who have."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from adapters.boot import boot_clock
from adapters.store.engine import Location, Work
from adapters.trading_service.signals import Heard, HeardSignal
from rl_models.live import LiveFeatures
from tests.fakes.market import FakeMarket
from tests.fakes.stores import STORES
from tests.fakes.waiting import eventually
from tests.wiring.acting_workers import BARS, FIRST, SECRET, acting, close_of, id_of, place
from trading.acting import AgentBar
from trading.agents import Agent
from trading.errors import NotSent, StoreUnavailable
from trading.vocabulary import Action, Reading, Signal
from wiring.acting import Acting, Scene
from wiring.bar_signals import HeardSignals

NOW_S = 1_767_225_600.0
READING = Reading(confidence=0.8, rsi=28.5, change_percent=-2.5, volume_usd=6e7, action=Action.BUY)
HEARD = Heard(signals=[HeardSignal(symbol="BTC", reading=READING, price=60_000.0, at_s=NOW_S)], refused=[])


@pytest.fixture
def file(tmp_path: Path) -> Location:
    return STORES["sqlite"](tmp_path)


class SlowSignals:
    """Implements Signals with none, once it is told that they will not come."""

    def __init__(self) -> None:
        self.over = False
        self.asked = 0

    def ready(self, close_s: int) -> bool:
        self.asked += 1
        return self.over

    def of(self, bar: AgentBar) -> Signal | None:
        assert self.over
        return Signal(user_id=bar.user_id, symbol=bar.symbol, reading=None, quote=None, sent_at_s=None)


def test_a_bar_waits_for_its_signal_untaken_and_is_decided_on_once_without_one(file: Location) -> None:
    async def main() -> None:
        signals = SlowSignals()
        async with place(file, [acting()], workers=2, signals=[signals, signals]) as here:
            here.close(FIRST + 1)
            await eventually(lambda: signals.asked > 4)
            # Nobody holds it meanwhile: whoever has the signals first decides.
            assert await here.states() == []
            signals.over = True
            await here.come_to([(close_of(FIRST + 1), "done")])
            assert await here.kept() == [id_of(FIRST + 1)]
            decided = [signal for worker in here.workers for signal in worker.signals]
            assert [signal.reading for signal in decided] == [None] * len(decided)

    asyncio.run(main())


def test_a_bar_whose_signals_come_too_late_is_missed(file: Location) -> None:
    async def main() -> None:
        signals = SlowSignals()
        async with place(file, [acting()], signals=[signals]) as here:
            here.close(FIRST + 1)
            await eventually(lambda: signals.asked)
            here.market.set_now(close_of(FIRST + 1) + 600.0)
            await here.come_to([(close_of(FIRST + 1), "missed")])
            assert here.workers[0].signals == []

    asyncio.run(main())


def test_a_worker_that_hears_nothing_leaves_the_bar_to_one_that_does(file: Location) -> None:
    async def main() -> None:
        asked: list[float] = []
        answer, never = asyncio.Event(), asyncio.Event()

        async def shut(left_s: float) -> Heard:
            asked.append(left_s)
            raise NotSent("its circuit breaker is open")

        async def sound(_: float) -> Heard:
            await answer.wait()
            return HEARD

        async def sleep(_: float) -> None:
            if len(asked) > 1:
                await never.wait()

        deaf = HeardSignals(shut, max_age_s=60.0, sleep=sleep)
        hearing = HeardSignals(sound, max_age_s=60.0, wall_s=lambda: NOW_S)
        async with place(file, [acting()], workers=2, signals=[deaf, hearing]) as here:
            here.close(FIRST + 1)
            await eventually(lambda: len(asked) == 2)
            await asyncio.sleep(0.3)  # longer than from one look to the next
            assert await here.states() == []
            answer.set()
            await here.come_to([(close_of(FIRST + 1), "done")])
            assert [[signal.reading for signal in worker.signals] for worker in here.workers] == [[], [READING]]

    asyncio.run(main())


class AwayStore:
    """A store that takes no writes."""

    def __init__(self) -> None:
        self.writes = 0

    async def write(self, work: Work[object]) -> object:
        self.writes += 1
        raise StoreUnavailable("away")


def test_a_bar_that_waits_for_its_signals_is_tried_once_at_a_time_while_the_store_is_away() -> None:
    async def main() -> None:
        market = FakeMarket({"BTC": BARS}, now_s=close_of(FIRST) + 120.0)
        features, signals, store = LiveFeatures(market), SlowSignals(), AwayStore()
        features.refresh()
        moment = boot_clock()()
        looks: list[None] = []

        def agents() -> Sequence[Agent]:
            looks.append(None)
            return [acting()]

        async def decide(*_: object) -> None:
            raise AssertionError("there is nothing to decide on")

        scene = Scene(
            store=store,  # type: ignore[arg-type] - all that is asked of it here
            market=market,
            features=features,
            signals=signals,
            agents=agents,
            decide=decide,
            secret=SECRET,
            now=lambda: moment,
        )
        loop = asyncio.create_task(Acting(scene, chance=lambda: 0.0).run())
        await eventually(lambda: looks)
        # One bar too late, which the store would have to be told, and one that has no signals yet.
        market.set_now(close_of(FIRST + 2) + 1.0)
        features.refresh()
        await eventually(lambda: store.writes == 1)
        assert signals.asked == 1
        moment = moment.after(0.2)
        await eventually(lambda: signals.asked == 2)
        await asyncio.sleep(0.3)  # longer than from one look to the next
        assert signals.asked == 2
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)

    asyncio.run(main())
