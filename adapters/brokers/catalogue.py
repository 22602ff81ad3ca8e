"""Which venues there are: add one with a file here and a line in BROKERS."""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.brokers import paper, v1, v1m, v2
from adapters.brokers.paper import PaperBroker, PaperTerms
from adapters.brokers.v1 import TradingServiceV1
from adapters.brokers.v1m import TradingServiceV1m
from adapters.brokers.v2 import TradingServiceV2
from adapters.store.engine import Store
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import Tokens
from trading.errors import InvalidSetting
from trading.ports import Broker, Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a process has for its venue to be made of; TradingService's parts are None where they are not set."""

    store: Store
    market: Market
    paper_terms: PaperTerms
    trading_service: Upstream | None
    tokens: Tokens | None
    lists_client_ids: bool
    account_user_id: str | None


def _paper(around: Surroundings) -> Broker:
    return PaperBroker(around.store, around.market, around.paper_terms)


def _v1(_: Surroundings) -> Broker:
    return TradingServiceV1()


def _v1m(around: Surroundings) -> Broker:
    return TradingServiceV1m(_trading_service(around))


def _v2(around: Surroundings) -> Broker:
    if around.tokens is None:
        raise InvalidSetting("TRADING_JWT_SECRET_FILE: TradingService V2 takes orders with a token only")
    return TradingServiceV2(
        _trading_service(around),
        around.tokens,
        lists_client_ids=around.lists_client_ids,
        account_user_id=around.account_user_id,
    )


def _trading_service(around: Surroundings) -> Upstream:
    if around.trading_service is None:
        raise InvalidSetting("TRADING_SERVICE_URL: orders are to go to TradingService, and nothing says where it is")
    return around.trading_service


# By the name that orders call it. Each raises InvalidSetting for what it needs and does not have.
BROKERS: dict[str, Callable[[Surroundings], Broker]] = {
    paper.NAME: _paper,
    v1.NAME: _v1,
    v1m.NAME: _v1m,
    v2.NAME: _v2,
}
