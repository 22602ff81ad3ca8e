"""The clock of an embedded market, and what makes two processes share one."""

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketClock:
    """Market time runs `speed` market seconds a wall second from `start_market_s` at `epoch_wall_s` (Unix seconds)."""

    epoch_wall_s: float
    start_market_s: float
    speed: float

    def now_s(self, wall_s: float) -> float:
        """The market time at a wall time, both Unix seconds."""
        return self.start_market_s + (wall_s - self.epoch_wall_s) * self.speed

    def wall_time_s(self, market_s: float) -> float:
        """The wall time at which this clock shows `market_s`: the inverse of `now_s`."""
        return self.epoch_wall_s + (market_s - self.start_market_s) / self.speed


WALL_CLOCK = MarketClock(epoch_wall_s=0.0, start_market_s=0.0, speed=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTerms:
    """What makes two processes live in the same market.

    `start_market_s` None means that the market starts at the wall time of its first process. `data_digest` names the
    bars: a replay's file digests, a simulation's seed.
    """

    source: str
    start_market_s: float | None
    speed: float
    data_digest: str

    @property
    def digest(self) -> str:
        """32 hexadecimal digits; any other term gives another."""
        canonical = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def begin(self, wall_s: float) -> MarketClock:
        """The clock of a market of these terms whose first process came at `wall_s` (Unix seconds)."""
        start_s = wall_s if self.start_market_s is None else self.start_market_s
        return MarketClock(epoch_wall_s=wall_s, start_market_s=start_s, speed=self.speed)
