"""Whether an order may be placed: one pure judgement in the transaction that writes it, and its word in FIX.

The counts are exact when they were read in that transaction, alone.
"""

from dataclasses import dataclass
from decimal import Decimal

from trading.agents import AgentLimits
from trading.ledger import EXACT
from trading.sizing import Sized, decimal_of
from trading.vocabulary import BlockReason, Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What there is of one agent before this order is placed, the order itself not counted.

    `orders_last_minute` were placed in the last 60 s, `open_orders` are working. `unresolved`: it is not known what
    became of an order in this symbol. `realized_today` is the profit of this day (UTC) after fees, told or
    assumed, `unrealized` that of the open positions, None when one of them has no price now; both in USD, negative for
    a loss.
    """

    orders_last_minute: int
    open_orders: int
    unresolved: bool
    realized_today: Decimal
    unrealized: Decimal | None


def judge_order(sized: Sized, account: Account, limits: AgentLimits, halt: Halt) -> tuple[BlockReason, ...]:
    """Every reason why this order may not be placed; empty when it may.

    What brings a position nearer to flat is kept back by nothing that bounds risk, only by a halt and where it is not
    known what is held.
    """
    reasons = []
    if halt is Halt.HALTED:
        reasons.append(BlockReason.HALTED)
    if halt is Halt.REDUCING and not sized.reduces:
        reasons.append(BlockReason.REDUCING)
    if account.unresolved:
        reasons.append(BlockReason.ORDER_UNRESOLVED)
    if not sized.reduces:
        reasons += _beyond(sized, account, limits)
    return tuple(reasons)


def _beyond(sized: Sized, account: Account, limits: AgentLimits) -> list[BlockReason]:
    reasons = []
    if _above(sized.notional, limits.max_notional_usd):
        reasons.append(BlockReason.LIMIT_NOTIONAL)
    if _used_up(account.orders_last_minute, limits.max_orders_per_minute):
        reasons.append(BlockReason.LIMIT_ORDERS_PER_MINUTE)
    if _used_up(account.open_orders, limits.max_open_orders):
        reasons.append(BlockReason.LIMIT_OPEN_ORDERS)
    if limits.max_daily_loss_usd is not None:
        if account.unrealized is None:
            reasons.append(BlockReason.NO_PRICE)
        elif EXACT.add(account.realized_today, account.unrealized) <= -decimal_of(limits.max_daily_loss_usd):
            reasons.append(BlockReason.LIMIT_DAILY_LOSS)
    return reasons


def _above(amount: Decimal, most: float | None) -> bool:
    return most is not None and amount > decimal_of(most)


def _used_up(count: int, most: int | None) -> bool:
    return most is not None and count >= most


# OrdRejReason (tag 103): https://fiximate.fixtrading.org/legacy/en/FIX.5.0/tag103.html
FIX_BROKER_OPTION = 0
FIX_UNKNOWN_SYMBOL = 1
FIX_EXCHANGE_CLOSED = 2
FIX_EXCEEDS_LIMIT = 3
FIX_DUPLICATE_ORDER = 6
FIX_STALE_ORDER = 8
FIX_INCORRECT_QUANTITY = 13
FIX_PRICE_BAND = 16
FIX_OTHER = 99

# Why there is no order, in words that any trading desk reads.
ORD_REJ_REASON: dict[BlockReason, int] = {
    BlockReason.STALE_DATA: FIX_STALE_ORDER,
    BlockReason.STALE_SIGNAL: FIX_STALE_ORDER,
    BlockReason.MARKET_ENDED: FIX_EXCHANGE_CLOSED,
    BlockReason.PRICE_MISMATCH: FIX_PRICE_BAND,
    BlockReason.STALE_STATE: FIX_BROKER_OPTION,
    BlockReason.AGENT_PAUSED: FIX_BROKER_OPTION,
    BlockReason.AGENT_STOPPED: FIX_BROKER_OPTION,
    BlockReason.SYMBOL_NOT_ALLOWED: FIX_BROKER_OPTION,
    BlockReason.LOW_CONFIDENCE: FIX_BROKER_OPTION,
    BlockReason.UNCALIBRATED: FIX_BROKER_OPTION,
    BlockReason.NO_PRICE: FIX_OTHER,
    BlockReason.DEAD_BAND: FIX_INCORRECT_QUANTITY,
    BlockReason.BELOW_MINIMUM: FIX_INCORRECT_QUANTITY,
    BlockReason.HALTED: FIX_EXCHANGE_CLOSED,
    BlockReason.REDUCING: FIX_BROKER_OPTION,
    BlockReason.RECONCILING: FIX_BROKER_OPTION,
    BlockReason.POSITION_MISMATCH: FIX_BROKER_OPTION,
    BlockReason.ORDER_UNRESOLVED: FIX_DUPLICATE_ORDER,
    BlockReason.IN_PROGRESS: FIX_DUPLICATE_ORDER,
    BlockReason.EXPERIMENT_STOPPED: FIX_BROKER_OPTION,
    BlockReason.LIMIT_NOTIONAL: FIX_EXCEEDS_LIMIT,
    BlockReason.LIMIT_ORDERS_PER_MINUTE: FIX_EXCEEDS_LIMIT,
    BlockReason.LIMIT_OPEN_ORDERS: FIX_EXCEEDS_LIMIT,
    BlockReason.LIMIT_DAILY_LOSS: FIX_EXCEEDS_LIMIT,
    BlockReason.VENUE_RATE_LIMIT: FIX_EXCEEDS_LIMIT,
    BlockReason.VENUE_UNAVAILABLE: FIX_OTHER,
    BlockReason.VENUE_SYMBOL: FIX_UNKNOWN_SYMBOL,
    BlockReason.STORE_UNAVAILABLE: FIX_OTHER,
}
