"""Counting that costs a fraction of a microsecond: totals in plain memory, carried over to Prometheus by `flush`.

An increment of Prometheus' own takes a lock and writes to a file that all workers share, several microseconds. Counts
here only ever grow and are counted on one thread, so whoever carries them over on another loses none.
"""

from bisect import bisect_left
from collections.abc import Mapping

import prometheus_client as prometheus


class Tally:
    """A counter of Prometheus', filled in bulk."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...] = ()) -> None:
        self.counts: dict[tuple[str, ...], int] = {}
        self._counter = prometheus.Counter(name, text, labels)
        self._flushed: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str) -> None:
        """Count one."""
        self.counts[labels] = self.counts.get(labels, 0) + 1

    def reach(self, total: int, *labels: str) -> None:
        """Stand at `total`, which somebody else counts and which never falls."""
        self.counts[labels] = total

    def flush(self) -> None:
        """Carry over what was counted since the last time."""
        for labels, count in tuple(self.counts.items()):
            fresh = count - self._flushed.get(labels, 0)
            if fresh > 0:
                (self._counter.labels(*labels) if labels else self._counter).inc(fresh)
                self._flushed[labels] = count


class Times:
    """A histogram of Prometheus', filled in bulk; `bounds` in seconds, rising."""

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], labels: tuple[str, ...] = ()) -> None:
        self._histogram = prometheus.Histogram(name, text, labels, buckets=bounds)
        self._bounds = bounds
        self._counted: dict[tuple[str, ...], _Counted] = {}

    def add(self, seconds: float, *labels: str) -> None:
        """Count one duration."""
        counted = self._counted.get(labels)
        if counted is None:
            counted = self._counted[labels] = _Counted(len(self._bounds) + 1)
        counted.counts[bisect_left(self._bounds, seconds)] += 1
        counted.seconds += seconds

    def flush(self) -> None:
        """Carry over what was counted since the last time."""
        for labels, counted in tuple(self._counted.items()):
            counted.carry_to(self._histogram.labels(*labels) if labels else self._histogram)


class _Counted:
    __slots__ = ("_flushed_counts", "_flushed_seconds", "counts", "seconds")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.seconds = 0.0
        self._flushed_counts = [0] * buckets
        self._flushed_seconds = 0.0

    def carry_to(self, histogram: prometheus.Histogram) -> None:
        seconds = self.seconds
        for place, count in enumerate(tuple(self.counts)):
            fresh = count - self._flushed_counts[place]
            if fresh:
                histogram._buckets[place].inc(fresh)
                self._flushed_counts[place] = count
        if seconds != self._flushed_seconds:
            histogram._sum.inc(seconds - self._flushed_seconds)
            self._flushed_seconds = seconds


class Levels:
    """A gauge with one label whose values may vanish: what is no longer named stands at 0."""

    def __init__(self, gauge: prometheus.Gauge) -> None:
        self._gauge = gauge
        self._named: set[str] = set()

    def set(self, levels: Mapping[str, float]) -> None:
        """Show these."""
        for label in self._named - levels.keys():
            self._gauge.labels(label).set(0)
        for label, level in levels.items():
            self._gauge.labels(label).set(level)
        self._named |= levels.keys()
