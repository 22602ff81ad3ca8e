"""Every error we raise on purpose, sorted by what the caller can do about it.

ServiceError
├── RequestError          mend the request
│   ├── UnknownSymbol
│   ├── InvalidField
│   ├── NotFound
│   ├── IllegalChange
│   ├── StaleVersion
│   ├── KeyReused
│   ├── KeyInProgress
│   └── OutcomeDiffers
├── Unavailable           wait, or let the next adviser answer
│   ├── StoreUnavailable
│   ├── QueueFull
│   ├── TooManyWait
│   ├── AnalysisFailed
│   ├── UpstreamUnavailable
│   │   ├── UpstreamRefused
│   │   ├── UpstreamLimited
│   │   ├── NotSent
│   │   └── OutcomeUnknown
│   ├── CannotAsk
│   ├── NoMarketData
│   ├── FeaturesWarmingUp
│   ├── FeaturesMissing
│   └── PolicyFailed
│       ├── PolicyTimedOut
│       └── PolicyAnsweredNaN
└── OperatorNeeded        a person has to act
    ├── InvalidSetting
    ├── DatasetRefused
    ├── BundleRefused
    └── StoreRefused
"""


class ServiceError(Exception):
    """The root: catch this to catch all of ours."""


class RequestError(ServiceError):
    """The caller can mend the request."""


class UnknownSymbol(RequestError):
    """The market does not list this symbol."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"unknown symbol {symbol!r}")
        self.symbol = symbol


class InvalidField(RequestError):
    """One field of the request has a value that its type allows and its meaning does not."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class NotFound(RequestError):
    """There is no such thing, or it is not the caller's; `what` names its kind: agent, prediction, decision."""

    def __init__(self, what: str) -> None:
        super().__init__(f"no such {what}")
        self.what = what


class IllegalChange(RequestError):
    """The thing is in a state from which it cannot change like this; `state` is that state, in words of the wire."""

    def __init__(self, state: str) -> None:
        super().__init__(f"not possible while {state}")
        self.state = state


class StaleVersion(RequestError):
    """The command was based on what the thing no longer is; `version` is the one it has now."""

    def __init__(self, version: int) -> None:
        super().__init__(f"it is at version {version} now")
        self.version = version


class KeyReused(RequestError):
    """This idempotency key was used with another request."""


class KeyInProgress(RequestError):
    """The first request with this idempotency key is still running."""


class OutcomeDiffers(RequestError):
    """Another outcome was reported of the same decision; the first one stays."""


class Unavailable(ServiceError):
    """Not now; a later call, or another adviser, may answer."""


class StoreUnavailable(Unavailable):
    """The store did not confirm in time: what was asked of it may have happened, or may yet happen."""


class QueueFull(Unavailable):
    """As many asynchronous predictions wait as may wait."""


class TooManyWait(Unavailable):
    """As many callers wait for results as may wait."""


class AnalysisFailed(Unavailable):
    """An experiment could not be judged now: the analysis failed, or took too long; the message says why."""


class UpstreamUnavailable(Unavailable):
    """A service beside us did not answer as it should: too late, not at all, or nonsense."""


class UpstreamRefused(UpstreamUnavailable):
    """It answered, and would not do it; that is no outage. `code` and the message are its own words, shortened."""

    def __init__(self, code: str, message: str, *, status: int) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status


class UpstreamLimited(UpstreamUnavailable):
    """It asks for fewer calls; `retry_after_s` is what it says, None when it does not."""

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__("too many calls")
        self.retry_after_s = retry_after_s


class NotSent(UpstreamUnavailable):
    """Certainly no byte of the request left: the breaker is open, the budget is used up, nobody listens."""


class OutcomeUnknown(UpstreamUnavailable):
    """The request may have arrived, and what it did there is not known."""


class CannotAsk(Unavailable):
    """This venue cannot be asked what became of an order: a person has to look."""


class NoMarketData(Unavailable):
    """The market has no closed bar of this symbol yet."""


class FeaturesWarmingUp(Unavailable):
    """Fewer closed bars than the schema's warm-up."""


class FeaturesMissing(Unavailable):
    """A feature has no finite value for the last closed bar."""


class PolicyFailed(Unavailable):
    """The policy raised, or answered with the wrong shape."""


class PolicyTimedOut(PolicyFailed):
    """The policy did not answer within its budget."""


class PolicyAnsweredNaN(PolicyFailed):
    """The policy answered with a number that is not finite."""


class OperatorNeeded(ServiceError):
    """Nothing a caller does helps; the message says what to change."""


class InvalidSetting(OperatorNeeded):
    """An environment variable is outside its range."""


class DatasetRefused(OperatorNeeded):
    """A market data file breaks a rule that cannot be repaired without inventing data."""


class BundleRefused(OperatorNeeded):
    """A policy bundle failed verification."""


class StoreRefused(OperatorNeeded):
    """The store is damaged, in use by another instance, or of another version."""
