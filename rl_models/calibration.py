"""From a policy's own score to the probability that its target pays: a monotone piecewise linear curve."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from rl_models.strict_json import Fields, Json, finite
from trading.errors import BundleRefused

# So many bars a target is held where nobody says otherwise.
DEFAULT_HORIZON_BARS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One bin of the reliability curve: mean calibrated `score`, `observed` share of events, `n` decisions."""

    score: float
    observed: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How confidence was fitted on out-of-sample decisions of one version, and how good it was there.

    `event` says in words what the probability is of; `horizon_bars` is how long the target is held; `cost_bps` the cost
    of one unit of turnover; `symbols` are those the decisions were about. `brier`, `ece`, `base_rate` and `curve` come
    from the `n` decisions that were not used for the fit. `knots` are (confidence score, probability), scores strictly
    increasing, probabilities never decreasing. Only an `informative` calibration may be served: the score passed a
    trial among the decisions that were fitted on, and did better than the base rate on those that were not.
    """

    event: str
    horizon_bars: int
    cost_bps: float
    symbols: tuple[str, ...]
    method: str
    informative: bool
    n: int
    brier: float
    ece: float
    base_rate: float
    knots: tuple[tuple[float, float], ...]
    curve: tuple[CurvePoint, ...]

    @property
    def base_rate_brier(self) -> float:
        """The Brier score on the same `n` decisions of saying their own base rate every time."""
        return brier_of_rate(self.base_rate)

    @property
    def highest(self) -> float:
        """The highest confidence this calibration can give."""
        return self.knots[-1][1]

    def probability(self, score: float) -> float:
        """The probability of a confidence score; constant outside the knots."""
        above = bisect_right(self.knots, score, key=_score)
        if above == 0:
            return self.knots[0][1]
        if above == len(self.knots):
            return self.knots[-1][1]
        (low, from_), (high, to) = self.knots[above - 1], self.knots[above]
        return from_ + (to - from_) * (score - low) / (high - low)

    def to_json(self) -> dict[str, Json]:
        """The `calibration` object of a manifest."""
        return {
            "event": self.event,
            "horizon_bars": self.horizon_bars,
            "cost_bps": self.cost_bps,
            "symbols": list(self.symbols),
            "method": self.method,
            "informative": self.informative,
            "n": self.n,
            "brier": self.brier,
            "ece": self.ece,
            "base_rate": self.base_rate,
            "knots": [list(knot) for knot in self.knots],
            "curve": [{"score": p.score, "observed": p.observed, "n": p.n} for p in self.curve],
            "highest": self.highest,
        }


def calibration_from_json(value: object, where: str) -> Calibration:
    """The calibration a manifest holds. Raises BundleRefused."""
    fields = Fields(value, where)
    calibration = Calibration(
        event=fields.text("event"),
        horizon_bars=fields.integer("horizon_bars", at_least=1),
        cost_bps=fields.number("cost_bps"),
        symbols=fields.texts("symbols"),
        method=fields.text("method"),
        informative=fields.boolean("informative"),
        n=fields.integer("n", at_least=1),
        brier=fields.number("brier"),
        ece=fields.number("ece"),
        base_rate=fields.number("base_rate"),
        knots=tuple(_knot(item, f"{where}.knots") for item in fields.items("knots")),
        curve=tuple(_curve_point(item, f"{where}.curve") for item in fields.items("curve")),
    )
    check_calibration(calibration, where)
    if fields.number("highest") != calibration.highest:
        raise BundleRefused(f"{where}.highest: not the last knot's probability")
    fields.end()
    return calibration


def check_calibration(calibration: Calibration, where: str) -> None:
    """Raises BundleRefused unless the knots are a monotone curve of probabilities, informative only if it says more."""
    scores = [score for score, _ in calibration.knots]
    fitted = [probability for _, probability in calibration.knots]
    if not scores:
        raise BundleRefused(f"{where}.knots: none")
    if any(a >= b for a, b in pairwise(scores)):
        raise BundleRefused(f"{where}.knots: scores must be strictly increasing")
    if any(a > b for a, b in pairwise(fitted)):
        raise BundleRefused(f"{where}.knots: probabilities must not decrease")
    shares = [*fitted, calibration.base_rate, calibration.brier, calibration.ece]
    if any(not 0.0 <= share <= 1.0 for share in shares):
        raise BundleRefused(f"{where}: probabilities, base_rate, brier and ece must be in 0..1")
    if not calibration.symbols or len(set(calibration.symbols)) != len(calibration.symbols):
        raise BundleRefused(f"{where}.symbols: one or more, each once")
    if calibration.informative and (len(scores) < 2 or calibration.brier >= calibration.base_rate_brier):
        raise BundleRefused(f"{where}.informative: a single knot, or a brier no better than that of the base rate")


def brier_of_rate(rate: float) -> float:
    """The Brier score of saying `rate` to events of which this share happens."""
    return rate * (1.0 - rate)


def _score(knot: tuple[float, float]) -> float:
    return knot[0]


def _knot(item: object, where: str) -> tuple[float, float]:
    if not isinstance(item, list) or len(item) != 2:
        raise BundleRefused(f"{where}: expected pairs of score and probability")
    return finite(item[0], where), finite(item[1], where)


def _curve_point(item: object, where: str) -> CurvePoint:
    fields = Fields(item, where)
    point = CurvePoint(
        score=fields.number("score"), observed=fields.number("observed"), n=fields.integer("n", at_least=0)
    )
    fields.end()
    return point
