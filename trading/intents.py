"""From a decision that may be traded to the order that follows, or to why none does. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from trading.agents import Agent, AgentLimits, AgentState, ExecutionMode
from trading.boot import Moment
from trading.ledger import EXACT, Position, unrealized
from trading.limits import Account, judge_order
from trading.orders import ZERO, LotRules, MadeUnder, Order, OrderRequest, OrderState, Side, client_order_id, new_order
from trading.sizing import Sized, Sizing, capital_of_symbol, size
from trading.vocabulary import Action, Arm, AssignmentReason, BlockReason, Decision, Halt

MINUTE_S = 60.0
BPS = Decimal(10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true of a user's trading in the transaction that would write the order.

    `position` is that in the symbol, `positions` all of this user and mode; `working` are its orders that may still be
    filled. `realized_today` is net of the fees that were told, `untold_today` the value traded without a fee being
    told: both since midnight UTC, quote currency. `venue_limited`: the venue takes no further order now;
    `experiment_stopped`: the policy may take no new risk any more.
    """

    now: Moment
    agent: Agent | None
    halt: Halt
    position: Position
    positions: Mapping[str, Position]
    working: Sequence[Order]
    orders_last_minute: int
    realized_today: Decimal
    untold_today: Decimal
    venue_limited: bool
    experiment_stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """Where orders of a mode go. `rules` are those of a symbol, None for one it does not trade; `blocked` says why it
    takes no order now: its breaker is open, or what it holds or has done with earlier orders is not
    known."""

    name: str
    rules: Callable[[str], LotRules | None]
    blocked: BlockReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How orders are made: `dead_band` is the change of exposure below which none is (a share of the symbol's capital),
    `ttl_s` how long one may take to leave. `symbols` is how many the market lists. `assumed_fee_bps` (basis points of
    the traded value, >= 0) stands for a fee that no venue told, in the daily loss limit only."""

    dead_band: Decimal
    ttl_s: float
    symbols: int
    assumed_fee_bps: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The decision as it is answered, and its order; None where none follows."""

    decision: Decision
    order: Order | None


def plan(
    decision: Decision,
    facts: Facts,
    venue: Venue,
    terms: Terms,
    *,
    deadline: Moment,
    price_of: Callable[[str], Decimal | None],
) -> Planned:
    """The order of a decision, at the last close, to leave by `deadline` or never.

    `price_of` gives the last close of a symbol (quote currency), None when that is not known now.
    """
    symbol, agent = decision.signal.symbol, facts.agent
    price = price_of(symbol)
    judged = _judge(decision, facts, venue, terms, price_of)
    if isinstance(judged, tuple) or price is None or agent is None:
        reasons = judged if isinstance(judged, tuple) else (BlockReason.NO_PRICE,)
        return Planned(decision=replace(decision, refused_by=reasons), order=None)
    order = _order(decision, judged, facts, agent, reference_price=price, deadline=deadline, venue=venue.name)
    return Planned(decision=replace(decision, client_order_id=order.request.client_order_id), order=order)


def _order(
    decision: Decision,
    sized: Sized,
    facts: Facts,
    agent: Agent,
    *,
    reference_price: Decimal,
    deadline: Moment,
    venue: str,
) -> Order:
    assignment = decision.assignment
    return new_order(
        OrderRequest(
            client_order_id=client_order_id(decision.request_id),
            user_id=decision.signal.user_id,
            symbol=decision.signal.symbol,
            side=sized.side,
            quantity=sized.quantity,
        ),
        decision_id=decision.request_id,
        reference_price=reference_price,
        mode=agent.config.execution,
        arm=decision.served_arm,
        reduces=sized.reduces,
        created_at_s=facts.now.wall_s,
        deadline=deadline,
        venue=venue,
        market_s=None if decision.market is None else decision.market.now_s,
        made_under=MadeUnder(experiment=assignment.experiment, run=assignment.run, version=assignment.version),
    )


def _judge(
    decision: Decision, facts: Facts, venue: Venue, terms: Terms, price_of: Callable[[str], Decimal | None]
) -> Sized | tuple[BlockReason, ...]:
    agent, symbol = facts.agent, decision.signal.symbol
    problem = _agent_problem(agent, decision) or venue.blocked
    if problem is not None or agent is None:
        return (problem or BlockReason.STALE_STATE,)
    sized = size(
        Sizing(
            target_exposure=decision.target_exposure,
            capital=capital_of_symbol(agent.config, terms.symbols),
            price=price_of(symbol),
            held=facts.position.quantity,
            working=[order for order in facts.working if order.request.symbol == symbol],
            rules=venue.rules(symbol),
            dead_band=terms.dead_band,
        )
    )
    if isinstance(sized, BlockReason):
        return (sized,)
    if (sized.side is Side.BUY) is not (decision.action is Action.BUY):
        # What is held is not what the decision was made from: an order would go the other way, unjudged.
        return (BlockReason.STALE_STATE,)
    reasons = judge_order(sized, _account(facts, symbol, terms, price_of), _limits(decision, agent), facts.halt)
    if _policy_stopped(decision, facts) and not sized.reduces:
        reasons = (BlockReason.EXPERIMENT_STOPPED, *reasons)
    if not reasons and facts.venue_limited:
        reasons = (BlockReason.VENUE_RATE_LIMIT,)
    return reasons or sized


def _policy_stopped(decision: Decision, facts: Facts) -> bool:
    # A pause leaves the policy with what it holds: to keep it, or to close it, never to add to it.
    paused = decision.assignment.reason is AssignmentReason.PAUSED
    return decision.served_arm is Arm.RL and (paused or facts.experiment_stopped)


def _account(facts: Facts, symbol: str, terms: Terms, price_of: Callable[[str], Decimal | None]) -> Account:
    return Account(
        orders_last_minute=facts.orders_last_minute,
        open_orders=len(facts.working),
        unresolved=_unresolved(facts, symbol),
        realized_today=_realized_today(facts, terms),
        unrealized=_unrealized(facts, price_of),
    )


def _agent_problem(agent: Agent | None, decision: Decision) -> BlockReason | None:
    # What was decided for another configuration, or while it ran, is not traded for this one.
    if agent is None or decision.agent is None or agent.config != decision.agent.config:
        return BlockReason.STALE_STATE
    if agent.state is AgentState.PAUSED:
        return BlockReason.AGENT_PAUSED
    return BlockReason.AGENT_STOPPED if agent.state is AgentState.STOPPED else None


def _limits(decision: Decision, agent: Agent) -> AgentLimits:
    # What an experiment risks on the policy is bounded by its stage; the rule is not on trial.
    limits, cap = agent.config.limits, decision.assignment.max_notional_usd
    if cap is None or decision.served_arm is not Arm.RL:
        return limits
    most = limits.max_notional_usd
    return replace(limits, max_notional_usd=cap if most is None else min(cap, most))


def _realized_today(facts: Facts, terms: Terms) -> Decimal:
    # A fee that nobody told is not 0: the limit would come too late.
    assumed = EXACT.multiply(facts.untold_today, EXACT.divide(terms.assumed_fee_bps, BPS))
    return EXACT.subtract(facts.realized_today, assumed)


def _unresolved(facts: Facts, symbol: str) -> bool:
    return any(order.request.symbol == symbol and order.state is OrderState.UNKNOWN for order in facts.working)


def _unrealized(facts: Facts, price_of: Callable[[str], Decimal | None]) -> Decimal | None:
    total = ZERO
    for symbol, position in facts.positions.items():
        if position.quantity == 0:
            continue
        price = price_of(symbol)
        if price is None:
            return None
        total += unrealized(position, price)
    return total


def trades(decision: Decision) -> bool:
    """True when an order may follow: the decision may be traded, for an agent that trades."""
    return (
        decision.should_trade
        and decision.agent is not None
        and decision.agent.config.execution is not ExecutionMode.OFF
    )
