"""Whether a decision may be traded: one pure judgement over a signal, the market, the user's agent and the clock."""

from dataclasses import dataclass
from typing import NamedTuple

from trading.agents import Agent, AgentState, ExecutionMode
from trading.exposure import EXPOSURE_STEP, increases_risk
from trading.vocabulary import Arm, BlockReason, Halt, MarketView, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How old a signal may be (wall seconds), how far a caller's price may be from the last close (a fraction), and the
    change of exposure below which an agent makes no order (a share of the symbol's capital)."""

    signal_max_age_s: float
    max_price_gap: float
    dead_band: float


# Two are made for every decision, and a NamedTuple is made in half the time of a dataclass.
class Move(NamedTuple):
    """What is about to be decided: whose answer it is, how sure that is, and from which exposure to which it leads."""

    served_arm: Arm
    confidence: float | None
    position_exposure: float
    target_exposure: float


class KnownAgent(NamedTuple):
    """The user's agent as it is known, None without one; `stale` when it is known from too long ago to be relied on.

    `halt` is what trading as a whole may do, as far as that is known.
    """

    agent: Agent | None
    stale: bool
    halt: Halt


def judge(
    signal: Signal, market: MarketView | None, known: KnownAgent, move: Move, limits: Limits, *, wall_s: float
) -> tuple[BlockReason, ...]:
    """Every reason why this move may not be traded now, in a fixed order; empty when it may."""
    reasons = []
    if known.halt is Halt.HALTED:
        reasons.append(BlockReason.HALTED)
    elif known.halt is Halt.REDUCING and increases_risk(move.target_exposure, move.position_exposure):
        reasons.append(BlockReason.REDUCING)
    if market is None or (market.stale and not market.ended):
        reasons.append(BlockReason.STALE_DATA)
    if market is not None and market.ended:
        reasons.append(BlockReason.MARKET_ENDED)
    quote = signal.quote
    said_at_s = [at_s for at_s in (signal.sent_at_s, None if quote is None else quote.at_s) if at_s is not None]
    if any(wall_s - at_s > limits.signal_max_age_s for at_s in said_at_s):
        reasons.append(BlockReason.STALE_SIGNAL)
    if market is not None and quote is not None:
        prices = [price for price in (quote.price, quote.bid, quote.ask) if price is not None]
        if any(abs(price / market.close - 1.0) > limits.max_price_gap for price in prices):
            reasons.append(BlockReason.PRICE_MISMATCH)
    if known.agent is not None:
        if known.stale:
            # It may have been paused or stopped since.
            reasons.append(BlockReason.STALE_STATE)
        reasons += _judge_agent(known.agent, signal.symbol, move, limits)
    return tuple(reasons)


def _judge_agent(agent: Agent, symbol: str, move: Move, limits: Limits) -> list[BlockReason]:
    config, reasons = agent.config, []
    if agent.state is not AgentState.RUNNING:
        paused = agent.state is AgentState.PAUSED
        reasons.append(BlockReason.AGENT_PAUSED if paused else BlockReason.AGENT_STOPPED)
    if config.symbols and symbol not in config.symbols:
        reasons.append(BlockReason.SYMBOL_NOT_ALLOWED)
    threshold = config.confidence_threshold
    # The threshold is for the policy's own confidence, and must never keep anybody from reducing risk.
    judged = move.served_arm is Arm.RL and increases_risk(move.target_exposure, move.position_exposure)
    if threshold is not None and judged:
        if move.confidence is None:
            reasons.append(BlockReason.UNCALIBRATED)
        elif move.confidence < threshold:
            reasons.append(BlockReason.LOW_CONFIDENCE)
    if config.execution is not ExecutionMode.OFF and _within(limits.dead_band, move):
        reasons.append(BlockReason.DEAD_BAND)
    return reasons


def _within(dead_band: float, move: Move) -> bool:
    # Going flat is never too small a change.
    change = abs(move.target_exposure - move.position_exposure)
    return EXPOSURE_STEP < change < dead_band and abs(move.target_exposure) > EXPOSURE_STEP
