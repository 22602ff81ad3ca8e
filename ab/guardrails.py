"""What is watched beside the primary outcome: the reading of each guardrail, and whether it is broken."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ab.plan import Guard, Guardrail
from ab.results import ArmMoney, GuardReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """How the policy's arm was served. None: there was nothing to count, or nobody counted.

    `rejected_share` of its orders were refused by the venue, 0 where none was sent; `error_share` of its decisions
    failed over to another adviser (both 0..1); `latency_p99_ms` is the time within which 99 of 100 of its decisions
    were made.
    """

    rejected_share: float | None
    error_share: float | None
    latency_p99_ms: float | None


_MONEY: dict[Guard, Callable[[ArmMoney], float | None]] = {
    Guard.DAILY_LOSS: lambda money: money.worst_day_bps,
    Guard.DRAWDOWN: lambda money: money.drawdown_bps,
    Guard.TAIL_LOSS: lambda money: money.tail_loss_bps,
    Guard.TURNOVER: lambda money: money.turnover,
    Guard.FEES: lambda money: money.fees_bps,
}
_OPERATIONS: dict[Guard, Callable[[Operations], float | None]] = {
    Guard.REJECTED_ORDERS: lambda operations: operations.rejected_share,
    Guard.ERRORS: lambda operations: operations.error_share,
    Guard.LATENCY: lambda operations: operations.latency_p99_ms,
}


def read_guardrails(
    guardrails: tuple[Guardrail, ...], money: ArmMoney | None, operations: Operations
) -> tuple[GuardReading, ...]:
    """The reading of every guardrail, in order; `money` is that of the policy's arm, None before its first user.

    What is no number cannot be told, and is not broken: whoever acts on it must hold, not pass.
    """
    return tuple(_reading(guardrail, money, operations) for guardrail in guardrails)


def _reading(guardrail: Guardrail, money: ArmMoney | None, operations: Operations) -> GuardReading:
    value = _value(guardrail.guard, money, operations)
    known = None if value is None or math.isnan(value) else value
    units = 0 if money is None else money.user_days
    return GuardReading(
        guard=guardrail.guard,
        value=known,
        limit=guardrail.limit,
        units=units,
        broken=known is not None and known > guardrail.limit and units >= guardrail.min_units,
    )


def _value(guard: Guard, money: ArmMoney | None, operations: Operations) -> float | None:
    served = _OPERATIONS.get(guard)
    if served is not None:
        return served(operations)
    return None if money is None else _MONEY[guard](money)
