"""Each variable has the default that was asked for, keeps its range, and is named when it does not fit."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from settings import MarketSource, Settings, SignalSource, read_settings, settings_table
from trading.agents import ExecutionMode
from trading.errors import InvalidSetting

NAMES = {name.upper() for name in Settings.model_fields}

PROMISED = {
    "HOST": "0.0.0.0",  # noqa: S104 - the default under test
    "PORT": 8001,
    "LOG_LEVEL": "info",
    "WORKERS": 2,
    "AB_TESTING_ENABLED": True,
    "RL_TRAFFIC_PERCENTAGE": 0.1,
    "PREDICTION_TIMEOUT_SECONDS": 5.0,
    "MAX_CONCURRENT_REQUESTS": 100,
    "EXPERIMENT_TICK_SECONDS": 10,
    "CACHE_TTL_SECONDS": 30,
    "DEBUG": False,
    "DATABASE_URL": None,
    "REDIS_URL": None,
    "MAX_QUEUE_SIZE": 1000,
    "MAX_SOCKETS": 1000,
    "EXECUTION_MODE": "paper",
    "JOURNAL_RETENTION_DAYS": 30,
    "RESULT_RETENTION_HOURS": 24,
    "SHUTDOWN_GRACE_SECONDS": 20,
    "ORDER_TTL_SECONDS": 5,
    "ORDER_DEAD_BAND": 0.02,
    "PAPER_FEE_BPS": 10,
    "ASSUMED_FEE_BPS": 10,
    "PAPER_SPREAD_BPS": 2,
    "PAPER_PARTICIPATION": 0.1,
    "TRADING_SERVICE_URL": None,
    "TRADING_SERVICE_VERSION": "auto",
    "TRADING_JWT_SECRET_FILE": None,
    "TRADING_LISTS_CLIENT_IDS": False,
    "TRADING_ACCOUNT_USER": None,
    "DATA_AGGREGATOR_VERSION": "auto",
    "DATA_AGGREGATOR_URL": None,
    "ADAPTIVE_THRESHOLD_URL": None,
}

# variable: the values at both ends that are taken, those just outside that are not, and the range as it is told.
RANGES = {
    "PORT": (("1", "65535"), ("0", "65536"), ">= 1 and <= 65535"),
    "WORKERS": (("1", "64"), ("0", "65"), ">= 1 and <= 64"),
    "MARKET_TIMEFRAME_S": (("60", "86400"), ("0", "172800"), ">= 60 and <= 86400"),
    "MARKET_SPEED": (("0.001", "100000"), ("0.0009", "100001"), ">= 0.001 and <= 100000"),
    "MARKET_SEED": (("0", "4294967295"), ("-1", "4294967296"), ">= 0 and <= 4294967295"),
    "FALLBACK_EXPOSURE": (("0.001", "1"), ("0", "1.001"), "> 0 and <= 1"),
    "RL_TRAFFIC_PERCENTAGE": (("0", "1"), ("-0.001", "1.001"), ">= 0 and <= 1"),
    "PREDICTION_TIMEOUT_SECONDS": (("0.001", "30"), ("0", "30.001"), "> 0 and <= 30"),
    "MAX_CONCURRENT_REQUESTS": (("1", "10000"), ("0", "10001"), ">= 1 and <= 10000"),
    "EXPERIMENT_TICK_SECONDS": (("1", "3600"), ("0.999", "3600.1"), ">= 1 and <= 3600"),
    "CACHE_TTL_SECONDS": (("0.001", "3600"), ("0", "3600.001"), "> 0 and <= 3600"),
    "SIGNAL_MAX_AGE_SECONDS": (("0.001", "86400"), ("0", "86400.001"), "> 0 and <= 86400"),
    "MAX_QUEUE_SIZE": (("1", "100000"), ("0", "100001"), ">= 1 and <= 100000"),
    "MAX_SOCKETS": (("1", "10000"), ("0", "10001"), ">= 1 and <= 10000"),
    "SHUTDOWN_GRACE_SECONDS": (("3", "300"), ("2.999", "300.001"), ">= 3 and <= 300"),
    "JOURNAL_RETENTION_DAYS": (("1", "3650"), ("0", "3651"), ">= 1 and <= 3650"),
    "RESULT_RETENTION_HOURS": (("24", "8760"), ("23", "8761"), ">= 24 and <= 8760"),
    "MAX_PRICE_GAP": (("0.001", "1"), ("0", "1.001"), "> 0 and <= 1"),
    "ORDER_TTL_SECONDS": (("0.001", "60"), ("0", "60.001"), "> 0 and <= 60"),
    "ORDER_DEAD_BAND": (("0", "0.999"), ("-0.001", "1"), ">= 0 and < 1"),
    "PAPER_FEE_BPS": (("0", "1000"), ("-0.001", "1000.001"), ">= 0 and <= 1000"),
    "ASSUMED_FEE_BPS": (("0", "1000"), ("-0.001", "1000.001"), ">= 0 and <= 1000"),
    "PAPER_SPREAD_BPS": (("0", "1000"), ("-0.001", "1000.001"), ">= 0 and <= 1000"),
    "PAPER_PARTICIPATION": (("0.001", "1"), ("0", "1.001"), "> 0 and <= 1"),
}
INSIDE = [(name, value) for name, (inside, _, _) in RANGES.items() for value in inside]
OUTSIDE = [(name, value) for name, (_, outside, _) in RANGES.items() for value in outside]
FLOATS = [name for name in RANGES if Settings.model_fields[name.lower()].annotation is float]
UPSTREAMS = ["TRADING_SERVICE_URL", "DATA_AGGREGATOR_URL", "ADAPTIVE_THRESHOLD_URL"]


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def value_of(settings: Settings, name: str) -> object:
    return getattr(settings, name.lower())


def refusal() -> str:
    with pytest.raises(InvalidSetting) as refused:
        read_settings()
    return str(refused.value)


@pytest.mark.parametrize("name", PROMISED)
def test_an_unset_variable_has_the_promised_default(name: str) -> None:
    assert value_of(read_settings(), name) == PROMISED[name]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    unset = read_settings()
    monkeypatch.setenv(name, "")
    assert read_settings() == unset


@pytest.mark.parametrize(("name", "value"), INSIDE)
def test_both_ends_of_a_range_are_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert value_of(read_settings(), name) == float(value)


@pytest.mark.parametrize(("name", "value"), OUTSIDE)
def test_a_value_outside_its_range_is_refused_with_the_name_and_the_range(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    told = refusal()
    assert told.startswith(f"{name}: ")
    assert told.endswith(f"Range: {RANGES[name][2]}.")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("name", FLOATS)
def test_no_quantity_is_infinite_or_no_number(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert refusal().startswith(f"{name}: ")


def test_every_number_has_a_range_that_is_tested_here() -> None:
    numbers = {name for name, field in Settings.model_fields.items() if field.annotation in (int, float)}
    assert {name.upper() for name in numbers} == set(RANGES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "example.org"),
        ("HOST", "127.0.0.1:8001"),
        ("HOST", "256.0.0.1"),
        ("LOG_LEVEL", "verbose"),
        ("MARKET_SOURCE", "csv"),
        ("REPLAY_VOLUME", "both"),
        ("PLACEMENT", "thread"),
        ("DEBUG", "perhaps"),
        ("AB_TESTING_ENABLED", "2"),
        ("PORT", "http"),
        ("WORKERS", "2.5"),
        ("REPLAY_START", "2021-01-01T00:00:00"),
        ("REPLAY_START", "yesterday"),
        ("REPLAY_FILES", "bars.csv"),
        ("REPLAY_FILES", "BTC="),
        ("REPLAY_FILES", "BTC=a.csv,btc=b.csv"),
        ("MARKET_SYMBOLS", "BTC,"),
        ("MARKET_SYMBOLS", "BTC,btc"),
        ("MARKET_SYMBOLS", "X" * 33),
        ("MARKET_TIMEFRAME_S", "90"),
        ("MARKET_TIMEFRAME_S", "7200.5"),
        ("MARKET_TIMEFRAME_S", "25200"),
        ("EXECUTION_MODE", "real"),
        ("TRADING_SERVICE_VERSION", "v3"),
        ("DATA_AGGREGATOR_VERSION", "v2"),
        ("TRADING_LISTS_CLIENT_IDS", "perhaps"),
        ("REDIS_URL", "host:6379"),
        ("REDIS_URL", "http://host:6379"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://host:0"),
        ("REDIS_URL", "redis://host:port"),
        ("REDIS_URL", "redis://[::::]"),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert refusal().startswith(f"{name}: ")


@pytest.mark.parametrize("name", UPSTREAMS)
@pytest.mark.parametrize(
    "value",
    [
        "ftp://host",
        "host:80",
        "http://",
        "http://:80",
        "http://host:0",
        "http://host:65536",
        "http://host:port",
        "http://[::::]",
        "http://a b",
        "http://host/a b",
        "http://user:password@host",
        "http://user:pass/word@host",
        "http://user@host",
    ],
)
def test_an_upstream_is_a_plain_http_url_with_a_host(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert refusal().startswith(f"{name}: ")


@pytest.mark.parametrize(
    "value",
    [
        "http://127.0.0.1:8000",
        "https://trading.example/api/v1",
        "http://trading_service:80/",
        "http://[::1]:65535/x?y=1",
    ],
)
def test_an_upstream_may_have_a_port_and_a_path(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRADING_SERVICE_URL", value)
    assert read_settings().trading_service_url == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRADING_SERVICE_URL", "http://user:hunter2@host"),
        ("TRADING_SERVICE_URL", "hunter2"),
        ("DATA_AGGREGATOR_URL", "http://host:hunter2"),
        ("REDIS_URL", "hunter2"),
        ("REDIS_URL", "redis://:hunter2@"),
        ("REDIS_URL", "redis://:hunter2@host:hunter2"),
        ("MARKET_SYMBOLS", "hunter2"),
        ("REPLAY_FILES", "hunter2"),
        ("REPLAY_FILES", "hunter2=bars.csv"),
        ("HOST", "hunter2"),
        ("PORT", "hunter2"),
        ("DEBUG", "hunter2"),
        ("LOG_LEVEL", "hunter2"),
        ("REPLAY_START", "hunter2"),
    ],
)
def test_a_refused_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert "hunter2" not in refusal()


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "postgresql://rl:hunter2@host/rl"), ("REDIS_URL", "redis://:hunter2@host:6379/0")],
)
def test_a_password_is_read_but_never_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    settings = read_settings()
    assert value_of(settings, name).get_secret_value() == value  # type: ignore[attr-defined]
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_refusal_chains_no_error_that_holds_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "hunter2")
    with pytest.raises(InvalidSetting) as refused:
        read_settings()
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_every_bad_variable_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setenv("WORKERS", "0")
    assert [line.partition(":")[0] for line in refusal().splitlines()] == ["PORT", "WORKERS"]


@pytest.mark.parametrize("name", ["MARKET_SYMBOLS", "REPLAY_FILES"])
def test_a_symbol_named_twice_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, {"MARKET_SYMBOLS": "BTC,ETH,BTC", "REPLAY_FILES": "BTC=a.csv,BTC=b.csv"}[name])
    assert "names a symbol twice" in refusal()


def test_a_replay_needs_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_SOURCE", "replay")
    assert "REPLAY_FILES" in refusal()
    monkeypatch.setenv("REPLAY_FILES", "BTC=a.csv")
    assert read_settings().replay_files == {"BTC": Path("a.csv")}


def test_a_live_market_needs_to_be_told_from_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_SOURCE", "live")
    assert "DATA_AGGREGATOR_URL" in refusal()
    monkeypatch.setenv("DATA_AGGREGATOR_URL", "http://127.0.0.1:9")
    assert read_settings().market_source is MarketSource.LIVE


LIVE = {
    "EXECUTION_MODE": "LIVE",
    "MARKET_SOURCE": "live",
    "DATA_AGGREGATOR_URL": "http://127.0.0.1:9",
    "TRADING_SERVICE_URL": "http://127.0.0.1:9",
    "TRADING_SERVICE_VERSION": "V2",
    "TRADING_JWT_SECRET_FILE": "/run/secret",
}


def test_live_execution_is_taken_with_everything_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LIVE.items():
        monkeypatch.setenv(name, value)
    assert read_settings().execution_mode is ExecutionMode.LIVE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MARKET_SOURCE", "simulated"),
        ("TRADING_SERVICE_URL", ""),
        ("TRADING_SERVICE_VERSION", "v1"),
        ("TRADING_JWT_SECRET_FILE", ""),
    ],
)
def test_live_execution_without_one_of_its_needs_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for setting, given in (LIVE | {name: value}).items():
        monkeypatch.setenv(setting, given)
    assert name in refusal()


HEARING = LIVE | {"EXECUTION_MODE": "paper", "SIGNAL_SOURCE": "TRADING_SERVICE", "TRADING_SERVICE_VERSION": "v1m"}


def test_signals_of_trading_service_are_taken_from_v1m_on_a_live_market(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HEARING.items():
        monkeypatch.setenv(name, value)
    assert read_settings().signal_source is SignalSource.TRADING_SERVICE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MARKET_SOURCE", "simulated"),
        ("TRADING_SERVICE_URL", ""),
        ("TRADING_SERVICE_VERSION", "v1"),
        ("TRADING_SERVICE_VERSION", "v2"),
        ("TRADING_SERVICE_VERSION", "auto"),
    ],
)
def test_signals_of_trading_service_without_who_makes_them_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for setting, given in (HEARING | {name: value}).items():
        monkeypatch.setenv(setting, given)
    told = refusal()
    assert name in told
    assert "SIGNAL_SOURCE" in told


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_SYMBOLS", "BTC, ETH/USD,BTC-PERP")
    monkeypatch.setenv("REPLAY_FILES", "BTC=/data/a=b.csv, ETH=b.parquet,")
    settings = read_settings()
    assert settings.market_symbols == ("BTC", "ETH/USD", "BTC-PERP")
    assert settings.replay_files == {"BTC": Path("/data/a=b.csv"), "ETH": Path("b.parquet")}


def test_the_start_of_a_replay_is_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLAY_START", "2021-01-01T02:00:00+02:00")
    assert read_settings().replay_start == datetime(2021, 1, 1, tzinfo=UTC)


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTS", "none of ours")
    assert read_settings() == Settings()


def test_settings_do_not_change_after_the_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings().port = 1


def test_the_table_has_a_row_for_every_variable_with_its_default_and_range() -> None:
    rows = {line.split("`")[1]: line for line in settings_table().splitlines()[2:]}
    assert set(rows) == NAMES
    assert "| `8001` |" in rows["PORT"]
    assert "| `true` |" in rows["AB_TESTING_ENABLED"]
    assert "| `BTC,ETH,SOL` |" in rows["MARKET_SYMBOLS"]
    assert "| `info` |" in rows["LOG_LEVEL"]
    assert "| unset |" in rows["REPLAY_FILES"]
    assert "| unset |" in rows["TRADING_SERVICE_URL"]
    for name, (_, _, told) in RANGES.items():
        assert f"Range: {told}." in rows[name]


def test_a_share_of_users_is_none_or_at_least_one_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RL_TRAFFIC_PERCENTAGE", "0.00009")
    assert "one of the 10,000 buckets" in refusal()
    for value, share in (("0.0001", "0.0001"), ("-0.0", "0.0")):
        monkeypatch.setenv("RL_TRAFFIC_PERCENTAGE", value)
        assert str(read_settings().rl_traffic_percentage) == share
