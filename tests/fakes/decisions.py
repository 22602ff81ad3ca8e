"""A decision with something in every field; change it with dataclasses.replace."""

from tests.fakes.advisers import NOON_S, agent, signal, view
from trading.vocabulary import (
    Action,
    Advice,
    Arm,
    Assignment,
    AssignmentReason,
    BlockReason,
    ConfidenceReason,
    Decision,
    Halt,
)

ADVICE = Advice(
    model="ppo-btc-1h",
    version="3",
    target_exposure=1.5,
    scores=(0.1, 0.9),
    confidence=0.61,
    confidence_reason=ConfidenceReason.CALIBRATED,
    reasoning="because",
    agreement=0.75,
    entropy=0.5,
    cached=True,
    digest="sha256:" + "0" * 64,
    observations={"sha256:" + "1" * 64: b"\x00\x00\x00\x00\x00\x00\xf0?"},
)
DECISION = Decision(
    request_id="r1",
    signal=signal(),
    action=Action.BUY,
    advice=ADVICE,
    assignment=Assignment(
        experiment="default",
        version=4,
        run=2,
        arm=Arm.RL,
        reason=AssignmentReason.HASH,
        stage="ramp",
        propensity=0.5,
        model="ppo-btc-1h:3",
        max_notional_usd=2500.0,
    ),
    served_arm=Arm.RL,
    failure=None,
    position_exposure=0.25,
    target_exposure=1.0,
    blocked_by=(),
    market=view(regime="calm"),
    agent=agent(confidence_threshold=0.5, symbols=("BTC",)),
    agent_stale=False,
    judged_at_s=NOON_S + 60.5,
    halt=Halt.REDUCING,
    refused_by=(BlockReason.LIMIT_NOTIONAL,),
    client_order_id="rl-r1",
)
