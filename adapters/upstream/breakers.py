"""Which circuit breakers this process has: one for each route class of each service beside us."""

import time
from collections.abc import Callable, Mapping, Sequence

from trading.breaker import Breaker, BreakerRules, BreakerState

# Route classes whose sound answers take longer than others: many candles at once, one after another.
RULES: Mapping[str, BreakerRules] = {
    "signals": BreakerRules(slow_s=10.0),
    "candles": BreakerRules(slow_s=5.0),
}


class Breakers:
    """The breakers by service and route class, made as they are first asked for; route classes are a fixed few."""

    def __init__(
        self, rules: Mapping[str, BreakerRules] = RULES, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._rules = rules
        self._monotonic_s = monotonic_s
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def of(self, service: str, route: str) -> Breaker:
        """The breaker of a route class of a service."""
        key = service, route
        if key not in self._breakers:
            self._breakers[key] = Breaker(service, route, self._rules.get(route, BreakerRules()), self._monotonic_s)
        return self._breakers[key]

    def states(self) -> Sequence[BreakerState]:
        """Every breaker as it is now, sorted by service and route class."""
        return [self._breakers[key].state() for key in sorted(self._breakers)]
