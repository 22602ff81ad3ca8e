"""What the AdaptiveThreshold service says of a user: the thresholds it keeps, and whether it would trade a signal.

Its `/health` is never asked: it answers 503 whatever the state of the service is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from adapters.upstream.client import Upstream
from trading.errors import UpstreamUnavailable
from trading.thresholds import Thresholds
from trading.vocabulary import Reading

# One class for all: what the service limits is calls of an address, whichever they are.
ROUTE = "thresholds"

# Its names for the fields of Thresholds.
NAMES = {
    "rsi": "rsi_threshold",
    "confidence": "confidence_threshold",
    "macd": "macd_threshold",
    "volume": "volume_threshold",
    "momentum": "momentum_threshold",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the service's own rule says of a signal, and the thresholds it compared with."""

    should_trade: bool
    thresholds: Thresholds


class AdaptiveThreshold:
    """Calls raise what Upstream raises, and UpstreamUnavailable itself for an answer that cannot be right.

    `deadline_s` is for all of a call, in seconds.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def thresholds(self, user_id: str, symbol: str, *, deadline_s: float) -> Thresholds:
        """What a signal of this user in this symbol must reach now."""
        path = f"/api/v1/thresholds/{_part(user_id)}"
        answer = await self._upstream.get(path, deadline_s=deadline_s, route=ROUTE, query={"symbol": symbol})
        return _thresholds(_told(answer.body, user_id, symbol), "thresholds")

    async def evaluate(self, user_id: str, symbol: str, reading: Reading, *, deadline_s: float) -> Evaluation:
        """What its rule says; the direction is the signal's own."""
        signal = {
            "symbol": symbol,
            "confidence": reading.confidence,
            "rsi": reading.rsi,
            "change_percent": reading.change_percent,
            "volume": reading.volume_usd,
            "action": reading.action.value,
        }
        path = f"/api/v1/evaluate/{_part(user_id)}"
        answer = await self._upstream.send("POST", path, deadline_s=deadline_s, route=ROUTE, body={"signal": signal})
        told = _told(answer.body, user_id, symbol)
        should_trade = told.get("should_trade")
        if not isinstance(should_trade, bool):
            raise _nonsense("no should_trade")
        return Evaluation(should_trade=should_trade, thresholds=_thresholds(told, "threshold_adjustments"))


def _part(user_id: str) -> str:
    if user_id in (".", ".."):
        raise _nonsense("this user's id cannot be part of a path")
    return quote(user_id, safe="")


def _told(body: object, user_id: str, symbol: str) -> Mapping[str, object]:
    """The `data` of an answer about this user and symbol."""
    told = body.get("data") if isinstance(body, dict) else None
    if not isinstance(told, dict):
        raise _nonsense("no data")
    if (told.get("user_id"), told.get("symbol")) != (user_id, symbol):
        raise _nonsense("an answer about another user or symbol")
    return told


def _thresholds(told: Mapping[str, object], key: str) -> Thresholds:
    values = told.get(key)
    if not isinstance(values, dict):
        raise _nonsense(f"no {key}")
    try:
        return Thresholds(**{ours: _number(values.get(theirs), theirs) for ours, theirs in NAMES.items()})
    except (ValueError, OverflowError) as error:  # a whole number may be larger than any float
        raise _nonsense(str(error)) from None


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no number")
    return float(value)


def _nonsense(what: str) -> UpstreamUnavailable:
    return UpstreamUnavailable(f"adaptive_threshold: {what}")
