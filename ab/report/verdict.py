"""What may be said of an experiment in one sentence, what it is doing, and what stands against believing it."""

from collections.abc import Sequence

from ab.outcomes import DAY_S
from ab.report.markup import Markup, foreign, join, tag
from ab.report.values import Market, Report
from ab.report.wording import CONCLUSIONS, GUARDS, day_of, finite, guard_value, interval, moment, number, percent
from ab.results import Conclusion, Look
from ab.running import share_in_force
from ab.state import ExperimentState, Phase, is_promoted, phase_began
from ab.waiting import Wait

_SENTENCES = {
    Conclusion.BETTER: "The policy earns more than the rule, at the {level} level over all looks: {found}.",
    Conclusion.WORSE: "The policy earns less than the rule, at the {level} level over all looks: {found}.",
    Conclusion.NOT_WORSE: (
        "The policy is not worse than the rule by {margin} bps of capital a day or more, at the one-sided {half} level "
        "over all looks: {found}."
    ),
    Conclusion.UNDECIDED: (
        "It cannot be said yet, at the {level} level over all looks, whether the policy earns more than the rule: "
        "{found}."
    ),
    Conclusion.INCONCLUSIVE: (
        "All looks are taken, and at the {level} level it stays open whether the policy earns more than the rule: "
        "{found}."
    ),
    Conclusion.CANNOT_CONCLUDE: (
        "With these users and days this experiment cannot tell, at the {level} level, whether the policy earns more "
        "than the rule: {found}."
    ),
}

_PHASES = {
    Phase.DRAFT: "A draft",
    Phase.RUNNING: "Running",
    Phase.PAUSED: "Paused",
    Phase.ROLLED_BACK: "Rolled back",
    Phase.KILLED: "Killed",
    Phase.PROMOTED: "Promoted",
}


def sentence(report: Report) -> str:
    """What is known of the effect, and at which level."""
    analysis, primary = report.state.plan.analysis, report.findings.primary
    looks = primary.looks
    if primary.conclusion is Conclusion.WORSE:
        # It stays said when the effect is no loss any more: the look that shows it is named.
        looks = looks[: max((look.number for look in looks if look.significant), default=len(looks))]
    return _SENTENCES[primary.conclusion].format(
        level=percent(analysis.alpha),
        half=percent(analysis.alpha / 2),
        margin=number(analysis.margin_bps),
        found=_found(looks, primary.planned_looks),
    )


def _found(looks: Sequence[Look], planned: int) -> str:
    if not looks:
        return f"none of {planned} looks is taken"
    last = looks[-1]
    where = f"at look {last.number} of {planned}"
    if finite(last.effect_bps) is None:
        return f"{where} the effect is not known"
    bounds = interval(last.low_bps, last.high_bps)
    return f"{where} the effect is {number(last.effect_bps, signed=True)} bps of capital a day, interval {bounds}"


def verdict(report: Report) -> Markup:
    """The head of the page: warnings first, then the sentence, the reason, and what the experiment waits for."""
    primary = report.findings.primary
    return join(
        *warnings(report),
        tag("p", sentence(report), class_="verdict"),
        tag("p", tag("strong", f"{CONCLUSIONS[primary.conclusion].capitalize()}: "), foreign(primary.reason)),
        tag("p", _doing(report.state)),
        _waits(report.waiting_for),
    )


def _waits(waits: Sequence[Wait]) -> Markup:
    head = tag("strong", "Waits for: ")
    if not waits:
        return tag("p", head, "nothing.")
    named = (join(wait.what.replace("_", " ").capitalize(), ": ", foreign(wait.why)) for wait in waits)
    return join(tag("p", head), tag("ul", *(tag("li", one) for one in named)))


def _doing(state: ExperimentState) -> Markup:
    since_s, reason = phase_began(state)
    promoted = ", promoted before," if state.phase is Phase.PAUSED and is_promoted(state) else ""
    what = f"{_PHASES[state.phase]}{promoted} since {moment(since_s)} UTC"
    where = f", run {state.run}, stage {state.stage + 1} of {len(state.plan.stages)}" if state.run else ""
    enabled = "" if state.enabled else ". Disabled: everybody gets the rule"
    met = f", {percent(share_in_force(state))} of users meet the policy{enabled}. "
    why = join("Reason given: ", tag("q", foreign(reason)), ".") if reason else ""
    return join(tag("strong", what), where, met, why)


def warnings(report: Report) -> list[Markup]:
    """What a reader must not overlook, the loudest first."""
    findings = report.findings
    found = [*_about_the_money(report.market)]
    if findings.ratio.mismatch:
        found.append(
            _warning("The split is not the planned one.", "The effect must not be believed until it is known why.")
        )
    found += [
        _warning(
            "A guardrail is broken.",
            f"{GUARDS[reading.guard][0]}: {guard_value(reading.guard, reading.value)} against a limit of "
            f"{guard_value(reading.guard, reading.limit)} {GUARDS[reading.guard][1]}.",
        )
        for reading in findings.guards
        if reading.broken
    ]
    if not findings.complete:
        found.append(
            _warning(
                "Outcomes are missing.", "Some that are due are missing or late; nothing follows from their absence."
            )
        )
    return [*found, *_about_accepted(report)]


def _about_accepted(report: Report) -> list[Markup]:
    through = report.state.missing_accepted_through
    if through is None:
        return []
    missing = sum(money.missing for money in report.findings.money.values())
    text = f"Of both arms {missing:,} user-days are missing. Up to {day_of(through * DAY_S)} they hold nothing back: "
    why = foreign(report.state.missing_accepted_reason or "no reason was given")
    return [tag("p", tag("strong", "Missing outcomes were accepted."), " ", text, why, class_="warning", role="note")]


def _about_the_money(market: Market) -> list[Markup]:
    if market.simulated:
        return [
            _warning(
                "Not real money: the market is simulated.",
                "Its prices are made up, and nothing here was earned or lost.",
            )
        ]
    if market.paper:
        return [
            _warning("Not real money: paper trading.", "No order reached a venue, and nothing here was earned or lost.")
        ]
    return []


def _warning(head: str, text: str) -> Markup:
    return tag("p", tag("strong", head), " ", text, class_="warning", role="note")
