"""What the doctor says of each service beside us, asked over real sockets."""

from dataclasses import replace
from pathlib import Path

import pytest

from rl_models.bundle import write_bundle
from settings import Settings
from tests.fakes.bundles import CALIBRATION, constant_onnx, policy_manifest
from tests.fakes.settings import settings
from tests.fakes.stack.running import Stack, running_stack
from tests.fakes.stack.terms import Terms
from tests.fakes.threshold_service import limited, threshold_service
from wiring.doctor import examine
from wiring.findings import Finding

TRADING, AGGREGATOR, THRESHOLDS = "TRADING_SERVICE_URL", "DATA_AGGREGATOR_URL", "ADAPTIVE_THRESHOLD_URL"
SECRET_FILE = "TRADING_JWT_SECRET_FILE"  # noqa: S105 - the name of a setting


def said(found: Settings, subject: str) -> list[Finding]:
    """What the doctor says about one subject."""
    return [finding for finding in examine(lambda: found) if finding.subject == subject]


def only(found: Settings, subject: str) -> Finding:
    (finding,) = said(found, subject)
    return finding


def secret(folder: Path, text: str = Terms().jwt_secret) -> Path:
    file = folder / "secret"
    file.write_text(text)
    file.chmod(0o600)
    return file


def live(folder: Path, stack: Stack, *, calibrated: bool = True, **changes: object) -> Settings:
    """Live orders at the fakes, with a model of our own, changed where told."""
    manifest = replace(policy_manifest("mine"), calibration=CALIBRATION if calibrated else None)
    write_bundle(folder / "bundles", manifest, constant_onnx([0.0, 0.0, 1.0]))
    ours = {
        "rl_models_path": folder / "bundles",
        "rl_model": "mine",
        "execution_mode": "live",
        "market_source": "live",
        "market_symbols": ("BTC", "ETH"),
        "data_aggregator_url": stack.aggregator.url,
        "trading_service_url": stack.trading.url,
        "trading_jwt_secret_file": secret(folder),
    }
    return settings(folder, **(ours | changes))


@pytest.mark.parametrize("version", ["v1", "v1m", "v2"])
def test_the_version_of_the_trading_service_is_found_out(tmp_path: Path, version: str) -> None:
    with running_stack(trading=version) as stack:
        finding = only(settings(tmp_path, trading_service_url=stack.trading.url), TRADING)
        assert stack.trading.control.ledger().bookings == ()
    assert (finding.mark, finding.text) == ("ok", f"127.0.0.1:{stack.trading.port} answers as {version}")


def test_another_version_than_the_stated_one_is_told(tmp_path: Path) -> None:
    with running_stack(trading="v1m") as stack:
        finding = only(settings(tmp_path, trading_service_url=stack.trading.url, trading_service_version="v1"), TRADING)
    assert finding.failed
    assert "set it to v1m or auto" in finding.text


def test_a_trading_service_without_its_routes_is_told(tmp_path: Path) -> None:
    with running_stack(trading="v2") as stack:
        stack.trading.control.set(mounted=False)
        assert only(settings(tmp_path, trading_service_url=stack.trading.url), TRADING).failed


def test_a_secret_that_the_trading_service_takes_is_well(tmp_path: Path) -> None:
    with running_stack(trading="v2") as stack:
        found = settings(tmp_path, trading_service_url=stack.trading.url, trading_jwt_secret_file=secret(tmp_path))
        assert [finding.mark for finding in said(found, SECRET_FILE)] == ["ok", "ok"]


def test_a_secret_that_the_trading_service_does_not_share_is_told_and_not_shown(tmp_path: Path) -> None:
    file = secret(tmp_path, "hunter2 hunter2 hunter2 hunter2")
    with running_stack(trading="v2") as stack:
        found = list(
            examine(lambda: settings(tmp_path, trading_service_url=stack.trading.url, trading_jwt_secret_file=file))
        )
    assert [finding.text for finding in found if finding.failed] == [
        "TradingService does not take our tokens: give both sides the same secret"
    ]
    assert "hunter2" not in "".join(finding.text for finding in found)


