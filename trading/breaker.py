"""Whether a service beside us may be called now: a circuit breaker after the rules of Resilience4j.

It opens when too many of the last calls failed or were slow, refuses for a while, then lets one call through to see.
https://resilience4j.readme.io/docs/circuitbreaker. Unlike there, a call that is slow counts as such before it ends: a
service that hangs is noticed after `slow_s`, not after the deadline of the first call.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self


class BreakerStatus(StrEnum):
    """CLOSED lets all calls through, OPEN none, HALF_OPEN one at a time; HELD_OPEN none until a person releases it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    HELD_OPEN = "held_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """Opens when, of the last `window_calls` and at least `minimum_calls` of them, these shares failed or were slow.

    A call is slow from `slow_s` seconds on; the breaker stays open for `open_s` seconds. Shares are in (0, 1].
    """

    window_calls: int = 20
    minimum_calls: int = 10
    failure_rate: float = 0.5
    slow_rate: float = 0.5
    slow_s: float = 1.0
    open_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """A breaker at one moment: the shares of the `calls` in its window, None without any, and totals of this process.

    `opened_at_s` is on the breaker's monotonic clock, None while closed; `retry_in_s` counts down to the next probe.
    """

    service: str
    route: str
    status: BreakerStatus
    calls: int
    failure_rate: float | None
    slow_rate: float | None
    opened_at_s: float | None
    retry_in_s: float | None
    opened: int
    refused: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    failed: bool
    slow: bool


class Pass:
    """Leave for one call. Use it as a context and say how the call ended; a call that says nothing was given up."""

    __slots__ = ("_breaker", "_told", "started_s")

    def __init__(self, breaker: "Breaker", started_s: float) -> None:
        self._breaker = breaker
        self._told = False
        self.started_s = started_s

    def succeeded(self) -> None:
        """The service answered; that it would not do what was asked is an answer too."""
        self._tell(failed=False)

    def failed(self) -> None:
        """The service did not answer as it should."""
        self._tell(failed=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Who gave up says nothing about the service, unless it was slow already.
        self._tell(failed=None)

    def _tell(self, *, failed: bool | None) -> None:
        if not self._told:
            self._told = True
            self._breaker.ended(self, failed=failed)


class Breaker:
    """The breaker of one route class of one service in this process. `monotonic_s` is a monotonic clock in seconds."""

    def __init__(self, service: str, route: str, rules: BreakerRules, monotonic_s: Callable[[], float]) -> None:
        self._service = service
        self._route = route
        self._rules = rules
        self._monotonic_s = monotonic_s
        self._status = BreakerStatus.CLOSED
        self._outcomes: deque[_Outcome] = deque(maxlen=rules.window_calls)
        # Calls that have not ended, oldest first. What began before the last change of status is of no more interest.
        self._flying: dict[Pass, None] = {}
        self._opened_at_s: float | None = None
        self._opened = 0
        self._refused = 0

    def refuses(self) -> bool:
        """True, and counted, when no call may start now. A refused call changes nothing else."""
        self._settle()
        probing = self._status is BreakerStatus.HALF_OPEN and bool(self._flying)
        refuses = probing or self._status in (BreakerStatus.OPEN, BreakerStatus.HELD_OPEN)
        self._refused += refuses
        return refuses

    def admit(self) -> Pass | None:
        """Leave for a call that starts now; None when it is refused."""
        if self.refuses():
            return None
        leave = Pass(self, self._monotonic_s())
        self._flying[leave] = None
        return leave

    def hold_open(self) -> None:
        """Let no call through until `release`."""
        if self._status is not BreakerStatus.HELD_OPEN:
            self._open(self._monotonic_s(), BreakerStatus.HELD_OPEN)

    def release(self) -> None:
        """End `hold_open`: the next call is a probe. Without a hold nothing happens."""
        if self._status is BreakerStatus.HELD_OPEN:
            self._change(BreakerStatus.HALF_OPEN)

    def state(self) -> BreakerState:
        """What it does now, and why."""
        now_s = self._settle()
        window = self._window(now_s)
        retry_in_s = None
        if self._status is BreakerStatus.OPEN and self._opened_at_s is not None:
            retry_in_s = self._opened_at_s + self._rules.open_s - now_s
        return BreakerState(
            service=self._service,
            route=self._route,
            status=self._status,
            calls=len(window),
            failure_rate=sum(call.failed for call in window) / len(window) if window else None,
            slow_rate=sum(call.slow for call in window) / len(window) if window else None,
            opened_at_s=self._opened_at_s,
            retry_in_s=retry_in_s,
            opened=self._opened,
            refused=self._refused,
        )

    def ended(self, leave: Pass, *, failed: bool | None) -> None:
        """For Pass: the call ended; `failed` is None when the caller gave it up."""
        now_s = self._settle()
        if leave not in self._flying:
            return
        del self._flying[leave]
        slow = now_s - leave.started_s >= self._rules.slow_s
        if self._status is BreakerStatus.HALF_OPEN:
            if failed:
                self._open(now_s, BreakerStatus.OPEN)
            elif failed is False:
                self._change(BreakerStatus.CLOSED)
                self._opened_at_s = None
            return
        if failed is not None or slow:
            self._outcomes.append(_Outcome(failed=bool(failed), slow=slow))
        self._judge(now_s)

    def _settle(self) -> float:
        # What only time does happens here, before anything is asked or told; each step at the moment it was due.
        now_s = self._monotonic_s()
        if self._status is BreakerStatus.CLOSED:
            self._judge(now_s)
        if self._status is BreakerStatus.HALF_OPEN and (probe := next(iter(self._flying), None)) is not None:
            slow_at_s = probe.started_s + self._rules.slow_s
            if now_s >= slow_at_s:
                self._open(slow_at_s, BreakerStatus.OPEN)
        opened_at_s = self._opened_at_s
        if self._status is BreakerStatus.OPEN and opened_at_s is not None and now_s >= opened_at_s + self._rules.open_s:
            self._change(BreakerStatus.HALF_OPEN)
        return now_s

    def _window(self, now_s: float) -> list[_Outcome]:
        slow = 0
        for leave in self._flying:
            if now_s - leave.started_s < self._rules.slow_s:
                break
            slow += 1
        calls = [*self._outcomes, *[_Outcome(failed=False, slow=True)] * slow]
        return calls[-self._rules.window_calls :]

    def _judge(self, now_s: float) -> None:
        window = self._window(now_s)
        if len(window) < self._rules.minimum_calls:
            return
        too_many_failed = sum(call.failed for call in window) >= self._rules.failure_rate * len(window)
        if too_many_failed or sum(call.slow for call in window) >= self._rules.slow_rate * len(window):
            self._open(now_s, BreakerStatus.OPEN)

    def _open(self, at_s: float, status: BreakerStatus) -> None:
        self._change(status)
        self._opened_at_s = at_s
        self._opened += 1

    def _change(self, status: BreakerStatus) -> None:
        self._status = status
        self._outcomes.clear()
        self._flying.clear()
