"""A Redis client that waits for nothing long: short timeouts, no retries."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

# What a call can raise: the library's own errors, and the system's where the library passes them on.
FAILURES = (RedisError, OSError)

TIMEOUT_S = 0.2


def open_redis(url: str) -> Redis:
    """A client of the server at `url`; connects with its first call. Every step of a call ends within TIMEOUT_S."""
    return Redis.from_url(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0), driver_info=None
    )
