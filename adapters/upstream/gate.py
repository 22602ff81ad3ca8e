"""When a call of one route class may leave, and what its end teaches: slots, the wait after a 429, the breaker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from trading.breaker import Breaker, BreakerStatus
from trading.errors import NotSent, OutcomeUnknown, UpstreamLimited, UpstreamRefused

# No more calls leave at once than may show the breaker that the service hangs.
IN_FLIGHT = 10
# After a 429 that does not say how long.
WAIT_S = 1.0


class Gate:
    """The gate of one route class of one service in this process. `monotonic_s` is a monotonic clock in seconds."""

    def __init__(self, name: str, breaker: Breaker, monotonic_s: Callable[[], float]) -> None:
        self._name = name
        self._breaker = breaker
        self._monotonic_s = monotonic_s
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._wait_until_s = 0.0

    @asynccontextmanager
    async def through(self, until_s: float) -> AsyncIterator[None]:
        """Around one call that has to end by `until_s`. Raises NotSent instead of entering when it must not leave.

        What the call raises tells how it went; a call that is cancelled tells nothing.
        """
        self._require_open()
        async with self._slot(until_s):
            # While it waited others may have learned something.
            self._require_open()
            if until_s <= self._monotonic_s():
                raise NotSent(f"{self._name}: no time left")
            leave = self._breaker.admit()
            if leave is None:
                raise NotSent(f"{self._name}: its circuit breaker is open")
            with leave:
                try:
                    yield
                except UpstreamLimited as error:
                    leave.succeeded()
                    self._wait_until_s = self._monotonic_s() + (
                        WAIT_S if error.retry_after_s is None else error.retry_after_s
                    )
                    raise
                except UpstreamRefused:
                    leave.succeeded()
                    raise
                except (NotSent, OutcomeUnknown):
                    leave.failed()
                    raise
                leave.succeeded()

    def refuses(self) -> bool:
        """True, and counted by the breaker, when no call may start now."""
        return self._wait_until_s > self._monotonic_s() or self._breaker.refuses()

    def healthy(self) -> bool:
        """True while nothing speaks against one call more."""
        return self._wait_until_s <= self._monotonic_s() and self._breaker.state().status is BreakerStatus.CLOSED

    def _require_open(self) -> None:
        wait_s = self._wait_until_s - self._monotonic_s()
        if wait_s > 0.0:
            raise NotSent(f"{self._name}: it asked for no calls for {wait_s:.1f} s more")
        if self._breaker.refuses():
            raise NotSent(f"{self._name}: its circuit breaker is open")

    @asynccontextmanager
    async def _slot(self, until_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(until_s - self._monotonic_s()):
                await self._slots.acquire()
        except TimeoutError as error:
            raise NotSent(f"{self._name}: {IN_FLIGHT} calls were in flight until its time was up") from error
        try:
            yield
        finally:
            self._slots.release()
