"""What may not be traded, and every reason for it."""

import pytest

from tests.fakes.advisers import NOON_S, agent, signal, view
from trading.agents import Agent, AgentState
from trading.gate import KnownAgent, Limits, Move, judge
from trading.vocabulary import Arm, BlockReason, Halt, MarketView, Quote, Signal

LIMITS = Limits(signal_max_age_s=60.0, max_price_gap=0.05, dead_band=0.02)
BUY = Move(served_arm=Arm.RL, confidence=0.6, position_exposure=0.0, target_exposure=1.0)


def judged(
    move: Move = BUY,
    owned: Agent | None = None,
    asked: Signal | None = None,
    market: MarketView | None = None,
    *,
    stale: bool = False,
    halt: Halt = Halt.OPEN,
) -> tuple[BlockReason, ...]:
    known = KnownAgent(agent=owned, stale=stale, halt=halt)
    return judge(asked or signal(), market or view(), known, move, LIMITS, wall_s=NOON_S)


@pytest.mark.parametrize("move", [BUY, BUY._replace(confidence=None), BUY._replace(served_arm=Arm.FALLBACK)])
def test_without_an_agent_no_confidence_is_judged(move: Move) -> None:
    assert judged(move) == ()


@pytest.mark.parametrize("confidence", [None, 0.0, 1.0])
def test_an_agent_without_a_threshold_takes_any_confidence(confidence: float | None) -> None:
    assert judged(BUY._replace(confidence=confidence), agent()) == ()


@pytest.mark.parametrize(
    ("confidence", "threshold", "reasons"),
    [
        (0.6, 0.6, ()),
        (0.6, 0.61, (BlockReason.LOW_CONFIDENCE,)),
        (None, 0.6, (BlockReason.UNCALIBRATED,)),
        (None, 0.0, (BlockReason.UNCALIBRATED,)),
        (0.0, 0.0, ()),
    ],
)
def test_a_threshold_stops_what_is_less_sure_or_of_unknown_confidence(
    confidence: float | None, threshold: float, reasons: tuple[BlockReason, ...]
) -> None:
    assert judged(BUY._replace(confidence=confidence), agent(confidence_threshold=threshold)) == reasons


@pytest.mark.parametrize(
    ("position", "target", "stopped"),
    [
        (0.0, 1.0, True),
        (0.5, 0.6, True),
        (0.0, -0.5, True),
        (1.0, 0.0, False),
        (1.0, 0.5, False),
        (0.5, 0.5, False),
        (0.5, 0.5 + 1e-7, False),
        (-1.0, -0.5, False),
    ],
)
def test_a_threshold_never_stops_what_reduces_risk(position: float, target: float, stopped: bool) -> None:
    move = Move(served_arm=Arm.RL, confidence=0.1, position_exposure=position, target_exposure=target)
    assert (judged(move, agent(confidence_threshold=0.9)) == (BlockReason.LOW_CONFIDENCE,)) is stopped


@pytest.mark.parametrize("arm", [Arm.FALLBACK, Arm.HOLD])
def test_a_threshold_is_for_the_policy_only(arm: Arm) -> None:
    assert judged(BUY._replace(served_arm=arm, confidence=None), agent(confidence_threshold=0.9)) == ()


@pytest.mark.parametrize(
    ("symbols", "reasons"), [((), ()), (("BTC", "ETH"), ()), (("ETH",), (BlockReason.SYMBOL_NOT_ALLOWED,))]
)
def test_an_agent_with_symbols_trades_those_only(symbols: tuple[str, ...], reasons: tuple[BlockReason, ...]) -> None:
    assert judged(owned=agent(symbols=symbols)) == reasons


def test_every_reason_is_named_at_once_and_once() -> None:
    owned = agent(AgentState.PAUSED, symbols=("ETH",), confidence_threshold=0.9)
    asked = signal(sent_at_s=NOON_S - 61.0, quote=Quote(price=50.0, bid=None, ask=None, at_s=NOON_S - 61.0))
    assert judged(BUY, owned, asked, view(ended=True), stale=True) == (
        BlockReason.MARKET_ENDED,
        BlockReason.STALE_SIGNAL,
        BlockReason.PRICE_MISMATCH,
        BlockReason.STALE_STATE,
        BlockReason.AGENT_PAUSED,
        BlockReason.SYMBOL_NOT_ALLOWED,
        BlockReason.LOW_CONFIDENCE,
    )


def test_a_market_that_is_not_known_has_stale_data() -> None:
    nobody = KnownAgent(agent=None, stale=False, halt=Halt.OPEN)
    assert judge(signal(), None, nobody, BUY, LIMITS, wall_s=NOON_S) == (BlockReason.STALE_DATA,)


@pytest.mark.parametrize("owned", [None, agent()])
def test_a_halt_stops_every_move(owned: Agent | None) -> None:
    assert judged(owned=owned, halt=Halt.HALTED) == (BlockReason.HALTED,)
    less = Move(served_arm=Arm.RL, confidence=0.6, position_exposure=1.0, target_exposure=0.0)
    assert judged(less, owned, halt=Halt.HALTED) == (BlockReason.HALTED,)


def test_reducing_stops_only_what_adds_risk() -> None:
    less = Move(served_arm=Arm.RL, confidence=0.6, position_exposure=1.0, target_exposure=0.5)
    assert judged(halt=Halt.REDUCING) == (BlockReason.REDUCING,)
    assert judged(less, halt=Halt.REDUCING) == ()


@pytest.mark.parametrize(
    ("position", "target", "reasons"),
    [
        (0.5, 0.51, (BlockReason.DEAD_BAND,)),
        (0.5, 0.52, ()),
        (0.5, 0.49, (BlockReason.DEAD_BAND,)),
        (0.01, 0.0, ()),
        (0.5, 0.5, ()),
    ],
)
def test_an_agent_leaves_out_what_is_too_small_but_always_goes_flat(
    position: float, target: float, reasons: tuple[BlockReason, ...]
) -> None:
    move = Move(served_arm=Arm.RL, confidence=0.6, position_exposure=position, target_exposure=target)
    assert judged(move, agent()) == reasons
    assert judged(move) == ()
