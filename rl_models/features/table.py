"""Every feature a schema may name, with its parameters and where its value comes from."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from rl_models.features import indicators
from rl_models.features.indicators import Indicator
from rl_models.features.memory import DAY_S
from trading.vocabulary import Action, Reading

Kind = Literal["market", "signal", "position"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One number a feature takes, with its allowed range (both ends included)."""

    lowest: float
    highest: float
    whole: bool = True

    def check(self, value: object) -> float:
        """The value as an int when `whole`, else as a float. Raises ValueError when it is not a number in the range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{value!r} is not a number")
        if not self.lowest <= value <= self.highest:
            raise ValueError(f"{value!r} is outside {self.lowest:g}..{self.highest:g}")
        if self.whole and value != int(value):
            raise ValueError(f"{value!r} is not a whole number")
        return int(value) if self.whole else float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFeature:
    """A figure of the closed bars. `open` takes the parameters by name and gives a fresh indicator."""

    kind: ClassVar[Kind] = "market"
    open: Callable[..., Indicator]
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFeature:
    """A figure of the caller's signal."""

    kind: ClassVar[Kind] = "signal"
    read: Callable[[Reading], float]
    parameters: Mapping[str, Parameter]


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFeature:
    """A figure of the position. `open` takes the parameters and gives a function of (exposure, close)."""

    kind: ClassVar[Kind] = "position"
    open: Callable[..., Callable[[float, float], float]]
    parameters: Mapping[str, Parameter]


Feature = MarketFeature | SignalFeature | PositionFeature

_LONGEST = 5_000
_FROM_1 = {"n": Parameter(lowest=1, highest=_LONGEST)}
_FROM_2 = {"n": Parameter(lowest=2, highest=_LONGEST)}
_BANDS = _FROM_2 | {"k": Parameter(lowest=0.1, highest=10.0, whole=False)}
_MACD = {
    "fast": Parameter(lowest=2, highest=_LONGEST),
    "slow": Parameter(lowest=2, highest=_LONGEST),
    "signal": Parameter(lowest=1, highest=_LONGEST),
}
_CAPITAL = {"capital": Parameter(lowest=1e-6, highest=1e15, whole=False)}
_SIDES = {Action.SELL: -1.0, Action.HOLD: 0.0, Action.BUY: 1.0}


def _market(open_indicator: Callable[..., Indicator], parameters: Mapping[str, Parameter] | None = None) -> Feature:
    return MarketFeature(open=open_indicator, parameters=parameters or {})


def _bar(read: Indicator) -> Feature:
    return MarketFeature(open=lambda: read, parameters={})


def _signal(read: Callable[[Reading], float]) -> Feature:
    return SignalFeature(read=read, parameters={})


def _day_angle(open_time_s: int) -> float:
    return 2.0 * math.pi * (open_time_s % DAY_S) / DAY_S


def _week_angle(open_time_s: int) -> float:
    # 1970-01-01 was a Thursday; Monday is 0.
    return 2.0 * math.pi * ((open_time_s // DAY_S + 3) % 7) / 7.0


FEATURES: dict[str, Feature] = {
    # Free of the price's unit.
    "log_return": _market(indicators.log_return, _FROM_1),
    "pct_change": _market(indicators.pct_change, _FROM_1),
    "rsi": _market(indicators.rsi, _FROM_2),
    "atr_pct": _market(indicators.atr_pct, _FROM_1),
    "macd_hist_pct": _market(indicators.macd_hist_pct, _MACD),
    "bb_position": _market(indicators.bb_position, _BANDS),
    "sma_ratio": _market(indicators.sma_ratio, _FROM_2),
    "ema_ratio": _market(indicators.ema_ratio, _FROM_2),
    "volatility": _market(indicators.volatility, _FROM_2),
    "volume_ratio": _market(indicators.volume_ratio, _FROM_2),
    "volume_max_ratio": _market(indicators.volume_max_ratio, _FROM_2),
    "change_24h": _market(indicators.change_24h),
    "quote_volume_24h_log": _market(indicators.quote_volume_24h_log),
    "cci": _market(indicators.cci, _FROM_2),
    "dx": _market(indicators.dx, _FROM_2),
    "dx_ema": _market(indicators.dx_ema, _FROM_2),
    "adx": _market(indicators.adx, _FROM_2),
    "open_ratio": _bar(lambda bar: bar.open / bar.close),
    "high_ratio": _bar(lambda bar: bar.high / bar.close),
    "low_ratio": _bar(lambda bar: bar.low / bar.close),
    # Time of the bar's opening, UTC.
    "hour_sin": _bar(lambda bar: math.sin(_day_angle(bar.open_time_s))),
    "hour_cos": _bar(lambda bar: math.cos(_day_angle(bar.open_time_s))),
    "weekday_sin": _bar(lambda bar: math.sin(_week_angle(bar.open_time_s))),
    "weekday_cos": _bar(lambda bar: math.cos(_week_angle(bar.open_time_s))),
    # In quote currency or base units, for imported policies that were trained on them.
    "open": _bar(lambda bar: bar.open),
    "high": _bar(lambda bar: bar.high),
    "low": _bar(lambda bar: bar.low),
    "close": _bar(lambda bar: bar.close),
    "volume": _bar(lambda bar: bar.volume_base),
    "volume_quote": _bar(lambda bar: bar.volume_quote),
    "price_diff": _market(indicators.price_diff),
    "sma": _market(indicators.sma, _FROM_2),
    "ema": _market(indicators.ema, _FROM_2),
    "macd": _market(indicators.macd, _MACD),
    "boll_ub": _market(indicators.boll_ub, _BANDS),
    "boll_lb": _market(indicators.boll_lb, _BANDS),
    # From the caller's signal, in the units of Reading; the action as -1 SELL, 0 HOLD, 1 BUY.
    "signal_confidence": _signal(lambda reading: reading.confidence),
    "signal_rsi": _signal(lambda reading: reading.rsi),
    "signal_change_percent": _signal(lambda reading: reading.change_percent),
    "signal_log_volume": _signal(lambda reading: math.log1p(reading.volume_usd)),
    "signal_action": _signal(lambda reading: _SIDES[reading.action]),
    # The position as a share of the capital; cash and shares as in an account worth `capital` with that exposure.
    "position_exposure": PositionFeature(open=lambda: lambda exposure, close: exposure, parameters={}),
    "position_cash": PositionFeature(
        open=lambda capital: lambda exposure, close: capital * (1.0 - exposure), parameters=_CAPITAL
    ),
    "position_shares": PositionFeature(
        open=lambda capital: lambda exposure, close: capital * exposure / close, parameters=_CAPITAL
    ),
}
