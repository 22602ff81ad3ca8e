"""When nobody is asked for advice, and the advice to keep the position when nobody has given another."""

from collections.abc import Mapping

from trading.vocabulary import Advice, ConfidenceReason, FailureReason, MarketView, Signal

HOLD_MODEL = "hold"

# Why an advice is to hold where nobody was asked.
_NOBODY_ASKED: Mapping[FailureReason | None, str] = {
    FailureReason.NO_DATA: "no current market data",
    FailureReason.NO_SIGNAL: "no signal",
}


def nothing_to_judge(market: MarketView | None, signal: Signal) -> FailureReason | None:
    """Why nobody is asked: there is no current market, or no signal, to advise on. None when somebody is."""
    if market is None or market.ended or market.stale:
        return FailureReason.NO_DATA
    return FailureReason.NO_SIGNAL if signal.reading is None else None


def hold(position: float, failure: FailureReason | None) -> Advice:
    """The advice to keep the position, when nobody can give another; `failure` is that of the decision."""
    return Advice(
        model=HOLD_MODEL,
        version="1",
        target_exposure=position,
        scores=(),
        confidence=None,
        confidence_reason=ConfidenceReason.UNAVAILABLE,
        reasoning=_NOBODY_ASKED.get(failure, "no adviser could answer"),
        keeps=True,
    )
