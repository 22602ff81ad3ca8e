"""What of a fake service can be changed while it runs?"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

# Most requests, in how many seconds.
Limit = tuple[int, float]


def _limits() -> dict[str, Limit]:
    return {"all": (100, 900.0), "orders": (10, 60.0), "trading": (30, 60.0), "market": (60, 60.0), "bot": (5, 60.0)}


@dataclass(slots=True)
class Terms:
    """Every one can be set by `POST /_control/terms`; times in seconds.

    Orders: `fills` is whole | halves | none; the second half comes `rest_after_s` after the first, None: when told.
    A booked order is listed from `lookup_lag_s` on; `listing_limit` is the most that are listed, newest first.
    `cancels_rest`: what an order that is immediate-or-cancel does not fill at once is canceled, not left open.
    `refusal` is what the venue says to every order: `{"message": ..., "code": ...}`. `prices` in USD by coin stand in
    for those of the candles. `needs_session`: V1m refuses orders while its session is stopped.
    `market_price_zero`: V1m answers a market order with Binance's own price field, zero.

    Market: its clock shows `clock_s` (None: the wall's time) when set and runs `speed` times as fast as the wall's.
    `candles` says how klines lie: see candles.LIES. With `binance_up` false there is no market behind the service;
    `coingecko_up` gives V1 its second source.

    `limits` by kind as (most, seconds), those of TradingService V2, per address; `threshold_limit` that of
    AdaptiveThreshold. `mounted` false is V2 as committed: no route at all.
    """

    fills: str = "whole"
    rest_after_s: float | None = None
    lookup_lag_s: float = 0.0
    listing_limit: int | None = None
    dedupes: bool = False
    cancels_rest: bool = False
    lists_client_ids: bool = False
    refusal: dict[str, Any] | None = None
    prices: dict[str, str] = field(default_factory=dict)
    needs_session: bool = False
    market_price_zero: bool = False
    engine_positions: list[dict[str, Any]] = field(default_factory=list)
    engine_orders: list[dict[str, Any]] = field(default_factory=list)
    signal_source: str = "technical_analysis"
    clock_s: float | None = None
    speed: float = 1.0
    candles: str = "true"
    binance_up: bool = True
    coingecko_up: bool = False
    mounted: bool = True
    jwt_secret: str = "the secret of the fake stack"  # noqa: S105 - of a fake on loopback
    limits: dict[str, Limit] = field(default_factory=_limits)
    threshold_limit: Limit = (60, 60.0)
    threshold_retry_after: bool = True
    thresholds: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    def change(self, changes: dict[str, Any]) -> None:
        """Set what is named; raises KeyError for a name that is none of ours."""
        known = {each.name for each in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise KeyError(name)
            setattr(self, name, getattr(self, name) | value if name == "limits" else value)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
