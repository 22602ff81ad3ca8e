"""Experiments and what they have shown, for tests of the rules: plans, logs, findings, changed where told."""

from collections.abc import Iterable
from dataclasses import replace

from ab.commands import fold
from ab.plan import Analysis, Guard, Guardrail, OutcomeSource, Plan, Response, Stage
from ab.requests import CommandRequest, decide
from ab.results import Conclusion, Findings, GuardReading, Look, Primary, SampleRatio
from ab.state import Command, Event, ExperimentState

START_S = 1_700_000_000.0
DAY_S = 86_400.0

LOSS = Guardrail(guard=Guard.DAILY_LOSS, limit=500.0, response=Response.ROLL_BACK, min_units=0)
ERRORS = Guardrail(guard=Guard.ERRORS, limit=0.1, response=Response.PAUSE, min_units=10)


def stage(share: float, **changes: object) -> Stage:
    """A stage of seven days and a hundred units without approval, changed where told."""
    fields: dict[str, object] = {"min_days": 7.0, "min_units": 100, "approval": False, "max_notional_usd": None}
    return Stage(share=share, **(fields | changes))  # type: ignore[arg-type]


def plan(**changes: object) -> Plan:
    """A plan of four stages, the second of which needs an approval and caps orders, changed where told."""
    fields: dict[str, object] = {
        "key": "default",
        "salt": "test-salt",
        "model": None,
        "holdout_share": 0.0,
        "stages": (stage(0.1), stage(0.25, approval=True, max_notional_usd=200.0), stage(0.5), stage(0.8)),
        "analysis": Analysis(
            source=OutcomeSource.AS_IF,
            looks=30,
            look_days=1.0,
            alpha=0.05,
            margin_bps=5.0,
            lowest_bps=-500.0,
            highest_bps=500.0,
        ),
        "guardrails": (LOSS, ERRORS),
    }
    return Plan(**(fields | changes))  # type: ignore[arg-type]


def request(command: Command, **changes: object) -> CommandRequest:
    """A command of an operator at the start, changed where told."""
    fields: dict[str, object] = {"by": "operator", "reason": None, "at_s": START_S, "market_s": START_S}
    return CommandRequest(command=command, **(fields | changes))  # type: ignore[arg-type]


def log(requests: Iterable[CommandRequest]) -> list[Event]:
    """The events that commands become, one after the other; the first creates."""
    state: ExperimentState | None = None
    events = []
    for asked in requests:
        event = decide(state, asked)
        state = fold(state, event)
        events.append(event)
    return events


def folded(events: Iterable[Event]) -> ExperimentState:
    """What a log adds up to."""
    state: ExperimentState | None = None
    for event in events:
        state = fold(state, event)
    assert state is not None
    return state


def after(*commands: Command | CommandRequest, of: Plan | None = None) -> ExperimentState:
    """The state after a creation and so many commands, all at the start."""
    created = request(Command.CREATE, plan=of or plan())
    return folded(log([created, *(c if isinstance(c, CommandRequest) else request(c) for c in commands)]))


def running(share: float = 0.1, **changes: object) -> ExperimentState:
    """The first run of an experiment, at a share, of the plan changed where told."""
    begun = after(Command.START, of=plan(**changes))
    return replace(begun, share=share)


def look(number: int = 1, **changes: object) -> Look:
    """A look that decided nothing, changed where told."""
    fields: dict[str, object] = {
        "at_s": START_S + number * DAY_S,
        "users_rl": 50,
        "users_control": 50,
        "effect_bps": 1.5,
        "low_bps": -20.0,
        "high_bps": 23.0,
        "p_value": 0.4,
        "level": 0.001,
        "days": number,
        "p_value_days": 0.6,
        "level_days": 0.0005,
        "smallest_p": 0.0001,
        "significant": False,
    }
    return Look(number=number, **(fields | changes))  # type: ignore[arg-type]


def primary(conclusion: Conclusion = Conclusion.UNDECIDED, *, looks: int = 8, planned: int = 30) -> Primary:
    """A result of so many looks."""
    return Primary(
        looks=tuple(look(number) for number in range(1, looks + 1)),
        planned_looks=planned,
        conclusion=conclusion,
        reason="as the test has it.",
    )


def reading(guardrail: Guardrail, value: float | None, *, units: int = 1000) -> GuardReading:
    """What a guardrail reads."""
    above = value is not None and value > guardrail.limit and units >= guardrail.min_units
    return GuardReading(guard=guardrail.guard, value=value, limit=guardrail.limit, units=units, broken=above)


def findings(**changes: object) -> Findings:
    """Eight good days: a thousand units, nothing missing, nothing broken, nothing decided; changed where told."""
    fields: dict[str, object] = {
        "at_s": START_S + 8 * DAY_S,
        "primary": primary(),
        "ratio": SampleRatio(users_rl=50, users_control=50, expected_rl=50.0, p_value=0.9, mismatch=False),
        "money": {},
        "guards": (reading(LOSS, 30.0), reading(ERRORS, 0.01)),
        "units_in_stage": 1000,
        "complete": True,
    }
    return Findings(**(fields | changes))  # type: ignore[arg-type]
