"""How an agent decides: as it is asked for, and as it is shown."""

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from schemas.words import Amount, Symbol, Timeframe, WireRequest, spell_timeframe, to_timeframe_s
from trading.agents import ENSEMBLE, AgentConfig, AgentLimits, ExecutionMode


class AgentLimitsBody(WireRequest):
    """Bounds on the orders of one agent; what is not given has no bound of its own."""

    max_notional_usd: Amount | None = Field(None, description="Value of one order, USD.")
    max_orders_per_minute: int | None = Field(None, ge=1, le=10_000)
    max_open_orders: int | None = Field(None, ge=1, le=10_000)
    max_daily_loss_usd: Amount | None = None


class AgentConfigBody(WireRequest):
    """How an agent decides."""

    model_type: str = Field(
        ENSEMBLE,
        max_length=127,
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}(:[a-z0-9][a-z0-9._-]{0,62})?$",
        description="ensemble, or the NAME or NAME:VERSION of a bundle.",
    )
    confidence_threshold: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="What a risk-increasing decision of the policy needs."
    )
    symbols: tuple[Symbol, ...] | None = Field(
        None, min_length=1, max_length=1000, description="Those it may trade; every symbol when not given."
    )
    watchlist: tuple[Symbol, ...] | None = Field(
        None, min_length=1, max_length=1000, description="Another name for symbols."
    )
    timeframe: Timeframe | None = Field(None, description="Length of its bars; the market's when not given.")
    execution: ExecutionMode | None = Field(
        None, strict=False, description="off, paper or live; paper when not given, as far as EXECUTION_MODE allows it."
    )
    capital_usd: Amount | None = Field(None, description="Split over its symbols.")
    limits: AgentLimitsBody = AgentLimitsBody()

    @model_validator(mode="after")
    def _each_symbol_once(self) -> "AgentConfigBody":
        if self.symbols is not None and self.watchlist is not None:
            raise ValueError("symbols and watchlist mean the same: give one of them")
        named = self.symbols or self.watchlist or ()
        if len(set(named)) != len(named):
            raise ValueError("names a symbol twice")
        return self


class AgentLimitsView(TypedDict):
    """Bounds on the orders of one agent; null is none."""

    max_notional_usd: float | None
    max_orders_per_minute: int | None
    max_open_orders: int | None
    max_daily_loss_usd: float | None


class AgentConfigView(TypedDict):
    """How an agent decides. No `symbols` are every symbol."""

    model_type: str
    confidence_threshold: float | None
    symbols: list[str]
    timeframe: str
    execution: ExecutionMode
    capital_usd: float | None
    limits: AgentLimitsView


def to_config(body: AgentConfigBody, *, timeframe_s: int, execution: ExecutionMode) -> AgentConfig:
    """A configuration in our own words; the last two stand where the caller said nothing (seconds)."""
    limits = body.limits
    return AgentConfig(
        model_type=body.model_type,
        confidence_threshold=body.confidence_threshold,
        symbols=tuple(sorted(body.symbols or body.watchlist or ())),
        timeframe_s=timeframe_s if body.timeframe is None else to_timeframe_s(body.timeframe),
        execution=execution if body.execution is None else body.execution,
        capital_usd=body.capital_usd,
        limits=AgentLimits(
            max_notional_usd=limits.max_notional_usd,
            max_orders_per_minute=limits.max_orders_per_minute,
            max_open_orders=limits.max_open_orders,
            max_daily_loss_usd=limits.max_daily_loss_usd,
        ),
    )


def from_config(config: AgentConfig) -> AgentConfigView:
    """A configuration as the wire shows it."""
    limits = config.limits
    return {
        "model_type": config.model_type,
        "confidence_threshold": config.confidence_threshold,
        "symbols": list(config.symbols),
        "timeframe": spell_timeframe(config.timeframe_s),
        "execution": config.execution,
        "capital_usd": config.capital_usd,
        "limits": {
            "max_notional_usd": limits.max_notional_usd,
            "max_orders_per_minute": limits.max_orders_per_minute,
            "max_open_orders": limits.max_open_orders,
            "max_daily_loss_usd": limits.max_daily_loss_usd,
        },
    }
