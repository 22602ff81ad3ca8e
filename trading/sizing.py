"""How much to buy or sell so that a target exposure is held: one pure function for a spot venue.

What is held and what working orders may yet fill count as one; everything is rounded towards no trade.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Context, Decimal, localcontext

from trading.agents import AgentConfig, ExecutionMode
from trading.orders import ZERO, LotRules, Order, Side
from trading.vocabulary import BlockReason

# What an agent trades with whose user named no capital, USD; a live one has to name it.
PAPER_CAPITAL_USD = Decimal(10_000)
# A quotient is cut off, never rounded up: no order is larger than its target.
_DOWN = Context(prec=100, rounding=ROUND_DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """What an order is sized by.

    `target_exposure` (0..1) of `capital` is to be held at `price` a unit, None when there is none; both in quote
    currency, capital > 0. `held` is the ledger's position in base units, `working` the orders in this symbol that may
    still be filled. `rules` None: the venue does not trade it. `dead_band` (0..1) is the smallest change of exposure
    worth an order.
    """

    target_exposure: float
    capital: Decimal
    price: Decimal | None
    held: Decimal
    working: Sequence[Order]
    rules: LotRules | None
    dead_band: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """An order: `quantity` in base units, a multiple of the lot and > 0; `notional` in quote currency.

    `reduces` when it brings the position nearer to flat.
    """

    side: Side
    quantity: Decimal
    notional: Decimal
    reduces: bool


def size(sizing: Sizing) -> Sized | BlockReason:
    """The order that leads to the target, or why there is none.

    That is VENUE_SYMBOL, NO_PRICE, IN_PROGRESS for a purchase while another order works, DEAD_BAND or BELOW_MINIMUM. No
    dead band keeps anybody from going flat, which sells all that is held and not yet being sold: never is more sold.
    """
    if sizing.rules is None:
        return BlockReason.VENUE_SYMBOL
    if sizing.price is None or sizing.price <= 0:
        return BlockReason.NO_PRICE
    buying, selling = _remaining(sizing.working, Side.BUY), _remaining(sizing.working, Side.SELL)
    with localcontext(_DOWN):
        target = decimal_of(sizing.target_exposure) * sizing.capital / sizing.price
        change = target - (sizing.held + buying - selling)
        small = abs(change) * sizing.price < sizing.dead_band * sizing.capital
        if change == 0 or (small and target != 0):
            return BlockReason.DEAD_BAND
        # Sized against a sale that then never leaves, a purchase would end above its target.
        if change > 0 and (buying > 0 or selling > 0):
            return BlockReason.IN_PROGRESS
        sellable = max(sizing.held - selling, ZERO)
        wanted = change if change > 0 else min(-change, sellable)
        return _in_lots(Side.BUY if change > 0 else Side.SELL, wanted, sizing.price, sizing.rules)


def size_closing(held: Decimal, price: Decimal | None, rules: LotRules | None) -> Sized | BlockReason:
    """The order that leaves nothing of what is `held` (base units, not 0) but what is less than a lot.

    Or why there is none: VENUE_SYMBOL, NO_PRICE or BELOW_MINIMUM; arguments as in Sizing.
    """
    if rules is None:
        return BlockReason.VENUE_SYMBOL
    if price is None or price <= 0:
        return BlockReason.NO_PRICE
    with localcontext(_DOWN):
        sized = _in_lots(Side.SELL if held > 0 else Side.BUY, abs(held), price, rules)
    return sized if isinstance(sized, BlockReason) else replace(sized, reduces=True)


def _in_lots(side: Side, wanted: Decimal, price: Decimal, rules: LotRules) -> Sized | BlockReason:
    quantity = wanted // rules.lot * rules.lot
    notional = quantity * price
    if quantity == 0 or notional < rules.min_notional:
        return BlockReason.BELOW_MINIMUM
    return Sized(side=side, quantity=quantity, notional=notional, reduces=side is Side.SELL)


def _remaining(working: Sequence[Order], side: Side) -> Decimal:
    left = [order.request.quantity - order.filled_quantity for order in working if order.request.side is side]
    return sum(left, ZERO)


def exposure_of(quantity: Decimal, price: Decimal, capital: Decimal) -> float:
    """A position as a share of its capital (> 0), as policies and decisions know it."""
    with localcontext(_DOWN):
        return float(quantity * price / capital)


def decimal_of(amount: float) -> Decimal:
    """The decimal that a float is written as: 0.1 is 0.1. Finite."""
    return Decimal(repr(amount))


def capital_of(config: AgentConfig) -> Decimal:
    """What an agent trades with, USD: over all its symbols."""
    return PAPER_CAPITAL_USD if config.capital_usd is None else decimal_of(config.capital_usd)


def allotted_usd(config: AgentConfig) -> float | None:
    """What the profit of an agent is a share of, USD; None of a live one that named no capital."""
    if config.capital_usd is None and config.execution is ExecutionMode.LIVE:
        return None
    return float(capital_of(config))


def capital_of_symbol(config: AgentConfig, symbols: int) -> Decimal:
    """What an agent trades one symbol with, USD: its capital split over its symbols, or over the market's `symbols`."""
    return _DOWN.divide(capital_of(config), Decimal(len(config.symbols) or max(symbols, 1)))
