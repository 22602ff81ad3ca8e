"""The chart of the effect: each look's difference of the arms with its interval, the zero line and the margin."""

from collections.abc import Sequence
from math import ceil

from ab.report.axes import Plot, Tick, apart, decimals, drawing, frame, label, line, padded, round_ticks
from ab.report.markup import Markup, join, tag
from ab.report.wording import ARMS, chance, day_of, finite, interval, moment, number, short_day
from ab.results import Look, Primary
from trading.vocabulary import Arm

# Early intervals of O'Brien-Fleming type are many times as wide as late ones: the chart is drawn for the narrowest and
# the others leave it as arrows.
_ROOM = 0.5
_ARROW = 7.0
# A margin so many times as far from nothing as all that was found would leave nothing of that to be seen.
_FAR = 4.0
# The names of two lines keep so much distance, in units of the drawing: the height of the letters on a phone.
_LABEL_GAP = 20.0
# More dots than these would run into one another.
_MOST_DRAWN = 60
_BELOW = "\N{DOWNWARDS ARROW}"


def effect_chart(primary: Primary, margin_bps: float) -> Markup:
    """Looks from left to right up to the last planned one, basis points of capital a day upwards."""
    plot = Plot.over((0.5, primary.planned_looks + 0.5), _range(primary.looks, margin_bps), right=150)
    y_values = round_ticks(plot.y.low, plot.y.high)
    y_ticks = [(value, number(value, decimals(y_values), signed=True)) for value in y_values]
    return drawing(
        "effect",
        "Effect of the policy and its interval, look by look",
        _description(primary, margin_bps),
        frame(
            plot,
            _look_ticks(primary),
            y_ticks,
            "planned looks (day of the look, market time)",
            f"{ARMS[Arm.RL]} minus {ARMS[Arm.FALLBACK].lower()}, bps of capital a day",
        ),
        _references(plot, margin_bps),
        *(_look(plot, look) for look in drawn_looks(primary) if finite(look.effect_bps) is not None),
    )


def drawn_looks(primary: Primary) -> Sequence[Look]:
    """The looks that the chart has room for: all, or every so many, back from the latest."""
    return primary.looks[:: -ceil(primary.planned_looks / _MOST_DRAWN)][::-1]


def _range(looks: Sequence[Look], margin_bps: float) -> tuple[float, float]:
    ends = [(finite(look.low_bps), finite(look.high_bps)) for look in looks]
    bounded = [(low, high) for low, high in ends if low is not None and high is not None]
    narrowest = min(bounded, key=lambda both: both[1] - both[0], default=())
    effects = [effect for look in looks if (effect := finite(look.effect_bps)) is not None]
    found = [0.0, *effects, *narrowest]
    reach = max(abs(value) for value in found)
    margins = [] if 0.0 < _FAR * reach < margin_bps else [-margin_bps, margin_bps]
    return padded([*found, *margins], _ROOM)


def _look_ticks(primary: Primary) -> list[Tick]:
    days = {look.number: short_day(day_of(look.at_s)) for look in primary.looks}
    numbers = [round(value) for value in round_ticks(0, primary.planned_looks, most=5) if value == round(value) > 0]
    if all(other > 3 for other in numbers):
        numbers.insert(0, 1)
    return [(at, f"{at} ({days[at]})" if at in days else str(at)) for at in numbers]


def _references(plot: Plot, margin_bps: float) -> Markup:
    """The lines of no effect and of the margin with their names; a margin that is off the chart has its name only."""
    zero, margin = plot.y.at(0.0), min(plot.y.at(-margin_bps), plot.y.start)
    drawn, arrow = (Markup(), f" {_BELOW}") if margin == plot.y.start else (_reference(plot, margin, "margin"), "")
    name = f"margin {number(-margin_bps, 1 if margin_bps < 1_000.0 else 0)}{arrow}"
    above, below = apart(zero, margin, _LABEL_GAP)
    x = plot.x.end + 6
    return join(
        _reference(plot, zero, "zero"),
        drawn,
        label(x, above + 4, "no effect"),
        label(x, below + 4, name, class_="limit"),
    )


def _reference(plot: Plot, y: float, class_: str) -> Markup:
    return line(plot.x.start, y, plot.x.end, y, class_)


def _look(plot: Plot, look: Look) -> Markup:
    x, y = plot.x.at(look.number), plot.y.at(look.effect_bps or 0.0)
    class_ = "look significant" if look.significant else "look"
    return tag(
        "g",
        tag("title", _words(look)),
        _end(plot, x, y, look.high_bps, up=True),
        _end(plot, x, y, look.low_bps, up=False),
        tag("circle", cx=x, cy=y, r=4.5),
        class_=class_,
    )


def _end(plot: Plot, x: float, y: float, bound_bps: float | None, *, up: bool) -> Markup:
    """From the effect to one end of its interval: a bar across where it ends, an arrow where it leaves the chart."""
    bound, toward = finite(bound_bps), -1 if up else 1
    edge = plot.y.end if up else plot.y.start
    if bound is not None and plot.y.low <= bound <= plot.y.high:
        end = plot.y.at(bound)
        return join(line(x, y, x, end, "interval"), line(x - 4, end, x + 4, end, "interval"))
    head = f"{x - 4:.1f},{edge - toward * _ARROW:.1f} {x + 4:.1f},{edge - toward * _ARROW:.1f} {x:.1f},{edge:.1f}"
    endless = "endless" if bound is None else "beyond"
    return join(line(x, y, x, edge - toward * _ARROW, "interval"), tag("polygon", points=head, class_=endless))


def _words(look: Look) -> str:
    return (
        f"Look {look.number}, {moment(look.at_s)}: effect {number(look.effect_bps, signed=True)} bps a day, interval "
        f"{interval(look.low_bps, look.high_bps)} bps, p by users {chance(look.p_value)}, needed {chance(look.level)}, "
        f"p by days {chance(look.p_value_days)}, needed {chance(look.level_days)}"
    )


def _description(primary: Primary, margin_bps: float) -> str:
    shown = f"The zero line, the margin at {number(-margin_bps)} bps and {len(primary.looks)} of "
    last = _words(primary.looks[-1]) if primary.looks else "No look has been taken"
    return f"{shown}{primary.planned_looks} planned looks. {last}."
