"""Every error we raise on purpose, sorted by what the caller can do about it.

ServiceError
├── RequestError          mend the request
│   ├── UnknownSymbol
│   └── InvalidField
├── Unavailable           wait, or let the next adviser answer
│   ├── NoMarketData
│   ├── FeaturesWarmingUp
│   ├── FeaturesMissing
│   └── PolicyFailed
│       ├── PolicyTimedOut
│       └── PolicyAnsweredNaN
└── OperatorNeeded        a person has to act
    ├── InvalidSetting
    ├── DatasetRefused
    └── BundleRefused
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


class Unavailable(ServiceError):
    """Not now; a later call, or another adviser, may answer."""


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
