"""The clock of an embedded market, and the file through which every worker reads the same one."""

import hashlib
import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from trading.errors import OperatorNeeded


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


class ClockFile:
    """One file in a directory for each set of terms; the first process writes it, all others and restarts read it.

    A market that has ended stays ended until its file is deleted. The directory must allow hard links.
    """

    def __init__(self, directory: Path, terms: ClockTerms) -> None:
        self._directory = directory
        self._terms = terms

    @property
    def path(self) -> Path:
        """Where the clock is or will be."""
        return self._directory / f"market-clock-{self._terms.digest}.json"

    def open(self, wall_s: float) -> MarketClock:
        """The shared clock; `wall_s` becomes its epoch when this process is the first.

        Raises OperatorNeeded when the directory cannot be written or the file does not hold a clock of these terms.
        """
        try:
            if not self.path.exists():
                self._create(wall_s)
            content = self.path.read_bytes()
        except OSError as error:
            raise OperatorNeeded(f"market clock {self.path}: {error.strerror}") from error
        return self._parse(content)

    def peek(self, wall_s: float) -> MarketClock:
        """The shared clock, or the one a market that began at `wall_s` would have. Writes nothing. Raises as `open`."""
        return self.open(wall_s) if self.path.exists() else self._begin(wall_s)

    def _begin(self, wall_s: float) -> MarketClock:
        start_s = wall_s if self._terms.start_market_s is None else self._terms.start_market_s
        return MarketClock(epoch_wall_s=wall_s, start_market_s=start_s, speed=self._terms.speed)

    def _create(self, wall_s: float) -> None:
        clock = self._begin(wall_s)
        self._directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._directory, prefix=".market-clock-") as draft:
            json.dump({"terms": asdict(self._terms), "clock": asdict(clock)}, draft, indent=1)
            draft.flush()
            os.fsync(draft.fileno())
            os.fchmod(draft.fileno(), 0o644)  # temporary files are for their maker only
            try:
                os.link(draft.name, self.path)
            except FileExistsError:
                return  # another process was first: its clock counts

    def _parse(self, content: bytes) -> MarketClock:
        try:
            record = json.loads(content)
            clock = MarketClock(**{name: float(value) for name, value in record["clock"].items()})
            if not all(map(math.isfinite, asdict(clock).values())):
                raise ValueError("a time that is not finite")
            agrees = record["terms"] == asdict(self._terms) and clock.speed == self._terms.speed
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise OperatorNeeded(f"{self.path} holds no market clock; delete it to start the market anew") from error
        if not agrees:
            raise OperatorNeeded(f"{self.path} holds the clock of another market; delete it to start this one anew")
        return clock
