"""How the figures of the page were computed, and where the formulas come from."""

from ab.plan import Analysis, OutcomeSource
from ab.report.markup import Markup, join, tag
from ab.report.values import Report
from ab.report.wording import MISSING, SOURCES, moment, number, percent

# What each formula is used for, and who published it.
FORMULAS = {
    "Studentised test by re-randomisation": (
        "A. Janssen, Studentized permutation tests for non-i.i.d. hypotheses and the generalized Behrens-Fisher "
        "problem, Statistics and Probability Letters 36 (1997) 9-21; E. Chung and J. P. Romano, Exact and "
        "asymptotically robust permutation tests, Annals of Statistics 41 (2013) 484-507."
    ),
    "Test over days by signs at random": (
        "R. A. Fisher, The Design of Experiments, Oliver and Boyd (1935), section 21; E. L. Lehmann and J. P. Romano, "
        "Testing Statistical Hypotheses, section 15.2; I. A. Canay, J. P. Romano and A. M. Shaikh, Randomization tests "
        "under an approximate symmetry assumption, Econometrica 85 (2017) 1013-1030. Its interval: J. A. Hartigan, "
        "Using subsample values as typical values, Journal of the American Statistical Association 64 (1969) "
        "1303-1317."
    ),
    "Spending of the level over the looks": (
        "K. K. G. Lan and D. L. DeMets, Discrete sequential boundaries for clinical trials, Biometrika 70 (1983) "
        "659-663; the shape is that of P. C. O'Brien and T. R. Fleming, A multiple testing procedure for clinical "
        "trials, Biometrics 35 (1979) 549-556. Over days: K. Kim and D. L. DeMets, Design and analysis of group "
        "sequential tests based on the type I error spending rate function, Biometrika 74 (1987) 149-154."
    ),
    "Intervals that hold at all looks together": (
        "C. Jennison and B. W. Turnbull, Interim analyses: the repeated confidence interval approach, Journal of the "
        "Royal Statistical Society B 51 (1989) 305-361."
    ),
    "Sample ratio at all times": (
        "M. Lindon and A. Malek, Anytime-valid inference for multinomial count data, Advances in Neural Information "
        "Processing Systems 35 (2022)."
    ),
    "Mean of the worst twentieth": (
        "C. Acerbi and D. Tasche, On the coherence of expected shortfall, Journal of Banking and Finance 26 (2002) "
        "1487-1503."
    ),
    "Reliability diagram": (
        "A. H. Murphy and R. L. Winkler, Reliability of subjective probability forecasts of precipitation and "
        "temperature, Journal of the Royal Statistical Society C 26 (1977) 41-47."
    ),
}

# What is to be known of users who never traded, where they count.
IDLE = {
    "Who never traded": (
        "By the ledger a user whose agent never traded earned 0, which is known and counts: the effect is a mean over "
        "those users too, and is the smaller the more they are. Money per arm says how many traded."
    ),
}

TESTS = {
    "Test by users": (
        "Is the difference an accident of who was assigned? "
        "The difference of the arms' means of users, divided by its standard error with unequal variances, against "
        "the same figure when every user's arm is drawn anew by chance through the same history of shares."
    ),
    "Test by days": (
        "Is the difference an accident of what the market did on these days? All users of an arm meet the same "
        "market, and however many they are, they are no more days. The sum of the daily differences between the "
        "arms' means, against the same sum when each day's sign is drawn by chance. It takes one day's difference "
        "to be independent of another's. Better or worse is said when both tests have rejected with the same sign."
    ),
}


def method(report: Report) -> Markup:
    """The analysis that was fixed before the start, in words, and the sources."""
    items = [tag("li", tag("strong", f"{name}. "), text) for name, text in _steps(report.state.plan.analysis).items()]
    sources = [join(tag("dt", name), tag("dd", source)) for name, source in FORMULAS.items()]
    return join(
        tag("ul", *items),
        tag("h3", "Sources of the formulas"),
        tag("dl", *sources),
        tag(
            "p",
            f"Made {moment(report.generated_at_s)} UTC by version {report.version} from the state of the experiment "
            f"at event {report.state.version}; findings as of market time {moment(report.findings.at_s)} UTC.",
        ),
    )


def _steps(analysis: Analysis) -> dict[str, str]:
    return {**_compared(analysis), **TESTS, **_concluded(analysis)}


def _compared(analysis: Analysis) -> dict[str, str]:
    bounds = f"{number(analysis.lowest_bps)} to {number(analysis.highest_bps)}"
    said = {
        "Outcome": (
            "Net profit of a user in a market day after fees and spread, in basis points (bps, hundredths of a percent)"
            f" of allotted capital, cut to {bounds} bps; money per arm is not cut. It comes from "
            f"{SOURCES[analysis.source]}."
        ),
        "Comparison": (
            "Users are compared in the arm they were assigned, whoever answered them (intention to treat); profit "
            "belongs to the arm that opened the position."
        ),
        "Days": (
            "A user's market day counts when on all of it the experiment ran, at no lower a share than when the user "
            "came: days that a pause touched are left out of both arms."
        ),
        "Missing": (
            f"By this source {MISSING[analysis.source]}. Missing days are left out and counted; they are never taken "
            "for zero."
        ),
    }
    return said | IDLE if analysis.source is OutcomeSource.LEDGER else said


def _concluded(analysis: Analysis) -> dict[str, str]:
    return {
        "Looks": (
            f"{analysis.looks} planned, {analysis.look_days:g} market days apart. The two-sided level of "
            f"{percent(analysis.alpha)} is spent over them, by each test for itself, as alpha(t) = 2 (1 - Phi(z / "
            "sqrt(t))), t the share of looks taken and z the normal quantile of 1 - alpha / 2: little early, most at "
            "the end."
        ),
        "Interval": (
            "On each side the wider of the effects that either test would not reject at that look. At all looks "
            f"together the intervals cover the truth with a chance of at least {percent(1 - analysis.alpha)}."
        ),
        "Not worse": (
            f"The lower end of the interval is above {number(-analysis.margin_bps)} bps of capital a day, which tests "
            f"one-sided at {percent(analysis.alpha / 2)}."
        ),
    }
