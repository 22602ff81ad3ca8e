"""A moment that other processes and the machine's next boot can compare with theirs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One moment on two clocks: seconds of the monotonic clock of one boot, and wall time (Unix seconds).

    Moments of the same boot are compared by the monotonic clock, so that setting the wall clock moves no deadline.
    Those of different boots, or of different machines, have the wall clock only.
    """

    boot: str
    monotonic_s: float
    wall_s: float

    def after(self, seconds: float) -> "Moment":
        """The moment so many seconds later."""
        return Moment(boot=self.boot, monotonic_s=self.monotonic_s + seconds, wall_s=self.wall_s + seconds)

    def left_s(self, now: "Moment") -> float:
        """Seconds from `now` until this moment; zero or less once it is reached."""
        if self.boot == now.boot:
            return self.monotonic_s - now.monotonic_s
        return self.wall_s - now.wall_s


Clock: TypeAlias = Callable[[], Moment]
