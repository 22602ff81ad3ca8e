"""A cache in Redis that is never waited for: what it does not say at once it does not know."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from adapters.redis_client import FAILURES, open_redis

log = logging.getLogger("rl_service.cache")

PREFIX = "rl-service:advice:1:"
# A call that takes longer costs more than the answer it would save.
PATIENCE_S = 0.02
# How long Redis is left alone after a failure.
PAUSE_S = 1.0
# So many calls at once; a caller for whom there is no connection goes without.
CONNECTIONS = 4

Found = TypeVar("Found")


class RedisCache:
    """Keeps rl_models.advice_cache.AdviceStore in the Redis server at `url`.

    After a failure nobody waits: Redis is skipped for PAUSE_S seconds at a time and tried again beside the callers.
    """

    def __init__(self, url: str, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._redis = open_redis(url)
        self._monotonic_s = monotonic_s
        self._up = False
        self._again_s = float("-inf")
        self._busy = 0
        self._trial: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """True while Redis is asked."""
        return self._up

    async def open(self) -> None:
        """Try Redis once; without it the service starts all the same."""
        await self._try()

    async def close(self) -> None:
        """End the connections."""
        if self._trial is not None:
            self._trial.cancel()
            await asyncio.wait([self._trial])
        with suppress(*FAILURES):  # it is left behind either way
            await self._redis.aclose()

    async def get(self, key: str) -> bytes | None:
        """See AdviceStore."""
        found = await self._ask(lambda: self._redis.get(PREFIX + key))
        return found if isinstance(found, bytes) else None

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """See AdviceStore."""
        await self._ask(lambda: self._redis.set(PREFIX + key, value, px=max(int(ttl_s * 1000), 1)))

    async def _ask(self, call: Callable[[], Awaitable[Found]]) -> Found | None:
        if not self._up:
            self._try_soon()
            return None
        if self._busy >= CONNECTIONS:
            return None
        self._busy += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await call()
        except FAILURES as error:
            self._fail(error)
            return None
        finally:
            self._busy -= 1

    def _fail(self, error: Exception) -> None:
        self._again_s = self._monotonic_s() + PAUSE_S
        if self._up:
            log.warning("Redis is skipped: %s", type(error).__name__)
        self._up = False

    def _try_soon(self) -> None:
        if self._monotonic_s() >= self._again_s and (self._trial is None or self._trial.done()):
            self._trial = asyncio.create_task(self._try(), name="redis_trial")

    async def _try(self) -> None:
        # Connections are made here, where nobody waits for them.
        try:
            await self._redis.connection_pool.disconnect()
            await asyncio.gather(*(self._redis.ping() for _ in range(CONNECTIONS)))
        except FAILURES as error:
            self._fail(error)
        else:
            self._up = True