@pytest.mark.parametrize("text", ["short", "default-secret"])
def test_a_secret_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    finding = only(settings(tmp_path, trading_jwt_secret_file=secret(tmp_path, text)), SECRET_FILE)
    assert finding.failed
    assert text not in finding.text


def test_a_secret_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert only(settings(tmp_path, trading_jwt_secret_file=tmp_path / "none"), SECRET_FILE).failed


@pytest.mark.parametrize("version", ["v1", "v1m"])
def test_the_newest_bar_of_every_symbol_of_a_live_market_is_told(tmp_path: Path, version: str) -> None:
    with running_stack(aggregator=version) as stack:
        found = settings(
            tmp_path,
            market_source="live",
            market_symbols=("BTC", "ETH"),
            data_aggregator_url=stack.aggregator.url,
        )
        finding = only(found, AGGREGATOR)
    assert finding.mark == "ok"
    assert f"answers as {version}; newest bars closed: BTC 20" in finding.text
    assert ", ETH 20" in finding.text


def test_bars_that_are_not_sound_are_told_with_their_symbol(tmp_path: Path) -> None:
    with running_stack(aggregator="v1m") as stack:
        stack.aggregator.control.set(candles="stale")
        found = settings(tmp_path, market_source="live", data_aggregator_url=stack.aggregator.url)
        findings = said(found, AGGREGATOR)
    assert [finding.mark for finding in findings] == ["FAILED"] * 3
    assert [finding.text.split()[1].rstrip(":") for finding in findings] == ["BTC", "ETH", "SOL"]
    assert "stale" in findings[0].text


def test_a_market_that_is_not_theirs_asks_for_one_symbol_only(tmp_path: Path) -> None:
    with running_stack(aggregator="v1m") as stack:
        found = settings(tmp_path, market_timeframe_s=120, data_aggregator_url=stack.aggregator.url)
        assert "BTC 20" in only(found, AGGREGATOR).text


def test_thresholds_are_asked_for_and_the_health_of_their_service_is_not(tmp_path: Path) -> None:
    with running_stack(threshold=True) as stack:
        finding = only(settings(tmp_path, adaptive_threshold_url=stack.threshold.url), THRESHOLDS)
        asked = [call["path"] for call in stack.threshold.control.calls()]
    assert finding.mark == "ok"
    assert asked == ["/api/v1/thresholds/doctor"]


def test_a_threshold_service_that_limits_us_is_told(tmp_path: Path) -> None:
    with threshold_service() as service:
        service.answer = limited
        assert only(settings(tmp_path, adaptive_threshold_url=service.url), THRESHOLDS).failed


def test_without_live_execution_it_is_a_note_what_that_would_need(tmp_path: Path) -> None:
    finding = only(settings(tmp_path), "live")
    assert finding.mark == "note"
    for need in ("MARKET_SOURCE=live", "TRADING_SERVICE_URL", "EXECUTION_MODE=live"):
        assert need in finding.text


@pytest.mark.parametrize("version", ["v1m", "v2"])
def test_live_execution_with_everything_it_needs_is_well(tmp_path: Path, version: str) -> None:
    with running_stack(trading=version, aggregator="v1m") as stack:
        found = list(examine(lambda: live(tmp_path, stack)))
    assert [finding for finding in found if finding.failed] == []
    assert (found[-1].subject, found[-1].mark) == ("live", "ok")
    assert found[-1].text.endswith(version)


def test_live_execution_at_a_service_that_only_shows_signals_is_told(tmp_path: Path) -> None:
    with running_stack(trading="v1", aggregator="v1m") as stack:
        finding = only(live(tmp_path, stack), "live")
    assert finding.failed
    assert "places orders" in finding.text


def test_live_execution_without_a_secret_for_a_service_that_checks_it_is_told(tmp_path: Path) -> None:
    with running_stack(trading="v2", aggregator="v1m") as stack:
        finding = only(live(tmp_path, stack, trading_jwt_secret_file=None), "live")
    assert finding.failed
    assert SECRET_FILE in finding.text


def test_live_execution_with_a_model_that_is_not_calibrated_is_told(tmp_path: Path) -> None:
    with running_stack(trading="v1m", aggregator="v1m") as stack:
        finding = only(live(tmp_path, stack, calibrated=False), "live")
    assert finding.failed
    assert "mine:1" in finding.text
