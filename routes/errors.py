"""Every error of the wire: its code, its status, its message, its one shape."""

import logging

from schemas.errors import ErrorBody, ErrorResponse
from trading.errors import (
    AnalysisFailed,
    IllegalChange,
    InvalidField,
    KeyInProgress,
    KeyReused,
    NotFound,
    OutcomeDiffers,
    QueueFull,
    ServiceError,
    StaleVersion,
    StoreUnavailable,
    TooManyWait,
    UnknownSymbol,
)
from trading.jobs import Problem

log = logging.getLogger("rl_service.errors")

# Every error code of the wire, its status and its one message. A closed list: docs/errors.md is tested against it.
ERRORS: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON."),
    "unknown_symbol": (404, "No such symbol in this market."),
    "no_agent": (404, "This user has no agent."),
    "no_prediction": (404, "No such prediction."),
    "no_decision": (404, "No such decision."),
    "no_order": (404, "No such order."),
    "no_experiment": (404, "No such experiment."),
    "no_trading_service": (404, "There is no TradingService beside this service."),
    "not_found": (404, "No such route."),
    "method_not_allowed": (405, "This route does not take this method."),
    "illegal_state": (409, "Not possible in the present state."),
    "stale_version": (409, "It has changed since the version this was based on."),
    "idempotency_key_in_progress": (409, "The first request with this idempotency key is still running."),
    "feedback_differs": (409, "Another outcome was reported of this decision."),
    "body_too_large": (413, "The body is larger than 64 KB."),
    "unsupported_media_type": (415, "The body must be application/json, not compressed."),
    "invalid_field": (422, "A field is missing, unknown or outside its range."),
    "idempotency_key_reused": (422, "This idempotency key was used with another request."),
    "too_many_requests": (429, "Too many requests at once."),
    "queue_full": (429, "Too many asynchronous predictions wait."),
    "internal": (500, "An error of ours; it is logged under the request id."),
    "not_ready": (503, "Not ready to answer."),
    "analysis_failed": (503, "The analysis of the experiment failed or took too long; it is logged."),
    "store_unavailable": (503, "The store did not confirm in time: what was asked may have happened or not."),
}

# When to come back after a 429 or 503, seconds.
RETRY_AFTER_S = 1


class Rejected(Exception):
    """A request that ends with an error of the closed list."""

    def __init__(self, code: str, details: list[dict[str, str]] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


_CODES: dict[type[ServiceError], str] = {
    KeyReused: "idempotency_key_reused",
    KeyInProgress: "idempotency_key_in_progress",
    OutcomeDiffers: "feedback_differs",
    QueueFull: "queue_full",
    TooManyWait: "too_many_requests",
    AnalysisFailed: "analysis_failed",
    StoreUnavailable: "store_unavailable",
}
_NOT_FOUND = {
    "agent": "no_agent",
    "prediction": "no_prediction",
    "decision": "no_decision",
    "order": "no_order",
    "experiment": "no_experiment",
    "trading_service": "no_trading_service",
}


def rejected_for(error: ServiceError) -> Rejected | None:
    """How the wire says this error; None for one that no caller can do anything about."""
    match error:
        case UnknownSymbol():
            return Rejected("unknown_symbol", [{"field": "symbol", "problem": "unknown"}])
        case InvalidField(field=field, problem=problem):
            return Rejected("invalid_field", [{"field": field, "problem": problem}])
        case IllegalChange(state=state):
            return Rejected("illegal_state", [{"field": "state", "problem": state}])
        case StaleVersion(version=version):
            return Rejected("stale_version", [{"field": "version", "problem": f"it is {version} now"}])
        case NotFound(what=what):
            return Rejected(_NOT_FOUND[what])
    code = _CODES.get(type(error))
    return None if code is None else Rejected(code)


def explain(error: Exception) -> Problem:
    """Why a queued prediction has no decision, on the wire; an error that should not be is logged."""
    rejected = rejected_for(error) if isinstance(error, ServiceError) else None
    if rejected is None:
        log.error("a queued prediction failed", exc_info=error)
        rejected = Rejected("internal")
    _, message = ERRORS[rejected.code]
    return Problem(code=rejected.code, message=message)


def error_body(rejected: Rejected, request_id: str) -> bytes:
    """The one error shape, as JSON."""
    _, message = ERRORS[rejected.code]
    body = ErrorBody(code=rejected.code, message=message, details=rejected.details, request_id=request_id)
    return ErrorResponse(error=body).model_dump_json(exclude_none=True).encode()
