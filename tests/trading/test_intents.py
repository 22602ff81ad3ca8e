"""An order follows from a decision, or the decision says why none does."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.assignment import Split
from ab.state import Command
from tests.fakes.decisions import DECISION
from tests.fakes.experiments import after, stage
from tests.fakes.experiments import plan as experiment
from tests.fakes.jobs import START
from tests.fakes.one_order import one_order
from tests.fakes.orders import AGENT, PRICE, RULES, TERMS, decided, limited
from trading.agents import AgentState, ExecutionMode
from trading.intents import Facts, Planned, Venue, plan, trades
from trading.ledger import FLAT, Position
from trading.orders import MadeUnder, OrderState, Side
from trading.vocabulary import Action, Arm, BlockReason, Decision, Halt

FULL = Position(quantity=Decimal(3), average_cost=PRICE, arm=Arm.FALLBACK, opened_at_s=START.wall_s)
FACTS = Facts(
    now=START,
    agent=AGENT,
    halt=Halt.OPEN,
    position=FLAT,
    positions={},
    working=[],
    orders_last_minute=0,
    realized_today=Decimal(0),
    untold_today=Decimal(0),
    venue_limited=False,
    experiment_stopped=False,
)
HOLDING = replace(FACTS, position=FULL, positions={"BTC": FULL})
VENUE = Venue(name="paper", rules=lambda _: RULES)


def planned(
    facts: Facts = FACTS, decision: Decision | None = None, venue: Venue = VENUE, price: Decimal | None = PRICE
) -> Planned:
    decision = decision or decided(1)
    return plan(decision, facts, venue, TERMS, deadline=START.after(2.0), price_of=lambda _: price)


def capped(decision: Decision, most: float | None) -> Decision:
    """The decision of a stage with this cap."""
    return replace(decision, assignment=replace(decision.assignment, max_notional_usd=most))


def test_an_order_has_all_that_was_decided() -> None:
    made = planned(decision=decided(1, arm=Arm.FALLBACK))
    order = made.order
    assert order is not None
    assert made.decision.client_order_id == order.request.client_order_id
    assert (order.request.side, order.request.quantity) == (Side.BUY, Decimal(3))
    assert (order.arm, order.mode, order.venue) == (Arm.FALLBACK, ExecutionMode.PAPER, "paper")
    assert (order.state, order.reduces, order.deadline) == (OrderState.NEW, False, START.after(2.0))
    assert DECISION.market is not None
    assert order.market_s == DECISION.market.now_s
    assert order.made_under == MadeUnder(experiment="default", run=2, version=4)


def test_the_same_facts_lead_to_the_same_order() -> None:
    assert planned() == planned()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(FACTS, agent=None), BlockReason.STALE_STATE),
        (replace(FACTS, agent=limited(max_open_orders=9)), BlockReason.STALE_STATE),
        (replace(FACTS, agent=replace(AGENT, state=AgentState.PAUSED)), BlockReason.AGENT_PAUSED),
        (replace(FACTS, agent=replace(AGENT, state=AgentState.STOPPED)), BlockReason.AGENT_STOPPED),
        (replace(FACTS, halt=Halt.HALTED), BlockReason.HALTED),
        (replace(FACTS, halt=Halt.REDUCING), BlockReason.REDUCING),
        (replace(FACTS, venue_limited=True), BlockReason.VENUE_RATE_LIMIT),
        (HOLDING, BlockReason.DEAD_BAND),
        (replace(FACTS, working=[one_order(quantity="1")]), BlockReason.IN_PROGRESS),
    ],
)
def test_each_fact_that_forbids_an_order_is_named(facts: Facts, reason: BlockReason) -> None:
    made = planned(facts)
    assert made.order is None
    assert made.decision.refused_by == (reason,)
    assert made.decision.client_order_id is None


def test_a_venue_that_takes_no_orders_says_why() -> None:
    assert planned(venue=replace(VENUE, blocked=BlockReason.RECONCILING)).decision.refused_by == (
        BlockReason.RECONCILING,
    )
    assert planned(venue=replace(VENUE, rules=lambda _: None)).decision.refused_by == (BlockReason.VENUE_SYMBOL,)


def test_without_a_price_there_is_no_order() -> None:
    assert planned(price=None).decision.refused_by == (BlockReason.NO_PRICE,)


def test_what_reduces_passes_reducing_and_every_limit_of_risk() -> None:
    tight = limited(max_notional_usd=1.0, max_orders_per_minute=1, max_open_orders=1, max_daily_loss_usd=1.0)
    facts = replace(
        HOLDING,
        agent=tight,
        halt=Halt.REDUCING,
        orders_last_minute=5,
        realized_today=Decimal(-100),
        working=[one_order(quantity="1", state=OrderState.OPEN)],
    )
    made = planned(facts, decided(1, target=0.0, by=tight))
    assert made.order is not None
    assert (made.order.reduces, made.order.request.side, made.order.request.quantity) == (True, Side.SELL, Decimal(3))


@pytest.mark.parametrize(
    ("own", "cap", "arm", "refused"),
    [
        (None, 300.0, Arm.RL, False),
        (None, 299.99, Arm.RL, True),
        (9999.0, 299.99, Arm.RL, True),
        (299.99, 9999.0, Arm.RL, True),
        (None, 299.99, Arm.FALLBACK, False),
        (299.99, 9999.0, Arm.FALLBACK, True),
        (9999.0, None, Arm.RL, False),
    ],
)
def test_an_order_of_the_policy_is_worth_no_more_than_its_agent_and_its_experiment_allow(
    own: float | None, cap: float | None, arm: Arm, refused: bool
) -> None:
    # A full position is worth 300.
    owned = limited(max_notional_usd=own)
    made = planned(replace(FACTS, agent=owned), capped(decided(1, by=owned, arm=arm), cap))
    assert made.decision.refused_by == ((BlockReason.LIMIT_NOTIONAL,) if refused else ())
    assert (made.order is None) is refused


PAUSED = Split(after(Command.START, Command.PAUSE, of=experiment(stages=(stage(0.5, max_notional_usd=299.99),))))


def while_paused(target: float, arm: Arm) -> Decision:
    """A decision of this arm under an experiment that is paused."""
    return replace(decided(1, target=target, arm=arm), assignment=PAUSED.assign("user123"))


@given(held=st.integers(0, 30), target=st.floats(0.0, 1.0))
def test_during_a_pause_the_policy_never_adds_to_what_it_holds(held: int, target: float) -> None:
    quantity = Decimal(held) / 10
    facts = replace(FACTS, position=replace(FULL, quantity=quantity, arm=Arm.RL))
    buys = Decimal(target) * 3 > quantity
    decision = replace(while_paused(target, Arm.RL), action=Action.BUY if buys else Action.SELL)
    made = planned(facts, decision)
    assert made.order is None or made.order.reduces
    # The rule decides as ever: what it may, but for risk, the policy may.
    by_rule = planned(facts, replace(decision, served_arm=Arm.FALLBACK)).order
    assert (made.order is None) is (by_rule is None or not by_rule.reduces)


def test_who_adds_to_what_it_holds_during_a_pause_is_told_why_there_is_no_order() -> None:
    refused = planned(decision=while_paused(0.9, Arm.RL)).decision.refused_by
    assert refused == (BlockReason.EXPERIMENT_STOPPED,)
    assert planned(decision=while_paused(1.0, Arm.FALLBACK)).order is not None


STOPPED = replace(FACTS, experiment_stopped=True)


def test_the_policy_takes_no_new_risk_once_its_experiment_is_stopped_and_the_rule_goes_on() -> None:
    made = planned(STOPPED)
    assert (made.order, made.decision.refused_by) == (None, (BlockReason.EXPERIMENT_STOPPED,))
    assert planned(STOPPED, decided(1, arm=Arm.FALLBACK)).order is not None


def test_what_reduces_leaves_though_its_experiment_is_stopped() -> None:
    assert planned(replace(HOLDING, experiment_stopped=True), decided(1, target=0.0)).order is not None


def test_what_reduces_passes_the_cap_of_an_experiment() -> None:
    assert planned(HOLDING, capped(decided(1, target=0.0), 1.0)).order is not None


def test_a_fee_that_nobody_told_counts_as_the_assumed_one_in_the_loss_of_the_day() -> None:
    # 10 basis points of 5000 are 5.
    lost = replace(FACTS, agent=limited(max_daily_loss_usd=7.0), realized_today=Decimal(-2))
    decision = decided(1, by=lost.agent or AGENT)

    assert planned(lost, decision).order is not None
    assert planned(replace(lost, untold_today=Decimal(4999)), decision).order is not None
    untold = planned(replace(lost, untold_today=Decimal(5000)), decision)
    assert untold.decision.refused_by == (BlockReason.LIMIT_DAILY_LOSS,)


def test_not_even_what_reduces_passes_a_halt_or_an_order_nobody_knows_about() -> None:
    selling = decided(1, target=0.0)
    halted = planned(replace(HOLDING, halt=Halt.HALTED), selling)
    unknown = one_order(quantity="1", state=OrderState.UNKNOWN)
    unresolved = planned(replace(HOLDING, working=[unknown]), selling)
    assert halted.decision.refused_by == (BlockReason.HALTED,)
    assert unresolved.decision.refused_by == (BlockReason.ORDER_UNRESOLVED,)


def test_an_order_never_goes_the_other_way_than_its_decision() -> None:
    # Bought meanwhile: to hold half of it would now be a sale that nobody judged.
    made = planned(HOLDING, decided(1, target=0.5))
    assert (made.order, made.decision.refused_by) == (None, (BlockReason.STALE_STATE,))


def test_only_a_decision_for_an_agent_that_trades_may_have_an_order() -> None:
    off = replace(AGENT, config=replace(AGENT.config, execution=ExecutionMode.OFF))
    blocked = replace(decided(1), blocked_by=(BlockReason.STALE_DATA,))
    assert trades(decided(1))
    assert not any(trades(each) for each in (decided(1, by=off), blocked, replace(decided(1), agent=None)))
