"""The reliability diagram: how often decisions earned for which the model had a given confidence."""

from ab.hits import ReliabilityBin
from ab.report.axes import LEFT, WIDTH, Plot, drawing, frame, label, line
from ab.report.markup import Markup, tag
from ab.report.values import Reliability
from ab.report.wording import number, percent

# A reliability diagram is read by its diagonal: as wide as high.
_WIDTH = LEFT + 250
_TICKS = [(share / 5, f"{share * 20} %") for share in range(6)]


def calibration_chart(key: str, reliability: Reliability) -> Markup:
    """Mean confidence to the right, share that earned upwards, with the diagonal on which a calibrated model lies.

    After Murphy and Winkler (1977); the source is on the page.
    """
    plot = Plot.over((0.0, 1.0), (0.0, 1.0), right=WIDTH - _WIDTH + 20)
    return drawing(
        key,
        f"Calibration of {reliability.model} {reliability.version}",
        " ".join(_words(one) for one in reliability.bins),
        frame(plot, _TICKS, _TICKS, "mean confidence of the decisions", "share of them that earned"),
        line(plot.x.at(0.0), plot.y.at(0.0), plot.x.at(1.0), plot.y.at(1.0), "zero"),
        label(plot.x.at(0.88), plot.y.at(0.9) + 4, "as often right as confident", text_anchor="end"),
        *(_point(plot, one) for one in reliability.bins),
        width=_WIDTH,
    )


def _point(plot: Plot, one: ReliabilityBin) -> Markup:
    x, y = plot.x.at(one.confidence), plot.y.at(one.earned)
    return tag(
        "g",
        tag("title", _words(one)),
        tag("circle", cx=x, cy=y, r=4.5),
        label(x + 8, y + 14, number(one.decisions, 0)),
        class_="look",
    )


def _words(one: ReliabilityBin) -> str:
    return (
        f"Confidence {percent(one.low)} to {percent(one.high)}: mean {percent(one.confidence)}, "
        f"earned {percent(one.earned)} of {number(one.decisions, 0)}."
    )
