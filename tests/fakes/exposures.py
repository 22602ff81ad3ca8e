"""Exposures of invented users: who was on which arm, on which bar, with which target, as the journal writes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.store.journal_rows import Entry
from tests.fakes.decisions import DECISION
from tests.fakes.market import EPOCH_S, HOUR_S, bars_from_closes
from trading.agents import Agent
from trading.vocabulary import (
    Action,
    Arm,
    Assignment,
    AssignmentReason,
    Bar,
    FailureReason,
)

DAY_S = 86_400
# A midnight: the day in which every experiment here begins.
START_S = EPOCH_S // DAY_S * DAY_S
ASSIGNED = Assignment(
    experiment="default",
    version=2,
    run=1,
    arm=Arm.RL,
    reason=AssignmentReason.HASH,
    stage="ramp",
    propensity=0.5,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposing:
    """One decision `hours` after the start, on the bar that closes there. `served` None: the assigned arm."""

    user_id: str
    arm: Arm
    hours: float
    target: float
    price: float
    symbol: str = "BTC"
    served: Arm | None = None
    failure: FailureReason | None = None
    propensity: float | None = 0.5
    acts: bool = True
    keeps: bool = False
    reason: AssignmentReason = AssignmentReason.HASH
    agent: Agent | None = None


def entries(exposing: Sequence[Exposing], *, run: int = 1) -> list[Entry]:
    """The decisions, numbered in order, made a second after their bars closed."""
    made = []
    for number, one in enumerate(exposing, 1):
        assert DECISION.market is not None
        close_s = START_S + one.hours * HOUR_S
        decision = replace(
            DECISION,
            request_id=f"{number:032x}",
            signal=replace(DECISION.signal, user_id=one.user_id, symbol=one.symbol),
            assignment=replace(ASSIGNED, arm=one.arm, reason=one.reason, propensity=one.propensity, run=run),
            advice=replace(DECISION.advice, keeps=one.keeps or one.served is Arm.HOLD),
            served_arm=one.served or one.arm,
            failure=one.failure,
            action=Action.BUY if one.acts else Action.HOLD,
            market=replace(DECISION.market, as_of_s=close_s, now_s=close_s + 1.0, close=one.price),
            target_exposure=one.target,
            position_exposure=0.0,
            refused_by=(),
            agent=one.agent,
        )
        made.append(Entry(decision=decision, decided_at_s=close_s + 1.0))
    return made


def hourly(closes: Sequence[float]) -> tuple[Bar, ...]:
    """Bars of an hour; the first one closes at the start."""
    return bars_from_closes(closes, start_s=START_S - HOUR_S)
