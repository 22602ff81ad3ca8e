"""The TradingEngine is told BUY, SELL or HOLD in exactly these words, and never more than is known."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from schemas.engine_signal import EngineSignal, EngineSignalRequest, EngineState
from tests.fakes.advisers import READING, FakeFeatures, view
from trading.errors import PolicyFailed, UnknownSymbol
from trading.ports import Policy
from trading.vocabulary import Advice, ConfidenceReason, Halt, MarketView, Reading
from wiring.engine_signal import EngineSignals, Views


class Opinion:
    """A policy that wants this exposure from each position."""

    def __init__(self, wanted: Mapping[float, float], confidence: float | None = 0.7) -> None:
        self._wanted = wanted
        self._confidence = confidence

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        reason = ConfidenceReason.UNCALIBRATED if self._confidence is None else ConfidenceReason.CALIBRATED
        return Advice(
            model="m",
            version="1",
            target_exposure=self._wanted[exposure],
            scores=(),
            confidence=self._confidence,
            confidence_reason=reason,
            reasoning="because",
        )


class Broken:
    """A policy that fails."""

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        raise PolicyFailed("broken")


class Readings:
    """The same signal of every bar, or none."""

    def __init__(self, reading: Reading | None) -> None:
        self._reading = reading

    def at(self, symbol: str, close_s: int) -> Reading | None:
        return self._reading


def asked(
    policy: Policy | None,
    *,
    symbol: str = "bitcoin",
    market: MarketView | None = None,
    reading: Reading | None = READING,
    halt: Halt = Halt.OPEN,
) -> EngineSignal:
    views = Views(
        features=FakeFeatures(market or view()),
        signals=Readings(reading),
        policy=lambda: policy,
        symbols=lambda: ("BTC",),
        halt=lambda: halt,
    )
    return asyncio.run(EngineSignals(views).answer({"symbol": symbol, "state": EngineState()}))


@pytest.mark.parametrize(
    ("flat", "full", "action"),
    [
        (1.0, 1.0, "BUY"),
        (0.5, 1.0, "BUY"),
        (0.0, 0.0, "SELL"),
        (0.0, 0.5, "SELL"),
        (0.0, 1.0, "HOLD"),
        (0.5, 0.5, "HOLD"),
    ],
)
def test_the_action_is_what_the_policy_would_do_from_flat_or_from_full(flat: float, full: float, action: str) -> None:
    told = asked(Opinion({0.0: flat, 1.0: full}))
    assert told["action"] == action
    assert told["confidence"] == (0.0 if action == "HOLD" else 0.7)
    assert set(told) == {"action", "confidence", "reasoning", "state"}


def test_without_a_known_confidence_it_is_hold_as_the_engine_would_read_one_half() -> None:
    told = asked(Opinion({0.0: 1.0, 1.0: 1.0}, confidence=None))
    assert (told["action"], told["confidence"]) == ("HOLD", 0.0)


STALE = replace(view(), as_of_s=view().now_s - 2 * view().timeframe_s)


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        ({"market": STALE}, Opinion({0.0: 1.0, 1.0: 1.0})),
        ({"market": replace(view(), ended=True)}, Opinion({0.0: 1.0, 1.0: 1.0})),
        ({"reading": None}, Opinion({0.0: 1.0, 1.0: 1.0})),
        ({"halt": Halt.HALTED}, Opinion({0.0: 1.0, 1.0: 1.0})),
        ({}, Broken()),
        ({}, None),
    ],
)
def test_what_is_not_known_now_is_hold(changes: dict[str, object], policy: Policy | None) -> None:
    told = asked(policy, **changes)  # type: ignore[arg-type]
    assert (told["action"], told["confidence"]) == ("HOLD", 0.0)
    assert told["reasoning"]


@pytest.mark.parametrize("symbol", ["BTC", "BTCUSDT", "bitcoin"])
def test_a_symbol_may_be_spelled_as_here_or_as_elsewhere(symbol: str) -> None:
    assert asked(Opinion({0.0: 1.0, 1.0: 1.0}), symbol=symbol)["action"] == "BUY"


@pytest.mark.parametrize("symbol", ["PEPE", "ETH", "ethereum"])
def test_a_symbol_that_is_not_listed_here_is_refused(symbol: str) -> None:
    with pytest.raises(UnknownSymbol):
        asked(Opinion({0.0: 1.0, 1.0: 1.0}), symbol=symbol)


def test_what_the_engine_sends_is_taken_as_it_sends_it() -> None:
    body = {"symbol": "bitcoin", "state": {"price": 1.5, "volume": 2.0, "volatility": 0, "regime": "bull", "trend": 1}}
    assert EngineSignalRequest.model_validate(body).state.regime == "bull"
