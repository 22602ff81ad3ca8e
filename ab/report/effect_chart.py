"""The chart of the effect: each look's difference of the arms with its interval, the zero line and the margin."""

from collections.abc import Sequence

from ab.report.axes import Plot, Tick, decimals, drawing, frame, label, line, padded, round_ticks
from ab.report.markup import Markup, join, tag
from ab.report.wording import ARMS, chance, day_of, finite, interval, moment, number, short_day
from ab.results import Look, Primary
from trading.vocabulary import Arm

# Early intervals of O'Brien-Fleming type are many times as wide as late ones: the chart is drawn for the narrowest and
# the others leave it as arrows.
_ROOM = 0.5
_ARROW = 7.0


def effect_chart(primary: Primary, margin_bps: float) -> Markup:
    """Looks from left to right up to the last planned one, basis points of capital a day upwards."""
    plot = Plot.over((0.5, primary.planned_looks + 0.5), _range(primary.looks, margin_bps), right=132)
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
        _reference(plot, 0.0, "no effect", "zero"),
        _reference(plot, -margin_bps, f"margin {number(-margin_bps)}", "margin"),
        *(_look(plot, look) for look in primary.looks if finite(look.effect_bps) is not None),
    )


def _range(looks: Sequence[Look], margin_bps: float) -> tuple[float, float]:
    ends = [(finite(look.low_bps), finite(look.high_bps)) for look in looks]
    bounded = [(low, high) for low, high in ends if low is not None and high is not None]
    narrowest = min(bounded, key=lambda both: both[1] - both[0], default=())
    effects = [effect for look in looks if (effect := finite(look.effect_bps)) is not None]
    return padded([0.0, -margin_bps, margin_bps, *effects, *narrowest], _ROOM)


def _look_ticks(primary: Primary) -> list[Tick]:
    days = {look.number: short_day(day_of(look.at_s)) for look in primary.looks}
    numbers = [round(value) for value in round_ticks(0, primary.planned_looks, most=5) if value == round(value) > 0]
    if all(other > 3 for other in numbers):
        numbers.insert(0, 1)
    return [(at, f"{at} ({days[at]})" if at in days else str(at)) for at in numbers]


def _reference(plot: Plot, value: float, name: str, class_: str) -> Markup:
    y = plot.y.at(value)
    return join(line(plot.x.start, y, plot.x.end, y, class_), label(plot.x.end + 6, y + 4, name))


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
