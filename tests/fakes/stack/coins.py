"""Which ten coins the fake services know, and how each of them is spelt."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """A coin at its venue: CoinGecko's id, its usual price and its usual quote volume of a day, both in USD."""

    gecko_id: str
    price: float
    daily_volume: float


COINS = {
    "BTC": Coin(gecko_id="bitcoin", price=60_000.0, daily_volume=4e9),
    "ETH": Coin(gecko_id="ethereum", price=3_000.0, daily_volume=2e9),
    "BNB": Coin(gecko_id="binancecoin", price=550.0, daily_volume=1.4e9),
    "SOL": Coin(gecko_id="solana", price=150.0, daily_volume=1.2e9),
    "XRP": Coin(gecko_id="ripple", price=0.6, daily_volume=1.3e9),
    "ADA": Coin(gecko_id="cardano", price=0.45, daily_volume=4e8),
    "DOGE": Coin(gecko_id="dogecoin", price=0.12, daily_volume=9e8),
    "AVAX": Coin(gecko_id="avalanche-2", price=28.0, daily_volume=5e8),
    "DOT": Coin(gecko_id="polkadot", price=6.0, daily_volume=2e8),
    "MATIC": Coin(gecko_id="matic-network", price=0.55, daily_volume=3e8),
}
# TradingService V2 takes each of them plain, against USD and against USDT.
WHITELIST = {coin + quote: coin for coin in COINS for quote in ("", "USD", "USDT")}
# Binance lists them against USDT.
BINANCE = {coin + "USDT": coin for coin in COINS}
