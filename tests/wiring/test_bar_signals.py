"""The signals of TradingService for agents that decide by themselves: asked for once, fresh, or none at all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adapters.trading_service.signals import TRUSTED_SOURCE, Heard, HeardSignal, hear_signals
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from tests.fakes.stack.faults import FaultKind
from tests.fakes.stack.running import running_stack
from tests.fakes.waiting import eventually, run
from trading.acting import AgentBar
from trading.errors import OutcomeUnknown
from trading.vocabulary import Action, Quote, Reading, Signal
from wiring.bar_signals import HEAR_S, HeardSignals

NOW_S = 1_767_225_600.0
CLOSE_S = 1_767_225_600
HOUR_S = 3600
READING = Reading(confidence=0.8, rsi=28.5, change_percent=-2.5, volume_usd=6e7, action=Action.BUY)
HEARD = HeardSignal(symbol="BTC", reading=READING, price=60_000.0, at_s=NOW_S - 30.0)


def bar(symbol: str = "BTC", *, close_s: int = CLOSE_S, user_id: str = "anna") -> AgentBar:
    return AgentBar(user_id=user_id, symbol=symbol, bar_close_s=close_s)


@dataclass
class Service:
    """Answers when it is let; counts how often it was asked."""

    answer: Heard | Exception = field(default_factory=lambda: Heard(signals=[HEARD], refused=[]))
    asked: int = 0
    left_s: float = 0.0
    let: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, left_s: float) -> Heard:
        self.asked += 1
        self.left_s = left_s
        await self.let.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Clock:
    """The time of a worker, which passes as it sleeps."""

    now_s: float = 1000.0

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def told(service: Service, of: AgentBar = bar(), *, wall_s: Callable[[], float] = lambda: NOW_S) -> Signal | None:  # noqa: B008 - frozen
    """The signal of a bar once the service has answered."""

    async def main() -> Signal | None:
        clock = Clock()
        signals = HeardSignals(
            service, max_age_s=60.0, wall_s=wall_s, monotonic_s=lambda: clock.now_s, sleep=clock.sleep
        )
        service.let.set()
        signals.ready(of.bar_close_s)
        await eventually(lambda: signals.ready(of.bar_close_s))
        return signals.of(of)

    return asyncio.run(main())


def test_a_signal_is_passed_on_with_its_time_and_its_price() -> None:
    quote = Quote(price=60_000.0, bid=None, ask=None, at_s=HEARD.at_s)
    expected = Signal(user_id="anna", symbol="BTC", reading=READING, quote=quote, sent_at_s=HEARD.at_s)
    assert told(Service()) == expected


def test_all_agents_of_a_close_share_one_question_and_wait_for_its_answer() -> None:
    async def main() -> None:
        service = Service()
        signals = HeardSignals(service, max_age_s=60.0, wall_s=lambda: NOW_S)
        assert not any(signals.ready(CLOSE_S) for _ in range(100))
        await eventually(lambda: service.asked == 1)
        service.let.set()
        await eventually(lambda: signals.ready(CLOSE_S))
        users = [f"u{number}" for number in range(100)]
        readings = [signals.of(bar(user_id=user)) for user in users]
        assert [signal.user_id for signal in readings if signal is not None] == users
        # What closed earlier is nobody's to decide on any more; the next close is another question.
        assert signals.ready(CLOSE_S - HOUR_S)
        assert service.asked == 1
        assert not signals.ready(CLOSE_S + HOUR_S)
        await eventually(lambda: signals.ready(CLOSE_S + HOUR_S))
        assert service.asked == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    ("service", "of", "now_s"),
    [
        (Service, bar("ETH"), NOW_S),
        (Service, bar(), NOW_S + 31.0),
        (Service, bar(), NOW_S - 36.0),
        (lambda: Service(OutcomeUnknown("late")), bar(), NOW_S),
    ],
    ids=["of another symbol", "too old", "from the future", "no answer"],
)
def test_where_there_is_no_signal_none_takes_its_place(
    service: Callable[[], Service], of: AgentBar, now_s: float
) -> None:
    nothing = Signal(user_id="anna", symbol=of.symbol, reading=None, quote=None, sent_at_s=None)
    assert told(service(), of, wall_s=lambda: now_s) == nothing


@pytest.mark.parametrize(
    ("source", "fault", "heard"),
    [(TRUSTED_SOURCE, None, True), ("fallback", None, False), (TRUSTED_SOURCE, FaultKind.HANG_BEFORE_ACCEPT, False)],
)
def test_v1m_is_listened_to_unless_it_makes_signals_up_or_hangs(
    source: str, fault: FaultKind | None, heard: bool
) -> None:
    async def listen(upstream: Upstream) -> Signal | None:
        await upstream.start()
        try:
            # On a busy machine its sound answer may take a while; the one that hangs never comes.
            hear_s = 10.0 if fault is None else 0.5
            clock = Clock()
            signals = HeardSignals(
                lambda _: hear_signals(upstream, deadline_s=hear_s),
                max_age_s=60.0,
                monotonic_s=lambda: clock.now_s,
                sleep=clock.sleep,
            )
            await eventually(lambda: signals.ready(CLOSE_S))
            return signals.of(bar())
        finally:
            await upstream.stop()

    with running_stack(trading="v1m") as stack:
        stack.trading.control.set(signal_source=source)
        if fault is not None:
            stack.trading.control.fault(fault)
        signal = run(listen(Upstream("trading_service", stack.trading.url, Breakers())))
    assert signal is not None
    assert (signal.reading is not None, signal.sent_at_s is not None) == (heard, heard)


def test_a_signal_made_after_the_one_before_is_heard_at_the_next_close() -> None:
    async def main() -> list[Any]:
        service = Service()
        service.let.set()
        signals = HeardSignals(service, max_age_s=60.0, wall_s=lambda: NOW_S)
        found = []
        for number, action in enumerate((Action.BUY, Action.SELL)):
            close_s = CLOSE_S + number * HOUR_S
            service.answer = Heard(signals=[replace(HEARD, reading=replace(READING, action=action))], refused=[])
            signals.ready(close_s)
            await eventually(lambda close_s=close_s: signals.ready(close_s))
            found.append(signals.of(bar(close_s=close_s)))
        return [signal.reading.action for signal in found if signal is not None and signal.reading is not None]

    assert asyncio.run(main()) == [Action.BUY, Action.SELL]


def test_a_question_that_fails_is_asked_once_more_and_its_bars_are_left_to_others_meanwhile() -> None:
    async def main() -> None:
        service, clock, pauses = Service(OutcomeUnknown("away")), Clock(), asyncio.Queue[float]()
        service.let.set()
        go_on = asyncio.Semaphore(0)

        async def sleep(seconds: float) -> None:
            pauses.put_nowait(seconds)
            await go_on.acquire()
            clock.now_s += seconds

        signals = HeardSignals(service, max_age_s=60.0, monotonic_s=lambda: clock.now_s, sleep=sleep)
        signals.ready(CLOSE_S)
        assert await pauses.get() == HEAR_S / 2
        assert (service.asked, service.left_s, signals.ready(CLOSE_S)) == (1, HEAR_S, False)
        go_on.release()
        assert await pauses.get() == HEAR_S / 2
        assert (service.asked, service.left_s, signals.ready(CLOSE_S)) == (2, HEAR_S / 2, False)
        go_on.release()
        await eventually(lambda: signals.ready(CLOSE_S))
        assert service.asked == 2
        heard = signals.of(bar())
        assert heard is not None
        assert heard.reading is None

    asyncio.run(main())


def test_what_the_second_question_hears_counts() -> None:
    async def main() -> Signal | None:
        service, clock = Service(OutcomeUnknown("away")), Clock()
        service.let.set()

        async def sleep(seconds: float) -> None:
            await clock.sleep(seconds)
            service.answer = Heard(signals=[HEARD], refused=[])

        signals = HeardSignals(
            service, max_age_s=60.0, wall_s=lambda: NOW_S, monotonic_s=lambda: clock.now_s, sleep=sleep
        )
        await eventually(lambda: signals.ready(CLOSE_S))
        return signals.of(bar())

    signal = asyncio.run(main())
    assert signal is not None
    assert signal.reading == READING


def test_a_question_that_took_all_the_time_there_is_has_no_second() -> None:
    async def main() -> None:
        asked, clock = [], Clock()

        async def hear(left_s: float) -> Heard:
            asked.append(left_s)
            await clock.sleep(left_s)
            raise OutcomeUnknown("late")

        signals = HeardSignals(hear, max_age_s=60.0, monotonic_s=lambda: clock.now_s, sleep=clock.sleep)
        await eventually(lambda: signals.ready(CLOSE_S))
        assert asked == [HEAR_S]

    asyncio.run(main())
