"""The signals of TradingService V1m as readings of ours, those left out that it made up."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.symbols import understand
from adapters.trading_service.fields import Fields, data_of, fields, number, rows, text, time_s
from adapters.upstream.client import Upstream
from trading.errors import OutcomeUnknown
from trading.vocabulary import Action, Reading

SIGNALS = "/api/v1/trading/signals"
# Its other sources have no candles behind them: `simple_analysis` knows the 24 h change alone, `fallback` nothing.
TRUSTED_SOURCE = "technical_analysis"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardSignal:
    """A reading of one of our symbols; `price` in quote currency, `at_s` when it was made (Unix seconds)."""

    symbol: str
    reading: Reading
    price: float
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSignal:
    """A row that is no reading: its symbol as it was spelled, and why."""

    spelled: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one answer held."""

    signals: Sequence[HeardSignal]
    refused: Sequence[RefusedSignal]


async def hear_signals(upstream: Upstream, *, deadline_s: float) -> Heard:
    """Ask V1m for its signals: always the same ten coins, and seconds to wait for. Raises UpstreamUnavailable."""
    answer = await upstream.get(SIGNALS, deadline_s=deadline_s, route="signals")
    return read_signals(answer.body)


def read_signals(body: object) -> Heard:
    """The signals of V1m's answer. A row that cannot be read is refused alone; OutcomeUnknown when all of it is odd."""
    signals: list[HeardSignal] = []
    refused: list[RefusedSignal] = []
    for row in rows(data_of(body), "data"):
        try:
            signals.append(_signal(row))
        except OutcomeUnknown as error:
            refused.append(RefusedSignal(spelled=str(row.get("symbol"))[:40], reason=str(error)))
    return Heard(signals=signals, refused=refused)


def _signal(row: Fields) -> HeardSignal:
    source, symbol = text(row, "source"), understand(text(row, "symbol") or "")
    if source != TRUSTED_SOURCE:
        raise OutcomeUnknown(f"source {source}")
    if symbol is None:
        raise OutcomeUnknown("unknown symbol")
    price = _within(row, "current_price", 0.0, float("inf"))
    if price == 0.0:
        raise OutcomeUnknown("current_price is zero")
    return HeardSignal(symbol=symbol, reading=_reading(row, price), price=price, at_s=_required_time(row))


def _reading(row: Fields, price: float) -> Reading:
    try:
        action = Action(text(row, "action") or "")
    except ValueError:
        raise OutcomeUnknown("action is none of ours") from None
    return Reading(
        confidence=_within(row, "confidence", 0.0, 1.0),
        rsi=_within(fields(row.get("indicators"), "indicators"), "rsi", 0.0, 100.0),
        change_percent=_within(row, "price_change_24h", -100.0, float("inf")),
        # In base units there, unlike everywhere else in V1m.
        volume_usd=_within(row, "volume_24h", 0.0, float("inf")) * price,
        action=action,
    )


def _within(row: Fields, name: str, low: float, high: float) -> float:
    value = number(row, name)
    if value is None or not low <= value <= high:
        raise OutcomeUnknown(f"{name} is missing or out of range")
    return value


def _required_time(row: Fields) -> float:
    at_s = time_s(row, "timestamp")
    if at_s is None:
        raise OutcomeUnknown("timestamp is missing")
    return at_s
