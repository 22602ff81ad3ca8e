"""From settings to the bus between workers, and to the cache of advice: through Redis where there is one."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from adapters.bus.local import LocalBus
from rl_models.advice_cache import AdviceCache, MemoryAdviceStore
from settings import Settings
from trading.ports import Bus

# Below DATA_DIR: where the workers of this machine find each other.
RUN = "run"


class OpenBus(Bus, Protocol):
    """A bus with a life of its own."""

    @property
    def dropped(self) -> int:
        """Messages that found no room."""

    @property
    def connected(self) -> bool | None:
        """Whether other replicas can be heard; None where there are none."""

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What has to go on while it is open."""

    async def start(self) -> None:
        """Find the others of this machine."""

    def join(self, secret: bytes) -> None:
        """Find those on other machines that know this secret too. Once, after `start`."""

    async def stop(self) -> None:
        """Leave."""


class OpenCache:
    """A cache of advice with a life of its own."""

    def __init__(self, settings: Settings) -> None:
        self._redis = None
        if settings.redis_url is None:
            self.advice = AdviceCache(MemoryAdviceStore(), ttl_s=settings.cache_ttl_seconds)
            return
        from adapters.redis_cache import RedisCache  # only those who have Redis load its client

        self._redis = RedisCache(settings.redis_url.get_secret_value())
        self.advice = AdviceCache(self._redis, ttl_s=settings.cache_ttl_seconds)

    async def start(self) -> None:
        """Look for Redis; without it the cache misses."""
        if self._redis is not None:
            await self._redis.open()

    async def stop(self) -> None:
        """Leave Redis."""
        if self._redis is not None:
            await self._redis.close()


def open_bus(settings: Settings) -> OpenBus:
    """The bus of this machine; with REDIS_URL also to other replicas."""
    local = LocalBus(settings.data_dir / RUN)
    if settings.redis_url is None:
        return local
    from adapters.bus.redis import RedisBus  # as above

    return RedisBus(local, settings.redis_url.get_secret_value())
