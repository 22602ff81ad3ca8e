"""What speaks against an experiment whatever it waits for: broken guardrails, a wrong split, a policy that is worse."""

from collections.abc import Iterator

from ab.commands import CHANGES
from ab.plan import Guard, Guardrail
from ab.results import Conclusion, Findings, GuardReading, SampleRatio
from ab.running import share_in_force
from ab.state import Command, ExperimentState

# What the figure of each guard is called after "the policy's", and its unit.
GUARD_WORDS: dict[Guard, tuple[str, str]] = {
    Guard.DAILY_LOSS: ("loss on its worst day", " bps of the capital"),
    Guard.DRAWDOWN: ("drawdown", " bps of the capital"),
    Guard.TAIL_LOSS: ("mean loss on the worst twentieth of its user-days", " bps of the capital"),
    Guard.TURNOVER: ("turnover", " times the capital a day"),
    Guard.FEES: ("fee", " bps of the capital a day"),
    Guard.REJECTED_ORDERS: ("share of rejected orders", ""),
    Guard.ERRORS: ("share of failed decisions", ""),
    Guard.LATENCY: ("99th percentile of latency", " ms"),
}

# Market seconds by which the clocks of two workers may differ.
CLOCK_SLACK_S = 3600.0


def of_this_run(state: ExperimentState, findings: Findings | None) -> Findings | None:
    """The findings, unless they are older than this run: what an earlier one lost says nothing against this one."""
    began_s = state.steps[0].since_s if state.steps else None
    if findings is None or began_s is None or findings.at_s < began_s:
        return None
    return findings


def clock_set_back(state: ExperimentState, last_s: float | None, market_s: float) -> str | None:
    """Why a run has to end whose record lies ahead of the market's clock, in a sentence; None where it does not.

    `last_s` is the market time of its last findings, None for none. Such a market began anew: what is on record is of
    another one, and until its time has come again no guardrail can be read.
    """
    if not state.steps or (state.phase, Command.ROLLBACK) not in CHANGES:
        return None
    ahead_s = max(state.steps[0].since_s, state.steps[0].since_s if last_s is None else last_s) - market_s
    if not ahead_s > CLOCK_SLACK_S:
        return None
    return f"The market's clock is {ahead_s / 3600.0:,.1f} h behind what is on record of this run: it began anew."


def adds_policy_users(state: ExperimentState) -> bool:
    """True while users who hold nothing are given the policy by the hash."""
    return share_in_force(state) > 0.0


def broken(state: ExperimentState, findings: Findings) -> Iterator[tuple[Guardrail, str]]:
    """Each guardrail of the plan that is broken, with its figures in a sentence."""
    for guardrail, reading in _readings(state, findings):
        if reading is not None and reading.broken:
            name, unit = GUARD_WORDS[guardrail.guard]
            value = "not known" if reading.value is None else f"{reading.value:,.6g}{unit}"
            yield (
                guardrail,
                f"The policy's {name} is {value}, above the limit of {guardrail.limit:,.6g}, after "
                f"{reading.units:,} user-days.",
            )


def untold(state: ExperimentState, findings: Findings) -> Iterator[str]:
    """A sentence for each guardrail of the plan that has enough user-days to be judged, and no figure."""
    for guardrail, reading in _readings(state, findings):
        if reading is None or (reading.value is None and reading.units >= guardrail.min_units):
            yield f"The policy's {GUARD_WORDS[guardrail.guard][0]} cannot be told."


def wrong_split(ratio: SampleRatio) -> str:
    """The sample ratio mismatch in a sentence."""
    compared = ratio.users_rl + ratio.users_control
    chance = "not known" if ratio.p_value is None else f"{ratio.p_value:.2g}"
    return (
        f"Of {compared:,} compared users {ratio.users_rl:,} have the policy where {ratio.expected_rl:,.6g} were to be "
        f"expected (p = {chance}): who is in which arm is not left to chance."
    )


def is_worse(findings: Findings) -> bool:
    """True when the policy has been shown to earn less than the rule."""
    return findings.primary.conclusion is Conclusion.WORSE


def _readings(state: ExperimentState, findings: Findings) -> Iterator[tuple[Guardrail, GuardReading | None]]:
    by_guard = {reading.guard: reading for reading in findings.guards}
    for guardrail in state.plan.guardrails:
        yield guardrail, by_guard.get(guardrail.guard)
