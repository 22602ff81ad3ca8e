"""How a decision is shown."""

from operator import attrgetter
from typing import Literal, Protocol, TypeVar, cast

from typing_extensions import TypedDict

from schemas.words import iso_time
from trading.agents import AgentState
from trading.limits import ORD_REJ_REASON
from trading.vocabulary import Action, Arm, AssignmentReason, BlockReason, ConfidenceReason, Decision, FailureReason

Member = TypeVar("Member")


class ExperimentView(TypedDict):
    """How the experiment treated this user. `reason` says why the served arm answered."""

    key: str
    assigned_arm: Arm
    served_arm: Arm
    reason: AssignmentReason | FailureReason
    stage: str


class MarketSourceView(TypedDict):
    """Where the bars came from; a simulated market says so in every answer."""

    source: str
    speed: float


class AdviceView(TypedDict):
    """What the answering model said (`advised_exposure`), and what of it the venue can hold (`target_exposure`)."""

    target_exposure: float
    advised_exposure: float
    position_exposure: float
    clipped: bool
    confidence_reason: ConfidenceReason
    agreement: float | None
    entropy: float | None
    regime: str | None


class Execution(TypedDict):
    """The order that followed: `pending` once it is durable. What became of it, GET /api/v1/orders/{id} says."""

    status: Literal["pending"]
    client_order_id: str


class AgentStateView(TypedDict):
    """The agent of the user as it was when this was decided."""

    state: AgentState


class DecisionView(TypedDict):
    """A decision. Built by us from checked values, so a plain dictionary: a model would check them all again.

    `reject_code` is FIX's OrdRejReason (tag 103) of the first of `blocked_by`, null when there is none.
    """

    request_id: str
    user_id: str
    symbol: str
    should_trade: bool
    action: Action
    confidence: float | None
    reasoning: str
    model_used: str
    model_version: str
    fallback_used: bool
    blocked_by: list[BlockReason]
    reject_code: int | None
    agent: AgentStateView | None
    experiment: ExperimentView
    advice: AdviceView
    data_as_of: str | None
    valid_until: str | None
    execution: Execution | None
    cached: bool


class PredictResponse(DecisionView):
    """The decision, with where its bars came from and the time it took since the request was read."""

    market: MarketSourceView
    processing_time_ms: float


def to_response(decision: Decision, market: MarketSourceView, *, elapsed_s: float) -> PredictResponse:
    """A decision as the answer to its request; `elapsed_s` is the time since the request was read."""
    return {**to_answer(decision), "market": market, "processing_time_ms": round(elapsed_s * 1000.0, 3)}


class _Text(Protocol):
    def __call__(self, member: Member) -> Member: ...


# A member of a StrEnum as the plain text it is: that becomes JSON four times as fast.
_text = cast(_Text, attrgetter("_value_"))


def to_answer(decision: Decision) -> DecisionView:
    """A decision as the wire shows it."""
    advice, view, signal, agent = decision.advice, decision.market, decision.signal, decision.agent
    blocked_by = (*decision.blocked_by, *decision.refused_by)
    return {
        "request_id": decision.request_id,
        "user_id": signal.user_id,
        "symbol": signal.symbol,
        "should_trade": decision.should_trade,
        "action": _text(decision.action),
        "confidence": advice.confidence,
        "reasoning": advice.reasoning,
        "model_used": advice.model,
        "model_version": advice.version,
        "fallback_used": decision.fallback_used,
        "blocked_by": [_text(reason) for reason in blocked_by],
        "reject_code": ORD_REJ_REASON[blocked_by[0]] if blocked_by else None,
        "agent": None if agent is None else {"state": _text(agent.state)},
        "experiment": _experiment_view(decision),
        "advice": _advice_view(decision),
        "data_as_of": None if view is None else iso_time(view.as_of_s),
        "valid_until": None if view is None else iso_time(view.valid_until_s),
        "execution": _execution(decision.client_order_id),
        "cached": advice.cached,
    }


def _execution(client_order_id: str | None) -> Execution | None:
    return None if client_order_id is None else {"status": "pending", "client_order_id": client_order_id}


def _experiment_view(decision: Decision) -> ExperimentView:
    given = decision.assignment
    return {
        "key": given.experiment,
        "assigned_arm": _text(given.arm),
        "served_arm": _text(decision.served_arm),
        "reason": _text(decision.serving_reason),
        "stage": given.stage,
    }


def _advice_view(decision: Decision) -> AdviceView:
    advice, view = decision.advice, decision.market
    return {
        "target_exposure": decision.target_exposure,
        "advised_exposure": advice.target_exposure,
        "position_exposure": decision.position_exposure,
        "clipped": decision.clipped,
        "confidence_reason": _text(advice.confidence_reason),
        "agreement": advice.agreement,
        "entropy": advice.entropy,
        "regime": None if view is None else view.regime,
    }
