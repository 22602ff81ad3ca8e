"""Is this address within its limit?"""

import math
import time
from dataclasses import dataclass

from tests.fakes.stack.terms import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a limit said to a request: `reset_s` seconds until the window begins anew."""

    within: bool
    most: int
    left: int
    reset_s: int


class Windows:
    """Fixed windows by (kind, address), as express-rate-limit and flask-limiter keep them in memory.

    A refused request counts as well; a window begins with the first request after the one before has ended.
    """

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def take(self, kind: str, address: str, limit: Limit) -> Taken:
        most, within_s = limit
        now_s = time.monotonic()
        began_s, count = self._windows.get((kind, address), (now_s, 0))
        if now_s >= began_s + within_s:
            began_s, count = now_s, 0
        self._windows[kind, address] = (began_s, count + 1)
        reset_s = max(1, math.ceil(began_s + within_s - now_s))
        return Taken(within=count < most, most=most, left=max(0, most - count - 1), reset_s=reset_s)

    def clear(self) -> None:
        self._windows.clear()
