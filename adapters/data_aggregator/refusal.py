"""Why what the DataAggregator told is not used: it answered, and what it said cannot be true or is too old."""

from enum import StrEnum

from trading.errors import UpstreamUnavailable


class Fault(StrEnum):
    """What is wrong with an answer. A closed list: it is part of metrics and logs."""

    SHAPE = "shape"
    EMPTY = "empty"
    NOT_A_NUMBER = "not_a_number"
    IMPOSSIBLE = "impossible"
    VOLUMES = "volumes"
    OFF_GRID = "off_grid"
    DUPLICATE = "duplicate"
    UNSORTED = "unsorted"
    FUTURE = "future"
    STALE = "stale"
    GAP = "gap"
    MADE_UP = "made_up"
    OTHER_MARKET = "other_market"
    FAR_FROM_CLOSE = "far_from_close"


class MarketDataRefused(UpstreamUnavailable):
    """What it told is not used; `fault` is why."""

    def __init__(self, fault: Fault, problem: str) -> None:
        super().__init__(f"{fault}: {problem}")
        self.fault = fault
