"""From a signal to a decision: the one path every prediction walks."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from trading.agents import Agent, AgentState, ExecutionMode
from trading.errors import (
    FeaturesMissing,
    FeaturesWarmingUp,
    NoMarketData,
    PolicyAnsweredNaN,
    PolicyTimedOut,
    Unavailable,
)
from trading.exposure import EXPOSURE_STEP, ExposureRange, derive_action
from trading.gate import KnownAgent, Limits, Move, judge
from trading.hold import hold, nothing_to_judge
from trading.ports import Agents, Assigner, Features, Holdings, Policy, Recorder
from trading.position_hold import held_arm
from trading.sizing import capital_of_symbol, decimal_of, exposure_of
from trading.vocabulary import (
    Advice,
    Arm,
    Assignment,
    ConfidenceReason,
    Decision,
    FailureReason,
    MarketView,
    Signal,
)

# The share of the remaining budget an adviser may use when another one stands behind it.
BUDGET_SHARE = 0.75

# An agent known from longer ago may have been paused or stopped since: nothing is traded for it.
AGENT_MAX_AGE_S = 5.0

_FAILURES: tuple[tuple[type[Unavailable], FailureReason], ...] = (
    (PolicyTimedOut, FailureReason.POLICY_TIMEOUT),
    (PolicyAnsweredNaN, FailureReason.POLICY_NAN),
    (FeaturesWarmingUp, FailureReason.FEATURES_WARMING_UP),
    (FeaturesMissing, FailureReason.FEATURES_MISSING),
    (NoMarketData, FailureReason.NO_DATA),
)


class Policies(Protocol):
    """The policies of the RL arm, by what an agent's configuration, or the arm itself, calls them."""

    def of(self, model_type: str | None) -> Policy | None:
        """The policy of a model type, the active one for None. Never waits: None while this process still loads it."""


