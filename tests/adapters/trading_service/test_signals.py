"""V1m's signals: units made ours, made-up rows left out."""

from typing import Any

import pytest

from adapters.trading_service.signals import Heard, HeardSignal, RefusedSignal, read_signals
from trading.errors import OutcomeUnknown
from trading.vocabulary import Action, Reading

ROW = {
    "symbol": "BTC",
    "action": "BUY",
    "confidence": 0.8,
    "current_price": 60_000.0,
    "price_change_24h": -2.5,
    "volume_24h": 1000.0,
    "timestamp": "2026-01-01T00:00:00.000Z",
    "source": "technical_analysis",
    "indicators": {"rsi": 28.5},
}


def heard(*rows: Any) -> Heard:
    return read_signals({"success": True, "data": list(rows)})


def test_a_signal_comes_in_our_units() -> None:
    reading = Reading(confidence=0.8, rsi=28.5, change_percent=-2.5, volume_usd=60_000_000.0, action=Action.BUY)
    signal = HeardSignal(symbol="BTC", reading=reading, price=60_000.0, at_s=1767225600.0)
    assert heard(ROW) == Heard(signals=[signal], refused=[])


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "fallback"},
        {"source": "simple_analysis"},
        {"source": None},
        {"symbol": "NOPE"},
        {"symbol": None},
        {"action": "buy"},
        {"confidence": 75},
        {"confidence": None},
        {"confidence": "NaN"},
        {"current_price": 0},
        {"current_price": -1},
        {"volume_24h": -1},
        {"price_change_24h": -101},
        {"indicators": None},
        {"indicators": {}},
        {"indicators": {"rsi": 101}},
        {"timestamp": "2026-01-01T00:00:00"},
        {"timestamp": None},
    ],
)
def test_a_row_that_is_made_up_or_unreadable_is_refused_alone(changes: dict[str, Any]) -> None:
    answer = heard(ROW | changes, ROW)
    assert [signal.symbol for signal in answer.signals] == ["BTC"]
    assert len(answer.refused) == 1
    assert isinstance(answer.refused[0], RefusedSignal)


def test_an_answer_that_is_no_list_is_no_answer() -> None:
    with pytest.raises(OutcomeUnknown):
        read_signals({"success": True, "data": {"signals": [], "count": 0}})
