"""What the TradingEngine is told of a symbol: the active policy's view, of no user and without an order."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from adapters.symbols import understand
from schemas.engine_signal import EngineSignal, EngineSignalParams
from schemas.words import iso_time
from trading.errors import NoMarketData, PolicyFailed, Unavailable, UnknownSymbol
from trading.exposure import EXPOSURE_STEP
from trading.ports import Features, Policy
from trading.vocabulary import Action, Advice, Halt, MarketView, Reading

# The engine gives up after 2 s: this leaves it the way there and back.
WITHIN_S = 1.5


class Signals(Protocol):
    """The generated signal of each symbol; see rl_models.live_signals.LiveSignals."""

    def at(self, symbol: str, close_s: int) -> Reading | None:
        """The signal at the close of a bar (market time, Unix seconds); None while there are too few bars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What the answer is made from. `symbols` are those of the market."""

    features: Features
    signals: Signals
    policy: Callable[[], Policy | None]
    symbols: Callable[[], Collection[str]]
    halt: Callable[[], Halt]


class EngineSignals:
    """Answers POST /api/signal."""

    def __init__(self, views: Views) -> None:
        self._views = views

    async def answer(self, params: EngineSignalParams) -> EngineSignal:
        """BUY when the policy would buy from flat, SELL when it would sell all or part of a full position.

        HOLD for neither, for both, and whenever its confidence is not known: the engine reads none as 0.5. Raises
        UnknownSymbol.
        """
        views = self._views
        symbol = _listed(params["symbol"], views.symbols())
        try:
            view = views.features.view(symbol)
        except NoMarketData:
            return _hold("no market data yet", None)
        if view.stale or view.ended or views.halt() is Halt.HALTED:
            return _hold("no current market data" if view.stale or view.ended else "trading is halted", view)
        reading, policy = views.signals.at(symbol, int(view.as_of_s)), views.policy()
        if reading is None or policy is None:
            return _hold("too few bars yet" if reading is None else "the model is still loading", view)
        try:
            async with asyncio.timeout(WITHIN_S):
                flat = await policy.advise(symbol, reading, 0.0, budget_s=WITHIN_S / 2)
                full = await policy.advise(symbol, reading, 1.0, budget_s=WITHIN_S / 2)
        except (Unavailable, TimeoutError) as error:
            return _hold("the policy failed" if isinstance(error, PolicyFailed) else "the policy has no view now", view)
        return _view(flat, full, view)


def _listed(given: str, symbols: Collection[str]) -> str:
    symbol = given if given in symbols else understand(given)
    if symbol is None or symbol not in symbols:
        raise UnknownSymbol(given)
    return symbol


def _view(flat: Advice, full: Advice, view: MarketView) -> EngineSignal:
    buys, sells = flat.target_exposure > EXPOSURE_STEP, full.target_exposure < 1.0 - EXPOSURE_STEP
    if buys is sells:
        return _hold("it would trade either way" if buys else flat.reasoning, view)
    action, advice = (Action.BUY, flat) if buys else (Action.SELL, full)
    if advice.confidence is None:
        return _hold(f"{action} without a known confidence ({advice.confidence_reason}): {advice.reasoning}", view)
    return {
        "action": action.value,
        "confidence": advice.confidence,
        "reasoning": advice.reasoning,
        "state": _state(view),
    }


def _hold(reasoning: str, view: MarketView | None) -> EngineSignal:
    return {"action": "HOLD", "confidence": 0.0, "reasoning": reasoning, "state": {} if view is None else _state(view)}


def _state(view: MarketView) -> dict[str, object]:
    return {"price": view.close, "regime": view.regime, "as_of": iso_time(view.as_of_s)}
