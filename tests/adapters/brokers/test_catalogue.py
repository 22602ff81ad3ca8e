"""The catalogue of venues: each under its own name, and none made without what it needs."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.brokers.catalogue import BROKERS, Surroundings
from adapters.brokers.paper import PaperTerms
from adapters.store.engine import Store, locate
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import Tokens
from tests.fakes.market import FakeMarket, flat_bar
from trading.errors import InvalidSetting


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(
        store=Store(locate(None, tmp_path)),
        market=FakeMarket({"BTC": [flat_bar(0)]}),
        paper_terms=PaperTerms(fee_bps=Decimal(10), spread_bps=Decimal(2), participation=Decimal("0.1")),
        trading_service=Upstream("trading_service", "http://127.0.0.1:1", Breakers()),
        tokens=Tokens(b"sixteen bytes or more"),
        lists_client_ids=False,
        account_user_id=None,
    )


@pytest.mark.parametrize("name", BROKERS)
def test_a_venue_is_called_what_the_catalogue_calls_it(name: str, around: Surroundings) -> None:
    assert BROKERS[name](around).name == name


@pytest.mark.parametrize("name", BROKERS)
def test_no_venue_has_rules_for_a_symbol_nobody_knows(name: str, around: Surroundings) -> None:
    assert BROKERS[name](around).rules("NOPE") is None


@pytest.mark.parametrize(
    ("name", "missing", "variable"),
    [
        ("trading_service_v1m", "trading_service", "TRADING_SERVICE_URL"),
        ("trading_service_v2", "trading_service", "TRADING_SERVICE_URL"),
        ("trading_service_v2", "tokens", "TRADING_JWT_SECRET_FILE"),
    ],
)
def test_what_is_missing_is_named_by_its_variable(name: str, missing: str, variable: str, around: Surroundings) -> None:
    with pytest.raises(InvalidSetting, match=variable):
        BROKERS[name](replace(around, **{missing: None}))


@pytest.mark.parametrize("name", ["paper", "trading_service_v1"])
def test_venues_without_calls_need_no_trading_service(name: str, around: Surroundings) -> None:
    assert BROKERS[name](replace(around, trading_service=None, tokens=None)).name == name
