"""Which configurations cannot work here, and what a user is warned of."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rl_models.manifest import Manifest
from rl_models.shelf import Candidate, Shelf
from tests.fakes.advisers import config
from tests.fakes.bundles import CALIBRATION, ensemble_manifest, policy_manifest
from tests.fakes.market import FakeMarket, flat_bar
from trading.agents import ENSEMBLE, AgentConfig, ExecutionMode
from trading.errors import InvalidField
from trading.vocabulary import SIMULATED
from wiring.agent_checks import AgentChecks
from wiring.models import Model

SURE = policy_manifest("sure")
UNSURE = replace(policy_manifest("unsure"), calibration=replace(CALIBRATION, informative=False))
QUICK = replace(policy_manifest("quick"), timeframe_s=60)
CROWD = ensemble_manifest((), "crowd")


def model(manifest: Manifest) -> Model:
    return Model(manifest=manifest, networks=(), digest=f"sha256:{manifest.name}", bundle=None)


def shelf() -> Shelf:
    found = [
        Candidate(manifest=manifest, digest=f"sha256:{manifest.name}", path=Path("/nowhere"))
        for manifest in (SURE, UNSURE, QUICK, CROWD)
    ]
    return Shelf(candidates=tuple(found), refusals=())


def checks(*, source: str = "fake", mode: ExecutionMode = ExecutionMode.LIVE) -> AgentChecks:
    market = FakeMarket({"BTC": [flat_bar(0)], "ETH": [flat_bar(0)]}, source=source)
    return AgentChecks(market, shelf, mode=mode)


def warned(
    asked: AgentConfig, *, active: Manifest = SURE, source: str = "fake", mode: ExecutionMode = ExecutionMode.LIVE
) -> dict[str, str]:
    """The messages of the warnings by code."""
    found = asyncio.run(checks(source=source, mode=mode).check("user123", asked, model(active)))
    return {warning["code"]: warning["message"] for warning in found}


def refused(asked: AgentConfig, *, active: Manifest = SURE, mode: ExecutionMode = ExecutionMode.LIVE) -> str:
    """The field at fault and the problem."""
    with pytest.raises(InvalidField) as caught:
        warned(asked, active=active, mode=mode)
    return f"{caught.value.field}: {caught.value.problem}"


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (config(symbols=("BTC", "XYZ")), "config.symbols: this market has no XYZ"),
        (config(timeframe_s=60), "config.timeframe: this market has bars of 1h"),
        (config(model_type="nobody"), "config.model_type: no such model here"),
        (config(model_type="sure:9"), "config.model_type: no such model here"),
        (config(model_type="quick"), "config.model_type: quick:1 decides on bars of 1m"),
    ],
)
def test_what_this_market_or_shelf_does_not_have_is_refused_by_name(asked: AgentConfig, problem: str) -> None:
    assert refused(asked) == problem


@pytest.mark.parametrize(
    ("mode", "asked", "allowed"),
    [
        (ExecutionMode.OFF, ExecutionMode.OFF, True),
        (ExecutionMode.OFF, ExecutionMode.PAPER, False),
        (ExecutionMode.PAPER, ExecutionMode.PAPER, True),
        (ExecutionMode.PAPER, ExecutionMode.LIVE, False),
        (ExecutionMode.LIVE, ExecutionMode.OFF, True),
    ],
)
def test_no_agent_goes_beyond_the_mode_of_the_service(mode: ExecutionMode, asked: ExecutionMode, allowed: bool) -> None:
    wanted = config(model_type="sure", execution=asked)
    if allowed:
        warned(wanted, mode=mode)
    else:
        assert refused(wanted, mode=mode) == f"config.execution: at most {mode} is allowed here (EXECUTION_MODE)"


@pytest.mark.parametrize(
    ("mode", "default"),
    [
        (ExecutionMode.OFF, ExecutionMode.OFF),
        (ExecutionMode.PAPER, ExecutionMode.PAPER),
        (ExecutionMode.LIVE, ExecutionMode.PAPER),
    ],
)
def test_who_chooses_no_mode_gets_paper_as_far_as_it_is_allowed(mode: ExecutionMode, default: ExecutionMode) -> None:
    assert checks(mode=mode).default_execution is default


def test_live_execution_needs_capital_and_a_calibrated_model() -> None:
    live = config(model_type="sure", execution=ExecutionMode.LIVE, capital_usd=100.0)
    warned(live)
    assert refused(replace(live, capital_usd=None)).startswith("config.capital_usd")
    assert refused(replace(live, model_type="unsure")) == (
        "config.model_type: unsure:1 is not calibrated, as live execution needs it"
    )


def unreachable(asked: AgentConfig, *, active: Manifest = SURE, source: str = "fake") -> str | None:
    return warned(asked, active=active, source=source).get("threshold_unreachable")


@pytest.mark.parametrize(
    ("threshold", "message"), [(0.5, None), (0.51, "the highest confidence that sure:1 can give is 0.5")]
)
def test_a_threshold_above_all_that_the_model_can_say_is_warned_of(threshold: float, message: str | None) -> None:
    asked = config(model_type="sure", confidence_threshold=threshold, symbols=("BTC",))
    assert unreachable(asked) == message


@pytest.mark.parametrize(
    ("model_type", "symbols", "source", "named"),
    [
        ("unsure", ("BTC",), "fake", "unsure:1 has no calibrated confidence for BTC"),
        ("sure", ("BTC", "ETH"), "fake", "sure:1 has no calibrated confidence for ETH"),
        ("sure", (), "fake", "sure:1 has no calibrated confidence for ETH"),
        ("sure", ("BTC",), SIMULATED, "sure:1 has no calibrated confidence for BTC"),
    ],
)
def test_a_threshold_where_there_is_no_confidence_at_all_is_warned_of(
    model_type: str, symbols: tuple[str, ...], source: str, named: str
) -> None:
    message = unreachable(config(model_type=model_type, confidence_threshold=0.1, symbols=symbols), source=source)
    assert message is not None
    assert message.startswith(named)
    assert "blocked as uncalibrated" in message


def test_without_a_threshold_nothing_is_unreachable() -> None:
    assert unreachable(config(model_type="unsure")) is None


def test_ensemble_is_judged_by_the_active_model_where_that_is_one() -> None:
    other = replace(CROWD, name="other", calibration=replace(CALIBRATION, knots=((0.4, 0.1), (0.6, 0.2))))
    asked = config(model_type=ENSEMBLE, confidence_threshold=0.3, symbols=("BTC",))
    assert unreachable(asked, active=other) == "the highest confidence that other:1 can give is 0.2"
    assert unreachable(asked, active=SURE) is None


@pytest.mark.parametrize(
    ("execution", "trades", "codes"),
    [
        (ExecutionMode.LIVE, True, ["session_trades"]),
        (ExecutionMode.LIVE, None, ["session_unknown"]),
        (ExecutionMode.LIVE, False, []),
        (ExecutionMode.PAPER, True, []),
    ],
)
def test_who_trades_live_is_warned_of_a_session_that_trades_too_or_may(
    execution: ExecutionMode, trades: bool | None, codes: list[str]
) -> None:
    asked: list[str] = []

    async def session_trades(user_id: str) -> bool | None:
        asked.append(user_id)
        return trades

    market = FakeMarket({"BTC": [flat_bar(0)], "ETH": [flat_bar(0)]})
    judge = AgentChecks(market, shelf, mode=ExecutionMode.LIVE, session_trades=session_trades)
    wanted = config(model_type="sure", execution=execution, capital_usd=100.0)
    found = asyncio.run(judge.check("anna", wanted, model(SURE)))
    assert [warning["code"] for warning in found] == codes
    # TradingService is asked about the user alone, and not for paper.
    assert asked == (["anna"] if execution is ExecutionMode.LIVE else [])


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("nobody", "model: no such model here"),
        ("quick", "model: quick:1 decides on bars of 1m"),
        ("unsure", "model: unsure:1 is not calibrated, as live execution needs it"),
    ],
)
def test_an_arm_names_no_model_that_its_users_could_not_have(named: str, problem: str) -> None:
    with pytest.raises(InvalidField) as caught:
        asyncio.run(checks().check_arm(named, model(SURE)))
    assert f"{caught.value.field}: {caught.value.problem}" == problem


def test_where_nothing_trades_live_an_arm_may_name_a_model_without_calibration() -> None:
    asyncio.run(checks(mode=ExecutionMode.PAPER).check_arm("unsure", model(SURE)))
