"""What an indicator remembers of the bars before: an open TA-Lib stream, the last n values, the last 24 hours."""

import math
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import numpy as np

DAY_S = 86_400

_Output = TypeVar("_Output")
_Output_co = TypeVar("_Output_co", covariant=True)


class Handle(Protocol[_Output_co]):
    """An open TA-Lib stream."""

    @property
    def value(self) -> _Output_co:
        """The output at the last bar."""

    @property
    def update(self) -> Callable[..., _Output_co]:
        """Takes the inputs of one more bar, gives the output there."""


class Streamed(Generic[_Output]):
    """A TA-Lib function fed bar by bar; equal, bit for bit, to its batch form over the same bars.

    TA-Lib opens a stream only on `bars_needed` bars of history, so those are kept until then and `warming` is answered.
    """

    __slots__ = ("_bars_needed", "_history", "_open", "_update", "_warming")

    def __init__(self, open_handle: Callable[..., Handle[_Output]], *, bars_needed: int, warming: _Output) -> None:
        self._open = open_handle
        self._bars_needed = bars_needed
        self._warming = warming
        self._history: list[tuple[float, ...]] = []
        self._update: Callable[..., _Output] | None = None

    def push(self, *inputs: float) -> _Output:
        """The output after one more bar, or `warming`. The inputs must be finite: TA-Lib refuses others."""
        if self._update is not None:
            return self._update(*inputs)
        self._history.append(inputs)
        if len(self._history) < self._bars_needed:
            return self._warming
        handle = self._open(*(np.array(column) for column in zip(*self._history, strict=True)))
        self._history.clear()
        self._update = handle.update
        return handle.value


class Lag:
    """The value `n` bars ago."""

    __slots__ = ("_values",)

    def __init__(self, n: int) -> None:
        self._values = deque([math.nan] * (n + 1), maxlen=n + 1)

    def push(self, value: float) -> float:
        """Takes the value at this bar, gives the one `n` bars before it; NaN while there is none."""
        self._values.append(value)
        return self._values[0]


class DayWindow:
    """The values of the last 24 hours by time, not by count, so that a missing bar shifts nothing."""

    __slots__ = ("_ago", "_times_s", "_values")

    def __init__(self) -> None:
        self._times_s: deque[int] = deque()
        self._values: deque[float] = deque()
        self._ago = math.nan

    def push(self, time_s: int, value: float) -> float:
        """Takes the value at this bar, gives that of the last bar at least 24 hours older, NaN while there is none."""
        self._times_s.append(time_s)
        self._values.append(value)
        while self._times_s[0] <= time_s - DAY_S:
            self._times_s.popleft()
            self._ago = self._values.popleft()
        return self._ago

    def total(self) -> float:
        """The sum over the last 24 hours; NaN until a whole day was seen. Exact, so it forgets what left the window."""
        return math.nan if math.isnan(self._ago) else math.fsum(self._values)
