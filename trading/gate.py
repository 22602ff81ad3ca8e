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
    quote = signal.quote
    said_at_s = [at_s for at_s in (signal.sent_at_s, None if quote is None else quote.at_s) if at_s is not None]
    if any(wall_s - at_s > limits.signal_max_age_s for at_s in said_at_s):
        reasons.append(BlockReason.STALE_SIGNAL)
    if market is not None and quote is not None:
        prices = [price for price in (quote.price, quote.bid, quote.ask) if price is not None]
        if any(abs(price / market.close - 1.0) > limits.max_price_gap for price in prices):
            reasons.append(BlockReason.PRICE_MISMATCH)
    return tuple(reasons)
