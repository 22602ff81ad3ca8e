"""Which configurations are taken, what they become, and how they are shown."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import to_json

from schemas.agent_configs import AgentConfigBody, from_config, to_config
from schemas.agents import AgentStartRequest
from tests.fakes.advisers import config
from trading.agents import ENSEMBLE, AgentConfig, AgentLimits, ExecutionMode


def configured(**changes: Any) -> AgentConfigBody:
    return AgentConfigBody.model_validate_json(json.dumps(changes))


def understood_config(body: AgentConfigBody) -> AgentConfig:
    return to_config(body, timeframe_s=3600, execution=ExecutionMode.PAPER)


def test_a_start_may_say_nothing_but_the_user() -> None:
    request = AgentStartRequest.model_validate_json('{"user_id": "user123"}')
    assert understood_config(request.config) == config()


FULL: dict[str, Any] = {
    "model_type": "ppo-btc-1h:2",
    "confidence_threshold": 0.55,
    "symbols": ["BTC", "ETH"],
    "timeframe": "4h",
    "execution": "live",
    "capital_usd": 5000.0,
    "limits": {
        "max_notional_usd": 100.0,
        "max_orders_per_minute": 3,
        "max_open_orders": 2,
        "max_daily_loss_usd": 50.5,
    },
}


def test_every_field_of_a_configuration_is_understood_and_shown_as_it_came() -> None:
    found = understood_config(configured(**FULL))
    assert found == AgentConfig(
        model_type="ppo-btc-1h:2",
        confidence_threshold=0.55,
        symbols=("BTC", "ETH"),
        timeframe_s=14_400,
        execution=ExecutionMode.LIVE,
        capital_usd=5000.0,
        limits=AgentLimits(max_notional_usd=100.0, max_orders_per_minute=3, max_open_orders=2, max_daily_loss_usd=50.5),
    )
    assert from_config(found) == FULL


def test_a_configuration_with_symbols_may_be_sent_again_as_it_was_shown() -> None:
    shown = replace(config(), symbols=("BTC",))
    again = configured(**json.loads(to_json(from_config(shown))))
    assert understood_config(again) == shown


def test_symbols_and_watchlist_mean_the_same_in_any_order() -> None:
    by_symbols, by_watchlist = (configured(**{name: ["ETH", "BTC"]}) for name in ("symbols", "watchlist"))
    assert understood_config(by_symbols).symbols == ("BTC", "ETH")
    assert understood_config(by_symbols) == understood_config(by_watchlist)


def refused_start(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        AgentStartRequest.model_validate_json(json.dumps({"user_id": "user123", "config": changes}))
    (problem,) = caught.value.errors()
    return ".".join(str(part) for part in problem["loc"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model_type": "Ensemble"}, "config.model_type"),
        ({"model_type": "../x"}, "config.model_type"),
        ({"model_type": "a:b:c"}, "config.model_type"),
        ({"model_type": "a:"}, "config.model_type"),
        ({"model_type": None}, "config.model_type"),
        ({"confidence_threshold": 1.01}, "config.confidence_threshold"),
        ({"confidence_threshold": -0.01}, "config.confidence_threshold"),
        ({"confidence_threshold": "0.5"}, "config.confidence_threshold"),
        ({"confidence_threshold": True}, "config.confidence_threshold"),
        ({"confidence_threshold": float("nan")}, "config.confidence_threshold"),
        ({"symbols": []}, "config.symbols"),
        ({"symbols": "BTC"}, "config.symbols"),
        ({"symbols": ["ETH", "B TC"]}, "config.symbols.1"),
        ({"symbols": ["BTC", "BTC"]}, "config"),
        ({"watchlist": ["BTC", "BTC"]}, "config"),
        ({"symbols": ["BTC"], "watchlist": ["BTC"]}, "config"),
        ({"timeframe": "60m"}, "config.timeframe"),
        ({"timeframe": "1H"}, "config.timeframe"),
        ({"timeframe": 3600}, "config.timeframe"),
        ({"execution": "real"}, "config.execution"),
        ({"capital_usd": 0}, "config.capital_usd"),
        ({"capital_usd": float("inf")}, "config.capital_usd"),
        ({"limits": {"max_open_orders": 0}}, "config.limits.max_open_orders"),
        ({"limits": {"max_orders_per_minute": 1.5}}, "config.limits.max_orders_per_minute"),
        ({"limits": {"max_daily_loss_usd": -1}}, "config.limits.max_daily_loss_usd"),
        ({"limits": {"leverage": 3}}, "config.limits.leverage"),
        ({"limits": None}, "config.limits"),
        ({"leverage": 3}, "config.leverage"),
    ],
)
def test_a_configuration_outside_its_ranges_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    assert refused_start(**changes) == field


def test_the_ensemble_is_what_an_agent_has_whose_user_chose_no_model() -> None:
    assert configured().model_type == ENSEMBLE
