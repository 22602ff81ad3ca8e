"""Which sessions belong to which version of TradingService."""

from collections.abc import Callable

from adapters.trading_service.sessions import Sessions
from adapters.trading_service.v1 import SessionsV1
from adapters.trading_service.v1m import SessionsV1m
from adapters.trading_service.v2 import SessionsV2
from adapters.trading_service.versions import Version
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import Tokens
from trading.errors import InvalidSetting


def _v1(upstream: Upstream, _: Tokens | None) -> Sessions:
    return SessionsV1(upstream)


def _v1m(upstream: Upstream, _: Tokens | None) -> Sessions:
    return SessionsV1m(upstream)


def _v2(upstream: Upstream, tokens: Tokens | None) -> Sessions:
    if tokens is None:
        raise InvalidSetting("TRADING_JWT_SECRET_FILE: TradingService V2 knows its users by their tokens")
    return SessionsV2(upstream, tokens)


# Each raises InvalidSetting for what it needs and does not have.
SESSIONS: dict[Version, Callable[[Upstream, Tokens | None], Sessions]] = {
    Version.V1: _v1,
    Version.V1M: _v1m,
    Version.V2: _v2,
}
