"""Remembers what a policy in another process said, for the same question on the same bar."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace

from trading.ports import Features, Policy
from trading.vocabulary import Advice, Reading

# Enough for every symbol and the readings of a few seconds; the oldest goes first.
MOST_ENTRIES = 10_000


class CachedPolicy:
    """Keeps trading.ports.Policy in front of a slow one. It holds advice, never a decision: each answer is judged anew.

    An entry lives `ttl_s` seconds at most and no longer than its bar is the last one.
    """

    def __init__(
        self, policy: Policy, features: Features, *, ttl_s: float, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = policy
        self._features = features
        self._ttl_s = ttl_s
        self._monotonic_s = monotonic_s
        self._entries: OrderedDict[Hashable, tuple[float, Advice]] = OrderedDict()

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """What was said before, marked as cached, or what the policy says now. Raises as the policy."""
        key = (symbol, self._features.view(symbol).as_of_s, reading, exposure)
        known = self._entries.get(key)
        if known is not None and self._monotonic_s() - known[0] < self._ttl_s:
            return replace(known[1], cached=True)
        advice = await self._policy.advise(symbol, reading, exposure, budget_s=budget_s)
        self._entries[key] = (self._monotonic_s(), advice)
        self._entries.move_to_end(key)
        if len(self._entries) > MOST_ENTRIES:
            self._entries.popitem(last=False)
        return advice
