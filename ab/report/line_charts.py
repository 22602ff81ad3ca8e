"""The charts of something over market days: money of both arms, and the share of users who meet the policy."""

from collections.abc import Sequence
from datetime import date

from ab.outcomes import DAY_S
from ab.report.axes import Plot, Tick, apart, decimals, drawing, frame, label, line, padded, round_ticks
from ab.report.markup import Markup, join, tag
from ab.report.values import MoneyDay
from ab.report.wording import ARMS, NOT_KNOWN, day_of, dollars, finite, moment, number, percent, short_day
from ab.state import Step
from trading.vocabulary import Arm

# Labels at the ends of two lines keep so much distance, in units of the drawing, or nobody could read either.
_LABEL_GAP = 40.0


def money_chart(days: Sequence[MoneyDay]) -> Markup:
    """Mean cumulative net profit of each arm, basis points of capital, day by day (at least one)."""
    known = [value for day in days for value in day.net_bps.values() if finite(value) is not None and value is not None]
    span = (float(days[0].day.toordinal()), float(days[-1].day.toordinal()))
    plot = Plot.over(span, padded([0.0, *known], 0.1), right=160)
    y_values = round_ticks(plot.y.low, plot.y.high)
    y_ticks = [(value, number(value, decimals(y_values), signed=True)) for value in y_values]
    return drawing(
        "money",
        "Mean cumulative net profit of each arm",
        _money_words(days),
        frame(plot, _day_ticks(*span), y_ticks, "market day (UTC)", "net profit since the start, bps of capital"),
        line(plot.x.start, plot.y.at(0.0), plot.x.end, plot.y.at(0.0), "zero"),
        *(_arm_line(plot, days, arm) for arm in ARMS),
        _end_labels(plot, days),
    )


def _day_ticks(first: float, last: float) -> list[Tick]:
    ordinals = sorted({round(value) for value in round_ticks(0, max(last - first, 1), most=5)})
    return [
        (first + after, short_day(date.fromordinal(round(first + after))))
        for after in ordinals
        if first + after <= last
    ]


def _arm_line(plot: Plot, days: Sequence[MoneyDay], arm: Arm) -> Markup:
    """Broken where the money of a day is not known; a day between two such is a dot."""
    runs: list[list[str]] = [[]]
    for day in days:
        value = finite(day.net_bps.get(arm))
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{plot.x.at(day.day.toordinal()):.1f},{plot.y.at(value):.1f}")
    lines = [tag("polyline", points=" ".join(points)) for points in runs if len(points) > 1]
    dots = [points[0].split(",") for points in runs if len(points) == 1]
    circles = [tag("circle", cx=x, cy=y, r="3.5") for x, y in dots]
    return tag("g", tag("title", ARMS[arm]), *lines, *circles, class_=f"line {arm}")


def _end_labels(plot: Plot, days: Sequence[MoneyDay]) -> Markup:
    last = days[-1]
    ends = {arm: value for arm in ARMS if (value := finite(last.net_bps.get(arm))) is not None}
    places = {arm: plot.y.at(value) for arm, value in ends.items()}
    if len(places) == 2:
        upper, lower = sorted(places, key=lambda arm: places[arm])
        places[upper], places[lower] = apart(places[upper], places[lower], _LABEL_GAP)
    x = plot.x.end + 8
    return join(
        *(
            tag(
                "g",
                label(x, places[arm], f"{ARMS[arm]} {number(ends[arm], signed=True)}", class_="name"),
                label(x, places[arm] + 18, _in_dollars(last.net_usd.get(arm))),
                class_=f"end {arm}",
            )
            for arm in places
        )
    )


def _in_dollars(value: float | None) -> str:
    return f"USD {NOT_KNOWN}" if finite(value) is None else f"{dollars(value)} USD"


def _money_words(days: Sequence[MoneyDay]) -> str:
    last = days[-1]
    ends = [f"{ARMS[arm].lower()} {_bps(last.net_bps.get(arm))}" for arm in ARMS]
    return f"From {days[0].day} to {last.day}, then: {', '.join(ends)}."


def _bps(value: float | None) -> str:
    return NOT_KNOWN if finite(value) is None else f"{number(value, signed=True)} bps"


def share_chart(steps: Sequence[Step], until_s: float) -> Markup:
    """The share of users who met the policy, as steps (at least one) over market time up to `until_s`."""
    since, until = steps[0].since_s / DAY_S, max(until_s, steps[-1].since_s) / DAY_S
    plot = Plot.over((since, until), (0.0, max(step.share for step in steps) * 1.15 or 1.0), right=72)
    ends = [step.since_s / DAY_S for step in steps[1:]] + [until]
    points = [
        f"{plot.x.at(day):.1f},{plot.y.at(step.share):.1f}"
        for step, end in zip(steps, ends, strict=True)
        for day in (step.since_s / DAY_S, end)
    ]
    marks = [
        tag(
            "circle",
            tag("title", _step_words(step)),
            cx=plot.x.at(step.since_s / DAY_S),
            cy=plot.y.at(step.share),
            r=3.5,
        )
        for step in steps
    ]
    return drawing(
        "share",
        "Share of users who meet the policy",
        " ".join(_step_words(step) for step in steps),
        frame(
            plot,
            _time_ticks(since, until),
            [(value, percent(value)) for value in round_ticks(0.0, plot.y.high)],
            "market time (UTC)",
            "share of users who meet the policy",
        ),
        tag("g", tag("polyline", points=" ".join(points)), *marks, class_="line rl"),
        label(plot.x.end + 8, plot.y.at(steps[-1].share) + 4, percent(steps[-1].share), class_="name"),
    )


def _time_ticks(since: float, until: float) -> list[Tick]:
    days = [value for value in round_ticks(since, max(until, since + 0.1), most=5) if value <= until]
    if all(value == round(value) for value in days):
        return [(value, short_day(day_of(value * DAY_S))) for value in days]
    return [(value, moment(value * DAY_S)[-5:]) for value in days]


def _step_words(step: Step) -> str:
    return f"Stage {step.stage + 1}: {percent(step.share)} from {moment(step.since_s)}."
