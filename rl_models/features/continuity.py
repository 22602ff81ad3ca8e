"""Whether a bar continues the series before it."""

from trading.vocabulary import Bar


class Continuity:
    """Remembers the last open time of one symbol. `max_gap_bars` is how many missing bars in a row are tolerated."""

    __slots__ = ("_last_s", "_longest_step_s")

    def __init__(self, *, timeframe_s: int, max_gap_bars: int) -> None:
        self._longest_step_s = (max_gap_bars + 1) * timeframe_s
        self._last_s: int | None = None

    def accept(self, bar: Bar) -> bool:
        """True when the bar continues the series, False for the first bar and the first after a longer hole.

        Raises ValueError for a bar that is not newer than the last one.
        """
        last_s = self._last_s
        if last_s is not None and bar.open_time_s <= last_s:
            raise ValueError(f"bar opened at {bar.open_time_s} is not newer than the last one, opened at {last_s}")
        self._last_s = bar.open_time_s
        return last_s is not None and bar.open_time_s - last_s <= self._longest_step_s
