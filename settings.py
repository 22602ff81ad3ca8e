"""Every environment variable once: type, unit, range, default. The only reader of the environment.

Longer than other files: a variable, the words it may say and what it may be set with are read together, and an operator
finds all of them in one place.
"""

import re
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from trading.agents import ExecutionMode
from trading.errors import InvalidSetting

SYMBOL_PATTERN = r"[A-Z0-9][A-Z0-9._/-]{0,31}"
HTTP_URL_PATTERN = r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^\s@]*)?"

REDIS_URL_PATTERN = r"rediss?://([^\s@/]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[0-9]*)?"

# A common spot taker fee: of paper fills, and of live ones whose fee nobody told.
FEE_BPS = 10.0


class LogLevel(StrEnum):
    """How much the service logs."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class MarketSource(StrEnum):
    """Where bars come from."""

    SIMULATED = "simulated"
    REPLAY = "replay"
    LIVE = "live"


class TradingVersion(StrEnum):
    """Which TradingService answers at TRADING_SERVICE_URL; `auto` finds out."""

    AUTO = "auto"
    V1 = "v1"
    V1M = "v1m"
    V2 = "v2"


class SignalSource(StrEnum):
    """Where the signals come from that acting agents decide on."""

    GENERATED = "generated"
    TRADING_SERVICE = "trading_service"


class AggregatorVersion(StrEnum):
    """Which DataAggregator answers at DATA_AGGREGATOR_URL; `auto` finds out."""

    AUTO = "auto"
    V1 = "v1"
    V1M = "v1m"


class ReplayVolume(StrEnum):
    """What a single volume column counts; no file can tell."""

    BASE = "base"
    QUOTE = "quote"


class Placement(StrEnum):
    """Where the policy and the rule run: in each worker, or behind BentoML runner processes."""

    INLINE = "inline"
    PROCESS = "process"


def _http_url(value: str | None) -> str | None:
    # A port above 65535 and a malformed IPv6 address are the ValueErrors of urlsplit.
    if value is not None and (not re.fullmatch(HTTP_URL_PATTERN, value) or urlsplit(value).port == 0):
        raise ValueError("must be an http:// or https:// URL with a host, without credentials")
    return value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _ip_address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address, like 127.0.0.1 or 0.0.0.0") from None


def _redis_url(value: SecretStr | None) -> SecretStr | None:
    # The pattern comes first: what urlsplit says of a bad port repeats it.
    url = "" if value is None else value.get_secret_value()
    if value is not None and (not re.fullmatch(REDIS_URL_PATTERN, url) or urlsplit(url).port == 0):
        raise ValueError("must look like redis://:password@host:6379/0")
    return value


HttpUrl = Annotated[str | None, AfterValidator(_http_url)]


class Settings(BaseSettings):
    """The knobs. A value outside its range stops the start."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    host: Annotated[str, AfterValidator(_ip_address)] = Field(
        "0.0.0.0",  # noqa: S104 - containers publish it
        description="IP address to listen on; `make serve` sets 127.0.0.1.",
    )
    port: int = Field(8001, ge=1, le=65535, description="TCP port.")
    workers: int = Field(2, ge=1, le=64, description="Worker processes.")
    log_level: Annotated[LogLevel, BeforeValidator(_lower)] = Field(
        LogLevel.INFO, description="debug, info, warning or error."
    )
    debug: bool = Field(False, description="True logs at debug level whatever LOG_LEVEL says.")
    data_dir: Path = Field(Path(".data"), description="Folder for what must outlive a process.")
    database_url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:5432/database; unset: an SQLite file in DATA_DIR."
    )
    redis_url: Annotated[SecretStr | None, AfterValidator(_redis_url)] = Field(
        None, description="redis://:password@host:6379/0, for speed and for pushes between replicas; unset: neither."
    )
    journal_retention_days: int = Field(
        30, ge=1, le=3650, description="Days that decisions (their counts stay), ended orders and keyed answers stay."
    )
    result_retention_hours: int = Field(
        24, ge=24, le=8760, description="Hours that finished asynchronous predictions are kept."
    )

    market_source: MarketSource = Field(
        MarketSource.SIMULATED, description="simulated, replay, or live (from DATA_AGGREGATOR_URL)."
    )
    market_symbols: Annotated[tuple[str, ...], NoDecode] = Field(
        ("BTC", "ETH", "SOL"), description="Symbols of the simulated or live market, comma separated."
    )
    market_timeframe_s: int = Field(
        3600,
        ge=60,
        le=86400,
        description="Length of a simulated or live bar, seconds: whole minutes that divide a day.",
    )
    market_speed: float = Field(
        1.0, ge=0.001, le=100_000, description="Market seconds per wall second; a live market has 1."
    )
    market_seed: int = Field(7, ge=0, le=2**32 - 1, description="Seed of the simulated market.")
    replay_files: Annotated[dict[str, Path], NoDecode] = Field(
        default_factory=dict, description="SYMBOL=FILE, comma separated: OHLCV files (CSV or parquet) to replay."
    )
    replay_start: AwareDatetime | None = Field(
        None, description="Market time at which a replay starts, ISO-8601 with offset; unset: once a warm-up is closed."
    )
    replay_volume: ReplayVolume = Field(
        ReplayVolume.BASE, description="What a file with one volume column counts: base or quote units."
    )

    rl_model: str = Field("ensemble-btc-1h", description="NAME or NAME:VERSION of the default bundle.")
    rl_models_path: Path | None = Field(None, description="Folder of bundles, searched before the model store.")
    bentoml_home: Path = Field(Path("~/bentoml"), description="Folder of BentoML's model store.")
    bento_path: Path | None = Field(None, description="Folder of the Bento whose models count too; its image sets it.")
    placement: Placement = Field(Placement.INLINE, description="inline or process.")
    fallback_exposure: float = Field(1.0, gt=0, le=1, description="Target exposure of a fallback BUY.")

    ab_testing_enabled: bool = Field(True, description="False gives everybody the fallback.")
    rl_traffic_percentage: float = Field(0.1, ge=0, le=1, description="Share of users in the RL arm, 0..1.")

    experiment_tick_seconds: float = Field(
        10.0, ge=1, le=3600, description="Pause between two looks at the experiment, by one worker for all."
    )

    prediction_timeout_seconds: float = Field(5.0, gt=0, le=30, description="Deadline of a prediction.")
    max_concurrent_requests: int = Field(100, ge=1, le=10_000, description="Requests at once in one worker.")
    max_queue_size: int = Field(1000, ge=1, le=100_000, description="Asynchronous predictions that may wait.")
    max_sockets: int = Field(1000, ge=1, le=10_000, description="Open WebSockets in one worker.")
    shutdown_grace_seconds: float = Field(
        20.0, ge=3, le=300, description="Time that requests under way have to end after SIGTERM."
    )
    cache_ttl_seconds: float = Field(30.0, gt=0, le=3600, description="Life of a cached advice in process placement.")
    signal_max_age_seconds: float = Field(60.0, gt=0, le=86400, description="Age over which a signal may not trade.")
    signal_source: Annotated[SignalSource, BeforeValidator(_lower)] = Field(
        SignalSource.GENERATED,
        description="Signals of acting agents: generated from the bars, or trading_service (those of its v1m).",
    )
    max_price_gap: float = Field(
        0.05, gt=0, le=1, description="Distance of a caller's price from the last close that blocks, a fraction."
    )

    execution_mode: Annotated[ExecutionMode, BeforeValidator(_lower)] = Field(
        ExecutionMode.PAPER, description="The highest mode an agent may have: off, paper or live."
    )

    order_ttl_seconds: float = Field(5.0, gt=0, le=60, description="A decision that is older orders nothing any more.")
    order_dead_band: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Change of exposure too small for an order, a share of the symbol's capital.",
    )
    paper_fee_bps: float = Field(FEE_BPS, ge=0, le=1000, description="Fee of a paper fill, basis points.")
    paper_spread_bps: float = Field(2.0, ge=0, le=1000, description="Spread around the close in paper fills.")
    paper_participation: float = Field(
        0.1, gt=0, le=1, description="Share of a bar's volume that a paper order may fill; the rest waits."
    )

    assumed_fee_bps: float = Field(
        FEE_BPS,
        ge=0,
        le=1000,
        description="Fee, basis points, that the daily loss limit counts where the venue tells none; never shown.",
    )
    trading_service_url: HttpUrl = Field(None, description="TradingService, which live orders go to.")
    trading_service_version: Annotated[TradingVersion, BeforeValidator(_lower)] = Field(
        TradingVersion.AUTO, description="auto, v1 (read only), v1m or v2."
    )
    trading_jwt_secret_file: Path | None = Field(
        None, description="File with the secret that TradingService v2 checks tokens with."
    )
    trading_account_user: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="User whose positions at TradingService v2 are the account's; unset: they are not compared.",
    )
    trading_lists_client_ids: bool = Field(
        False,
        description="True when the venue's order list shows client order ids: lost orders are then found.",
    )
    data_aggregator_url: HttpUrl = Field(None, description="DataAggregator, which a live market comes from.")
    data_aggregator_version: Annotated[AggregatorVersion, BeforeValidator(_lower)] = Field(
        AggregatorVersion.AUTO, description="auto, v1 or v1m."
    )
    adaptive_threshold_url: HttpUrl = Field(
        None, description="AdaptiveThreshold service, which users' thresholds come from."
    )

    @field_validator("market_timeframe_s")
    @classmethod
    def _fit_a_day(cls, value: int) -> int:
        if value % 60 or 86_400 % value:
            raise ValueError("must be whole minutes that divide a day")
        return value

    @field_validator("rl_traffic_percentage")
    @classmethod
    def _split_by_buckets(cls, value: float) -> float:
        if 0.0 < value < 0.0001:
            raise ValueError("must be 0 or at least 0.0001, one of the 10,000 buckets of users")
        # A zero has no sign: as a share it would be another one.
        return value + 0.0

    @field_validator("market_symbols", mode="before")
    @classmethod
    def _split_symbols(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("replay_files", mode="before")
    @classmethod
    def _split_files(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        if any(not equals or not path for _, equals, path in pairs):
            raise ValueError("must be SYMBOL=FILE, comma separated")
        if len({symbol for symbol, _, _ in pairs}) != len(pairs):
            raise ValueError("names a symbol twice")
        return {symbol: Path(path) for symbol, _, path in pairs}

    @field_validator("market_symbols", "replay_files")
    @classmethod
    def _spell_symbols(cls, value: Any, info: ValidationInfo) -> Any:
        for place, symbol in enumerate(value, start=1):
            if not re.fullmatch(SYMBOL_PATTERN, symbol):
                raise ValueError(f"symbol {place} is none: it must match {SYMBOL_PATTERN}")
        if info.field_name == "market_symbols" and len(set(value)) != len(value):
            raise ValueError("names a symbol twice")
        return value

    @model_validator(mode="after")
    def _markets_need_sources(self) -> "Settings":
        if self.market_source is MarketSource.REPLAY and not self.replay_files:
            raise ValueError("REPLAY_FILES must name at least one SYMBOL=FILE when MARKET_SOURCE is replay")
        if self.market_source is MarketSource.LIVE and self.data_aggregator_url is None:
            raise ValueError("DATA_AGGREGATOR_URL must be set when MARKET_SOURCE is live")
        return self

    @model_validator(mode="after")
    def _live_needs_a_venue(self) -> "Settings":
        if self.execution_mode is not ExecutionMode.LIVE:
            return self
        if self.market_source is not MarketSource.LIVE:
            raise ValueError("EXECUTION_MODE live needs MARKET_SOURCE live")
        if self.trading_service_url is None:
            raise ValueError("TRADING_SERVICE_URL must be set when EXECUTION_MODE is live")
        if self.trading_service_version is TradingVersion.V1:
            raise ValueError("TRADING_SERVICE_VERSION v1 places no orders: EXECUTION_MODE live needs v1m or v2")
        if self.trading_service_version is TradingVersion.V2 and self.trading_jwt_secret_file is None:
            raise ValueError("TRADING_JWT_SECRET_FILE must be set for TRADING_SERVICE_VERSION v2")
        return self

    @model_validator(mode="after")
    def _signals_need_who_makes_them(self) -> "Settings":
        if self.signal_source is not SignalSource.TRADING_SERVICE:
            return self
        if self.market_source is not MarketSource.LIVE:
            raise ValueError("SIGNAL_SOURCE trading_service needs MARKET_SOURCE live")
        if self.trading_service_url is None:
            raise ValueError("TRADING_SERVICE_URL must be set when SIGNAL_SOURCE is trading_service")
        if self.trading_service_version is not TradingVersion.V1M:
            raise ValueError("TRADING_SERVICE_VERSION must be v1m when SIGNAL_SOURCE is trading_service")
        return self


def read_settings() -> Settings:
    """The settings from the environment. Raises InvalidSetting naming each bad variable, its fault and its range."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [_explain(item["loc"], item["msg"]) for item in error.errors(include_url=False, include_input=False)]
        raise InvalidSetting("\n".join(lines)) from None


def _explain(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    name = str(location[0])
    return f"{name.upper()}: {message}. {Settings.model_fields[name].description}{_range(name)}"


def _range(name: str) -> str:
    bounds = []
    for rule in Settings.model_fields[name].metadata:
        for word, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
            if (bound := getattr(rule, word, None)) is not None:
                bounds.append(f"{sign} {bound}")
    return f" Range: {' and '.join(bounds)}." if bounds else ""


def settings_table() -> str:
    """Every variable with its default, range and meaning, as a Markdown table."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        rows.append(f"| `{name.upper()}` | {_spell(default)} | {field.description}{_range(name)} |")
    return "\n".join(rows)


def _spell(default: object) -> str:
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    if default is None or default == {}:
        return "unset"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"
