"""When an agent decides by itself: once at each close of a bar while it runs, soon after the close or not at all."""

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass

from trading.agents import Agent, AgentState

# How long after its close a bar may still be decided on, in seconds of market time and as a share of the bar.
GRACE_S = 60.0
GRACE_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """A bar of `timeframe_s` seconds has closed, at `at_s` on the market's clock, at `wall_s` on the wall (Unix s)."""

    symbol: str
    at_s: int
    wall_s: float
    timeframe_s: int


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AgentBar:
    """What is decided once: for this user, in this symbol, at this close of a bar (market time, Unix seconds)."""

    user_id: str
    symbol: str
    bar_close_s: int


def grace_s(timeframe_s: int) -> float:
    """How long after its close a bar of so many seconds may be decided on; both of market time."""
    return min(GRACE_S, GRACE_SHARE * timeframe_s)


def left_s(bar_close_s: float, timeframe_s: int, *, market_now_s: float, speed: float) -> float:
    """Wall seconds for which a bar may yet be decided on; zero or less when it is too late: it is missed then.

    `speed` is in market seconds a wall second.
    """
    return (bar_close_s + grace_s(timeframe_s) - market_now_s) / speed


def acts(agent: Agent) -> bool:
    """True for an agent that decides by itself: it runs, and its configuration names symbols."""
    return agent.state is AgentState.RUNNING and bool(agent.config.symbols)


def due(agents: Iterable[Agent], close: Close) -> list[AgentBar]:
    """What is to be decided at a close: for each agent that acts in this symbol, and has run since before it."""
    return [
        AgentBar(user_id=agent.user_id, symbol=close.symbol, bar_close_s=close.at_s)
        for agent in agents
        if acts(agent)
        and close.symbol in agent.config.symbols
        and agent.config.timeframe_s == close.timeframe_s
        and agent.changed_at_s <= close.wall_s
    ]


def decision_id(secret: bytes, bar: AgentBar, *, life_s: float) -> str:
    """The id of the decision on a bar: 32 hexadecimal digits, the same from every worker, and nobody's to guess.

    `secret` is the store's: without it the order ids of others could be made up. `life_s` is the wall time (Unix
    seconds) at which the market's clock would have shown 0: one that began anew has every bar once more.
    """
    name = json.dumps(["agent_bar", bar.user_id, bar.symbol, bar.bar_close_s, life_s]).encode()
    return hmac.new(secret, name, hashlib.sha256).hexdigest()[:32]
