"""Schemas for the observations of the environments people train in, to start a schema file from.

After the warm-up every element is what the environment makes it; where it cannot be, the function says so.
"""

import math

from rl_models.features.schema import FeatureSchema, FeatureSpec


def gym_anytrading(window_size: int) -> FeatureSchema:
    """StocksEnv and ForexEnv of gym-anytrading: (close, difference) of the last `window_size` bars, flattened by row.

    https://github.com/AminHP/gym-anytrading/blob/master/gym_anytrading/envs/stocks_env.py
    """
    return FeatureSchema(features=(_spec("close"), _spec("price_diff")), window=window_size)


def gym_trading_env() -> FeatureSchema:
    """The features of Gym-Trading-Env's tutorial on hourly bars and its two default dynamic features, no windows.

    Both dynamic features are the exposure: a position decided here and its real share of the capital are one number. An
    environment made with `windows` repeats them for every bar, which no schema can say: past exposures are not kept.
    https://gym-trading-env.readthedocs.io/en/latest/features.html
    """
    return FeatureSchema(
        features=(
            _spec("feature_close", "pct_change", n=1),
            _spec("feature_open", "open_ratio"),
            _spec("feature_high", "high_ratio"),
            _spec("feature_low", "low_ratio"),
            _spec("feature_volume", "volume_max_ratio", n=7 * 24),
            _spec("last_position", "position_exposure"),
            _spec("real_position", "position_exposure"),
        )
    )


def finrl_single_stock(initial_amount: float) -> FeatureSchema:
    """FinRL's StockTradingEnv with one stock and its default indicators (those of stockstats).

    Cash and shares are those of an account worth `initial_amount` at the present exposure: FinRL's own account grows
    and shrinks as it trades and holds whole shares, and neither is known here. The turbulence index needs many stocks.
    https://github.com/AI4Finance-Foundation/FinRL/blob/master/finrl/meta/env_stock_trading/env_stocktrading.py
    """
    # stockstats takes the sample standard deviation, TA-Lib that of the population.
    deviations = 2.0 * math.sqrt(20 / 19)
    return FeatureSchema(
        features=(
            _spec("cash", "position_cash", capital=initial_amount),
            _spec("close"),
            _spec("shares", "position_shares", capital=initial_amount),
            _spec("macd", fast=12, slow=26, signal=9),
            _spec("boll_ub", n=20, k=deviations),
            _spec("boll_lb", n=20, k=deviations),
            _spec("rsi_30", "rsi", n=30),
            _spec("cci_30", "cci", n=30),
            _spec("dx_30", "dx_ema", n=30),
            _spec("close_30_sma", "sma", n=30),
            _spec("close_60_sma", "sma", n=60),
        )
    )


def _spec(name: str, feature: str | None = None, **params: float) -> FeatureSpec:
    return FeatureSpec(name=name, feature=feature or name, params=params)
