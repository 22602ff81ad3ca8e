"""Which bars an agent decides on by itself, until when, and under which id."""

from dataclasses import replace

import pytest

from tests.fakes.advisers import NOON_S, agent
from trading.acting import AgentBar, Close, decision_id, due, grace_s, left_s
from trading.agents import Agent, AgentState

HOUR_S = 3600
# The agent was started at NOON_S and this closed an hour later.
CLOSE = Close(symbol="BTC", at_s=1_000_000 * HOUR_S, wall_s=NOON_S + HOUR_S, timeframe_s=HOUR_S)
BAR = AgentBar(user_id="user123", symbol="BTC", bar_close_s=CLOSE.at_s)
SECRET = b"s" * 32


def acting(state: AgentState = AgentState.RUNNING, **changes: object) -> Agent:
    return agent(state, **({"symbols": ("BTC", "ETH"), "timeframe_s": HOUR_S} | changes))


def test_a_running_agent_decides_at_the_close_of_a_bar_of_its_symbols() -> None:
    agents = [acting(), replace(acting(), user_id="other")]

    assert due(agents, CLOSE) == [BAR, replace(BAR, user_id="other")]


@pytest.mark.parametrize(
    "other",
    [
        acting(AgentState.PAUSED),
        acting(AgentState.STOPPED),
        acting(symbols=()),
        acting(symbols=("ETH",)),
        acting(timeframe_s=900),
        replace(acting(), changed_at_s=CLOSE.wall_s + 0.001),
    ],
    ids=["paused", "stopped", "no symbols", "other symbols", "other bars", "started after the close"],
)
def test_other_agents_decide_nothing_then(other: Agent) -> None:
    assert due([other], CLOSE) == []


@pytest.mark.parametrize(("timeframe_s", "expected_s"), [(60, 6.0), (600, 60.0), (3600, 60.0), (86_400, 60.0)])
def test_a_bar_waits_for_a_tenth_of_its_length_or_a_minute(timeframe_s: int, expected_s: float) -> None:
    assert grace_s(timeframe_s) == expected_s


@pytest.mark.parametrize(
    ("speed", "late_by_s", "expected_s"), [(1.0, 0.0, 60.0), (1.0, 45.0, 15.0), (60.0, 0.0, 1.0), (60.0, 120.0, -1.0)]
)
def test_what_is_left_of_the_wait_is_of_the_market_and_told_in_wall_seconds(
    speed: float, late_by_s: float, expected_s: float
) -> None:
    assert left_s(CLOSE.at_s, HOUR_S, market_now_s=CLOSE.at_s + late_by_s, speed=speed) == expected_s


def test_the_id_of_a_decision_is_the_same_from_every_worker() -> None:
    assert decision_id(SECRET, BAR, life_s=0.0) == decision_id(bytes(SECRET), replace(BAR), life_s=0.0)
    assert len(decision_id(SECRET, BAR, life_s=0.0)) == 32
    assert int(decision_id(SECRET, BAR, life_s=0.0), 16) > 0


def test_every_bar_and_every_secret_has_its_own_ids() -> None:
    near = [BAR, replace(BAR, user_id="user12"), replace(BAR, symbol="ETH"), replace(BAR, bar_close_s=CLOSE.at_s + 1)]
    ids = {decision_id(secret, bar, life_s=0.0) for bar in near for secret in (SECRET, b"t" * 32)}

    assert len(ids) == 8


def test_no_two_users_share_an_id_by_how_they_are_named() -> None:
    assert decision_id(SECRET, replace(BAR, user_id='a","B', symbol="C"), life_s=0.0) != decision_id(
        SECRET, replace(BAR, user_id="a", symbol='B","C'), life_s=0.0
    )


def test_a_market_that_began_anew_has_every_bar_once_more() -> None:
    assert decision_id(SECRET, BAR, life_s=-1.5e9) != decision_id(SECRET, BAR, life_s=-1.5e9 + 60.0)
