"""Remembers what a policy in another process said, for the very same question."""

import hashlib
import json
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rl_models.runner import advice_from_dict, advice_to_dict
from trading.errors import Unavailable
from trading.vocabulary import Advice

# Enough for every symbol and the readings of a few seconds; the oldest goes first.
MOST_ENTRIES = 10_000


class AdviceStore(Protocol):
    """Keeps bytes for a while, or loses them: a cache, never a record."""

    async def get(self, key: str) -> bytes | None:
        """What was put, None when it is not there or not to be had quickly. Never raises."""

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep this for `ttl_s` seconds if that is possible quickly. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that an advice depends on. `bundle` is the bundle's digest, `as_of_s` the close of the last bar (Unix).

    `rows` are the raw observations by schema digest, as little-endian float64.
    """

    bundle: str
    symbol: str
    as_of_s: float
    rows: Mapping[str, bytes]
    exposure: float

    @property
    def key(self) -> str:
        """Names this question and no other, with another bar another: 64 hexadecimal digits."""
        digest = hashlib.sha256(struct.pack("<dd", self.as_of_s, self.exposure))
        texts = [self.bundle.encode(), self.symbol.encode()]
        for part in texts + [part for name in sorted(self.rows) for part in (name.encode(), self.rows[name])]:
            digest.update(struct.pack("<Q", len(part)) + part)
        return digest.hexdigest()


class AdviceCache:
    """Advice by question, `ttl_s` seconds at most. It holds advice, never a decision: each answer is judged anew."""

    def __init__(self, store: AdviceStore, *, ttl_s: float) -> None:
        self._store = store
        self._ttl_s = ttl_s

    async def recall(self, question: Question) -> Advice | None:
        """What was said, as it was said; None when it is not known."""
        known = await self._store.get(question.key)
        if known is None:
            return None
        try:
            return advice_from_dict(json.loads(known))
        except (ValueError, RecursionError, Unavailable):
            return None  # others write to a shared store too; what cannot be read was never there

    async def remember(self, question: Question, advice: Advice) -> None:
        """Keep what was said, as the other process said it."""
        await self._store.put(question.key, json.dumps(advice_to_dict(advice)).encode(), self._ttl_s)


class MemoryAdviceStore:
    """Keeps AdviceStore in this process."""

    def __init__(self, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        """See AdviceStore."""
        until_s, value = self._entries.get(key, (float("-inf"), b""))
        return value if self._monotonic_s() < until_s else None

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """See AdviceStore."""
        self._entries[key] = (self._monotonic_s() + ttl_s, value)
        self._entries.move_to_end(key)
        if len(self._entries) > MOST_ENTRIES:
            self._entries.popitem(last=False)
