"""Keeps the features of the market current: each bar is taken in as it closes."""

import time

from rl_models.live import LiveFeatures
from trading.ports import Market

# The longest between two looks.
REFRESH_S = 0.25
# How long after a close it is looked for: below a millisecond a timer may fire before its time.
SETTLE_S = 0.002
# A feed that has not been refreshed for this long makes the worker not ready.
LIMIT_S = 5.0


class Feed:
    """Brings the closed bars of a market into the features."""

    def __init__(self, market: Market, live: LiveFeatures) -> None:
        self._market = market
        self._live = live
        self._refreshed_s = float("-inf")

    @property
    def late(self) -> bool:
        """True when nothing was taken in for too long."""
        return time.monotonic() - self._refreshed_s > LIMIT_S

    def refresh(self) -> None:
        """Take in what has closed."""
        self._live.refresh()
        self._refreshed_s = time.monotonic()

    def pause_s(self) -> float:
        """Until the next look: not REFRESH_S after a close, as a fast replay closes several bars in that time."""
        market = self._market
        last_close_s = market.now_s() // market.timeframe_s * market.timeframe_s
        until_close_s = market.wall_time_s(last_close_s + market.timeframe_s) - time.time()
        return min(max(until_close_s + SETTLE_S, SETTLE_S), REFRESH_S)
