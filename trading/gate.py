"""Whether a decision may be traded: one pure judgement over a market view, a signal and the clock."""

from dataclasses import dataclass

from trading.vocabulary import BlockReason, MarketView, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How old a signal may be (wall seconds) and how far a caller's price may be from the last close (a fraction)."""

    signal_max_age_s: float
    max_price_gap: float


def judge(signal: Signal, market: MarketView | None, limits: Limits, *, wall_s: float) -> tuple[BlockReason, ...]:
    """Every reason why this signal may not be traded now, in a fixed order; empty when it may."""
    reasons = []
    if market is None or (market.stale and not market.ended):
        reasons.append(BlockReason.STALE_DATA)
    if market is not None and market.ended:
        reasons.append(BlockReason.MARKET_ENDED)
    if signal.sent_at_s is not None and wall_s - signal.sent_at_s > limits.signal_max_age_s:
        reasons.append(BlockReason.STALE_SIGNAL)
    if market is not None and signal.quote is not None:
        gap = abs(signal.quote.price / market.close - 1.0)
        if gap > limits.max_price_gap:
            reasons.append(BlockReason.PRICE_MISMATCH)
    return tuple(reasons)
