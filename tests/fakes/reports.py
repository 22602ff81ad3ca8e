"""Reports of an experiment with invented figures, for tests of the page that shows them."""

from dataclasses import replace
from datetime import date, timedelta

from ab.hits import ReliabilityBin
from ab.plan import Analysis, Guard, Guardrail, OutcomeSource, Plan, Response, Stage
from ab.report.values import Market, MoneyDay, Reliability, Report, Serving
from ab.results import ArmMoney, Conclusion, Findings, GuardReading, Look, Primary, SampleRatio
from ab.state import Command, Event, ExperimentState, Phase, Step
from ab.waiting import Awaited, Wait
from trading.vocabulary import Arm

START_S = 1_767_225_600.0  # 2026-01-01T00:00Z
DAY_S = 86_400.0
LOOKS, TAKEN = 30, 14

PLAN = Plan(
    key="ppo-beside-rule",
    salt="salt",
    model="ppo_btc",
    holdout_share=0.05,
    stages=(
        Stage(share=0.01, min_days=2, min_units=20, approval=False, max_notional_usd=500.0),
        Stage(share=0.1, min_days=5, min_units=100, approval=True, max_notional_usd=5_000.0),
        Stage(share=0.5, min_days=14, min_units=1_000, approval=True, max_notional_usd=None),
    ),
    analysis=Analysis(
        source=OutcomeSource.AS_IF,
        looks=LOOKS,
        look_days=1.0,
        alpha=0.05,
        margin_bps=5.0,
        lowest_bps=-500.0,
        highest_bps=500.0,
    ),
    guardrails=(
        Guardrail(guard=Guard.DAILY_LOSS, limit=300.0, response=Response.ROLL_BACK, min_units=20),
        Guardrail(guard=Guard.DRAWDOWN, limit=500.0, response=Response.ROLL_BACK, min_units=20),
        Guardrail(guard=Guard.TURNOVER, limit=20.0, response=Response.HOLD, min_units=2_000),
        Guardrail(guard=Guard.ERRORS, limit=0.02, response=Response.PAUSE, min_units=20),
        Guardrail(guard=Guard.LATENCY, limit=50.0, response=Response.PAUSE, min_units=20),
    ),
)

DRAFT = ExperimentState(
    plan=PLAN,
    version=1,
    run=0,
    phase=Phase.DRAFT,
    enabled=True,
    stage=0,
    share=0.0,
    approved=False,
    overrides=(),
    steps=(),
    changed_at_s=START_S,
    reason=None,
)

# What the page shows of an experiment that nobody has met yet.
EMPTY = Report(
    state=DRAFT,
    findings=Findings(
        at_s=START_S,
        primary=Primary(looks=(), planned_looks=LOOKS, conclusion=Conclusion.UNDECIDED, reason="no look is taken"),
        ratio=SampleRatio(users_rl=0, users_control=0, expected_rl=0.0, p_value=None, mismatch=False),
        money={},
        guards=(),
        units_in_stage=0,
        complete=True,
    ),
    waiting_for=(Wait(what=Awaited.OPERATOR, why="It is a draft: an operator has to start it."),),
    events=(),
    money_days=(),
    calibration=(),
    serving={},
    market=Market(source="BTC, hourly bars from 2026-01-01", simulated=False, paper=False),
    generated_at_s=START_S,
    version="0.1.0",
)


def look(number: int) -> Look:
    """A look whose interval has no end at first, and is narrower each day after."""
    wide = 260.0 / number**1.3
    effect = 3.0 + 14.0 * (-1) ** number / number
    return Look(
        number=number,
        at_s=START_S + number * DAY_S,
        users_rl=10 * number,
        users_control=11 * number,
        effect_bps=effect,
        low_bps=None if number < 3 else effect - wide,
        high_bps=None if number < 3 else effect + wide,
        p_value=0.9 / number,
        level=0.05 * (number / LOOKS) ** 3,
        days=number,
        p_value_days=0.95 / number,
        level_days=0.04 * (number / LOOKS) ** 3,
        smallest_p=0.0001,
        significant=False,
    )


def arm_money(arm: Arm) -> ArmMoney:
    """What an arm earned: the policy more, and its tail is not known."""
    policy = arm is Arm.RL
    return ArmMoney(
        arm=arm,
        users=140 if policy else 154,
        users_traded=131 if policy else 149,
        user_days=1_900,
        missing=3,
        net_bps=2.4 if policy else -1.1,
        net_usd=4_560.4 if policy else -2_090.0,
        fees_bps=1.3,
        fees_usd=2_470.0,
        drawdown_bps=41.0,
        worst_day_bps=22.5,
        tail_loss_bps=None if policy else 61.2,
        turnover=0.84,
        as_served=0.987,
    )