class Fallback(Protocol):
    """The rule of each user, asked instead of, or after, a policy."""

    def of(self, user_id: str, symbol: str) -> Sequence[Policy]:
        """The chain for one decision on a symbol. Never waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisers:
    """The chains asked in turn: `rl` first for a user in the RL arm, then `fallback`; HOLD when all have failed."""

    rl: Policies
    fallback: Fallback


class Desk:
    """Decides on signals. Keeps no state of its own; everything it knows comes through its ports.

    `symbols` is how many the market lists.
    """

    def __init__(
        self,
        *,
        features: Features,
        assigner: Assigner,
        agents: Agents,
        holdings: Holdings,
        symbols: Callable[[], int],
        advisers: Advisers,
        recorder: Recorder,
        limits: Limits,
        exposures: ExposureRange,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._features = features
        self._assigner = assigner
        self._agents = agents
        self._holdings = holdings
        self._symbols = symbols
        self._policies = advisers.rl
        self._fallback = advisers.fallback
        self._recorder = recorder
        self._limits = limits
        self._exposures = exposures
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s

    async def decide(self, signal: Signal, *, request_id: str, budget_s: float) -> Decision:
        """A decision within about `budget_s` seconds, whatever fails. Raises UnknownSymbol, and nothing else of ours.

        The position is that of the user's agent in its mode, 0 without one.
        """
        started_s = self._monotonic_s()
        assignment = self._assigner.assign(signal.user_id)
        agent = self._agents.of(signal.user_id)
        known = self._known(agent, started_s)
        market = self._view(signal.symbol)
        position = self._position(agent, signal.symbol, market)
        held = self._held_arm(assignment, agent, signal.symbol)
        advisers, failure = self._chain(held or assignment.arm, assignment.model, agent, signal)
        if (nobody := nothing_to_judge(market, signal)) is not None:
            advisers, failure = (), nobody
        advice, served, failure = await self._ask(advisers, failure, signal, position, started_s + budget_s)
        advice, target = clip_advice(advice, self._exposures)
        move = Move(served_arm=served, confidence=advice.confidence, position_exposure=position, target_exposure=target)
        judged_at_s = self._wall_s()
        decision = Decision(
            request_id=request_id,
            signal=signal,
            action=derive_action(target, position),
            advice=advice,
            assignment=assignment,
            served_arm=served,
            failure=failure,
            position_exposure=position,
            target_exposure=target,
            blocked_by=judge(signal, market, known, move, self._limits, wall_s=judged_at_s),
            market=market,
            agent=agent,
            agent_stale=known.stale,
            judged_at_s=judged_at_s,
            halt=known.halt,
            held_arm=held,
        )
        self._recorder.record(decision, seconds=self._monotonic_s() - started_s)
        return decision

    def _known(self, agent: Agent | None, now_s: float) -> KnownAgent:
        stale = agent is not None and self._agents.age_s(now_s) > AGENT_MAX_AGE_S
        return KnownAgent(agent=agent, stale=stale, halt=self._holdings.halt())

    def _position(self, agent: Agent | None, symbol: str, market: MarketView | None) -> float:
        if agent is None or market is None or agent.config.execution is ExecutionMode.OFF:
            return 0.0
        held = self._holdings.held(agent.user_id, symbol, agent.config.execution)
        if not held:
            return 0.0
        capital = capital_of_symbol(agent.config, self._symbols())
        # What has grown beyond its capital is as far as the venue's range goes.
        return self._exposures.clip(exposure_of(held, decimal_of(market.close), capital))

    def _held_arm(self, assignment: Assignment, agent: Agent | None, symbol: str) -> Arm | None:
        if agent is None or agent.config.execution is ExecutionMode.OFF:
            return None
        return held_arm(assignment, self._holdings.opened_by(agent.user_id, symbol, agent.config.execution))

    def _view(self, symbol: str) -> MarketView | None:
        try:
            return self._features.view(symbol)
        except NoMarketData:
            return None

    def _chain(
        self, arm: Arm, model: str | None, agent: Agent | None, signal: Signal
    ) -> tuple[Iterable[tuple[Arm, Policy]], FailureReason | None]:
        if arm is not Arm.RL:
            return self._fallbacks(signal), None
        policy = self._policies.of(model_asked(model, agent))
        if policy is None:
            return self._fallbacks(signal), FailureReason.MODEL_LOADING
        return chain([(Arm.RL, policy)], self._fallbacks(signal)), None

    def _fallbacks(self, signal: Signal) -> Iterator[tuple[Arm, Policy]]:
        # Only looked up when it is asked.
        for policy in self._fallback.of(signal.user_id, signal.symbol):
            yield Arm.FALLBACK, policy

    async def _ask(
        self,
        advisers: Iterable[tuple[Arm, Policy]],
        failure: FailureReason | None,
        signal: Signal,
        position: float,
        deadline_s: float,
    ) -> tuple[Advice, Arm, FailureReason | None]:
        for arm, policy in advisers:
            assert signal.reading is not None  # noqa: S101 - without one there are no advisers
            left_s = max(deadline_s - self._monotonic_s(), 0.0)
            try:
                advice = await policy.advise(signal.symbol, signal.reading, position, budget_s=left_s * BUDGET_SHARE)
                if not math.isfinite(advice.target_exposure):
                    raise PolicyAnsweredNaN(f"{advice.model} wants no finite exposure")
                return advice, arm, failure
            except Unavailable as error:
                failure = failure or _failure_reason(error, arm)
        return hold(position, failure), Arm.HOLD, failure


def model_asked(model: str | None, agent: Agent | None) -> str | None:
    """The model type of the policy that is asked: `model`, the one that the arm names, or else that of the agent."""
    if model is not None or agent is None or agent.state is AgentState.STOPPED:
        # A stopped agent is over: its user is advised as one without, and its model need not stay loaded.
        return model
    return agent.config.model_type


def clip_advice(advice: Advice, exposures: ExposureRange) -> tuple[Advice, float]:
    """The advice as it holds for this venue, and the target exposure it can hold.

    The confidence is that of the advised target: a clipped one has none.
    """
    target = exposures.clip(advice.target_exposure)
    if target == advice.target_exposure:
        return advice, target
    reason = ConfidenceReason.FLAT if abs(target) <= EXPOSURE_STEP else ConfidenceReason.UNCALIBRATED
    return replace(advice, confidence=None, confidence_reason=reason), target


def _failure_reason(error: Unavailable, arm: Arm) -> FailureReason:
    if arm is Arm.FALLBACK:
        return FailureReason.RULE_TIMEOUT if isinstance(error, PolicyTimedOut) else FailureReason.RULE_ERROR
    for kind, reason in _FAILURES:
        if isinstance(error, kind):
            return reason
    return FailureReason.POLICY_ERROR
