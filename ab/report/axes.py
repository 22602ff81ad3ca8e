"""The frame of a chart: scales, round tick values, grid lines and titles, as inline SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ab.report.markup import Markup, join, tag

WIDTH, HEIGHT = 640, 320
LEFT, TOP, BOTTOM = 72, 34, 62

Tick = tuple[float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps `low`..`high` (low < high) to the places `start`..`end` of the drawing, linearly."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value; outside the range it lies outside the drawing."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Where the marks of one chart lie, in units of the drawing; `right` leaves room for labels at the line ends."""

    x: Scale
    y: Scale

    @classmethod
    def over(cls, x: tuple[float, float], y: tuple[float, float], *, right: float = 16) -> "Plot":
        """A plot of these ranges; a range of no width is widened by one."""
        (left, until), (low, high) = _wide(*x), _wide(*y)
        return cls(
            x=Scale(low=left, high=until, start=LEFT, end=WIDTH - right),
            y=Scale(low=low, high=high, start=HEIGHT - BOTTOM, end=TOP),
        )


def _wide(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def padded(values: Sequence[float], share: float) -> tuple[float, float]:
    """The range of the values (at least one), widened on both sides by this share of it."""
    low, high = _wide(min(values), max(values))
    return low - share * (high - low), high + share * (high - low)


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most so many values in low..high at steps of 1, 2 or 5 times a power of ten.

    After P. S. Heckbert, Nice numbers for graph labels, Graphics Gems (1990).
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (times * power for times in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [index * step for index in range(first, last + 1)]


def decimals(ticks: Sequence[float]) -> int:
    """How many decimals tell these ticks apart."""
    if len(ticks) < 2:
        return 1
    return max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))


def label(x: float, y: float, text: str, **attributes: str | float) -> Markup:
    """A text in the drawing."""
    return tag("text", text, x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line; the style sheet says how the class looks."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def frame(plot: Plot, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick], x_title: str, y_title: str) -> Markup:
    """Grid lines with their values, and both titles with their units: below, and above on the left."""
    bottom, right = plot.y.start, plot.x.end
    rows = [
        join(
            line(LEFT, plot.y.at(value), right, plot.y.at(value), "grid"),
            label(LEFT - 8, plot.y.at(value) + 4, text, text_anchor="end"),
        )
        for value, text in y_ticks
    ]
    columns = [
        join(
            line(plot.x.at(value), bottom, plot.x.at(value), bottom + 5, "axis"),
            label(plot.x.at(value), bottom + 22, text, text_anchor="middle"),
        )
        for value, text in x_ticks
    ]
    titles = join(
        label(4, 16, y_title, class_="title"),
        label((LEFT + right) / 2, HEIGHT - 8, x_title, class_="title", text_anchor="middle"),
    )
    return join(*rows, line(LEFT, bottom, right, bottom, "axis"), *columns, titles)


def apart(upper: float, lower: float, least: float) -> tuple[float, float]:
    """Both places (downwards, upper <= lower) at least so far from each other, moved alike."""
    moved = max(0.0, least - (lower - upper)) / 2
    return upper - moved, lower + moved


def drawing(key: str, title: str, description: str, *marks: str, width: float = WIDTH) -> Markup:
    """One chart, with its title and what it shows in words for those who do not see it. `key` is unique on the page."""
    named, described = f"{key}-title", f"{key}-description"
    return tag(
        "svg",
        tag("title", title, id=named),
        tag("desc", description, id=described),
        *marks,
        viewBox=f"0 0 {width:g} {HEIGHT}",
        class_="wide" if width == WIDTH else "square",
        role="img",
        aria_labelledby=f"{named} {described}",
    )