def money_day(after: int) -> MoneyDay:
    """Where the arms stood so many days after the start; nothing is known of the policy's sixth day."""
    policy = None if after == 5 else 2.4 * after + 9.0 * (-1) ** after
    return MoneyDay(
        day=date(2026, 1, 1) + timedelta(days=after),
        net_bps={Arm.RL: policy, Arm.FALLBACK: -1.1 * after + 3.0 * (after % 3)},
        net_usd={Arm.RL: None if policy is None else 134.0 * policy, Arm.FALLBACK: -150.0 * after},
    )


def event(number: int, command: Command, by: str, reason: str | None, day: float = 0.0) -> Event:
    """One command of the log, so many days after the start."""
    at_s = START_S + day * DAY_S
    return Event(
        experiment=PLAN.key, number=number, command=command, by=by, reason=reason, at_s=at_s + 3.0e6, market_s=at_s
    )


EVENTS = (
    replace(event(1, Command.CREATE, "alice", None), plan=PLAN),
    event(2, Command.START, "alice", "agreed in the meeting of 31 December"),
    event(3, Command.ADVANCE, "engine", "2 days and 24 user-days an arm were reached", day=2.0),
    event(4, Command.APPROVE, "bob", "losses look bounded", day=8.0),
    event(5, Command.ADVANCE, "engine", "approved, 6 days and 130 user-days an arm were reached", day=8.5),
    replace(event(6, Command.OVERRIDE, "bob", "asked for it", day=9.0), user_id="user123", arm=Arm.FALLBACK),
)

FINDINGS = Findings(
    at_s=START_S + TAKEN * DAY_S,
    primary=Primary(
        looks=tuple(look(number) for number in range(1, TAKEN + 1)),
        planned_looks=LOOKS,
        conclusion=Conclusion.UNDECIDED,
        reason="p = 0.0643 is above the 0.0051 that this look may spend; 16 looks are left.",
    ),
    ratio=SampleRatio(users_rl=140, users_control=154, expected_rl=147.0, p_value=0.81, mismatch=False),
    money={arm: arm_money(arm) for arm in (Arm.RL, Arm.FALLBACK)},
    guards=(
        GuardReading(guard=Guard.DAILY_LOSS, value=22.5, limit=300.0, units=1_900, broken=False),
        GuardReading(guard=Guard.DRAWDOWN, value=612.0, limit=500.0, units=1_900, broken=True),
        GuardReading(guard=Guard.TURNOVER, value=0.84, limit=20.0, units=1_900, broken=False),
        GuardReading(guard=Guard.ERRORS, value=0.0042, limit=0.02, units=1_900, broken=False),
        GuardReading(guard=Guard.LATENCY, value=None, limit=50.0, units=0, broken=False),
    ),
    units_in_stage=700,
    complete=False,
)

RELIABILITY = Reliability(
    model="ppo_btc",
    version="3",
    bins=tuple(
        ReliabilityBin(
            low=index / 10,
            high=(index + 1) / 10,
            confidence=index / 10 + 0.05,
            earned=0.12 + 0.78 * index / 10,
            decisions=1_340 // (index + 1),
        )
        for index in range(2, 9)
    ),
)

# An experiment in its third stage: half of the looks are taken, a guardrail is broken, outcomes are missing.
RUNNING = replace(
    EMPTY,
    state=replace(
        DRAFT,
        version=6,
        run=1,
        phase=Phase.RUNNING,
        stage=2,
        share=0.5,
        steps=(
            Step(stage=0, share=0.01, since_s=START_S),
            Step(stage=1, share=0.1, since_s=START_S + 2.0 * DAY_S),
            Step(stage=2, share=0.5, since_s=START_S + 8.5 * DAY_S),
        ),
        changed_at_s=START_S + 8.5 * DAY_S,
        reason="approved, 6 days and 130 user-days an arm were reached",
    ),
    findings=FINDINGS,
    waiting_for=(
        Wait(what=Awaited.OUTCOMES, why="Outcomes that are due are missing or late."),
        Wait(what=Awaited.SAMPLE_RATIO, why="Nobody knows yet."),
    ),
    events=EVENTS,
    money_days=tuple(money_day(after) for after in range(TAKEN)),
    calibration=(RELIABILITY,),
    serving={
        Arm.RL: Serving(decisions=45_600, latency_p50_ms=4.2, latency_p99_ms=18.9, fallback_rate=0.0042),
        Arm.FALLBACK: Serving(decisions=50_100, latency_p50_ms=1.1, latency_p99_ms=None, fallback_rate=0.0),
    },
    market=Market(source="BTC, hourly bars from 2026-01-01", simulated=False, paper=True),
    generated_at_s=START_S + TAKEN * DAY_S + 3.0e6,
)

# The same by what fills earned, where only some of the users have an agent.
BY_LEDGER = replace(
    RUNNING,
    state=replace(
        RUNNING.state,
        plan=replace(PLAN, analysis=replace(PLAN.analysis, source=OutcomeSource.LEDGER)),
    ),
    findings=replace(
        FINDINGS, money={arm: replace(money, users_traded=57) for arm, money in RUNNING.findings.money.items()}
    ),
)
