"""What is to be done with an experiment now, and why: stop it, let the next stage begin, or leave it as it is."""

from dataclasses import dataclass

from ab.alarms import broken, is_worse, of_this_run, wrong_split
from ab.commands import CHANGES
from ab.outcomes import DAY_S
from ab.plan import Response
from ab.results import Findings
from ab.running import running_s
from ab.state import Command, ExperimentState, Phase, is_promoted
from ab.waiting import Awaited, waits

# The commands that the responses of guardrails are, the most severe first.
_COMMANDS = {
    Response.KILL: Command.KILL,
    Response.ROLL_BACK: Command.ROLLBACK,
    Response.PAUSE: Command.PAUSE,
}
_IDLE = {
    Phase.ROLLED_BACK: "It is rolled back: everybody has the rule until an operator starts it again.",
    Phase.KILLED: "It is killed: everybody has the rule until an operator starts it again.",
    Phase.PROMOTED: "It is promoted, and no guardrail is broken.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the engine makes of an experiment: the command to give, None to leave it; `reasons` are sentences.

    `waiting_for` is empty with a command, and where there is nothing to come.
    """

    command: Command | None
    reasons: tuple[str, ...]
    waiting_for: tuple[Awaited, ...] = ()


def evaluate(state: ExperimentState, findings: Findings | None, market_s: float) -> Verdict:
    """The verdict at a market time (Unix seconds); `findings` None while there are none.

    What speaks against the policy goes before all it waits for, in every phase in which anybody may meet it. The
    engine never promotes. The command is based on the version of `state`: on another one it may be wrong.
    """
    stop = _stop(state, of_this_run(state, findings))
    if stop is not None:
        return stop
    waiting = waits(state, findings, market_s)
    if waiting or state.phase is not Phase.RUNNING:
        return Verdict(
            command=None,
            reasons=tuple(wait.why for wait in waiting) or (_IDLE[state.phase],),
            waiting_for=tuple(dict.fromkeys(wait.what for wait in waiting)),
        )
    return Verdict(command=Command.ADVANCE, reasons=(_advances(state, findings, market_s),))


def _stop(state: ExperimentState, findings: Findings | None) -> Verdict | None:
    if findings is None:
        return None
    alarms = tuple(broken(state, findings))
    responses = {guardrail.response for guardrail, _ in alarms}
    for response, command in _COMMANDS.items():
        if response in responses and _possible(state, command):
            return Verdict(command=command, reasons=tuple(why for _, why in alarms))
    # A promotion ends the comparison: what was known before it was known to the operator who promoted.
    if is_promoted(state):
        return None
    if findings.ratio.mismatch and _possible(state, Command.PAUSE):
        return Verdict(command=Command.PAUSE, reasons=(wrong_split(findings.ratio),))
    if is_worse(findings) and _possible(state, Command.ROLLBACK):
        why = f"The policy is worse than the rule: {findings.primary.reason}"
        return Verdict(command=Command.ROLLBACK, reasons=(why,))
    return None


def _possible(state: ExperimentState, command: Command) -> bool:
    return (state.phase, command) in CHANGES


def _advances(state: ExperimentState, findings: Findings | None, market_s: float) -> str:
    stage, following = state.plan.stages[state.stage], state.plan.stages[state.stage + 1]
    days = running_s(state, market_s) / DAY_S
    units = 0 if findings is None else findings.units_in_stage
    # What the stage does not ask for is no reason.
    of_days = f" of {stage.min_days:,.6g}" if stage.min_days > 0.0 else ""
    of_units = f", {units:,} user-days an arm of {stage.min_units:,}" if stage.min_units > 0 else ""
    approved = ", approved by an operator" if stage.approval else ""
    return (
        f"Stage {state.stage + 1} of {len(state.plan.stages)} is done: {days:.2f} market days{of_days}{of_units}"
        f"{approved}. The share grows from {stage.share:.6g} to {following.share:.6g}."
    )
