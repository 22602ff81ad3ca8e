"""How other services spell our symbols: BTC is BTC, BTCUSDT, BTCUSD, BTC/USD or bitcoin there."""

from enum import StrEnum

# Our symbols, with the id CoinGecko has for the coin (https://api.coingecko.com/api/v3/coins/list).
COINS = {
    "ADA": "cardano",
    "ATOM": "cosmos",
    "AVAX": "avalanche-2",
    "BNB": "binancecoin",
    "BTC": "bitcoin",
    "DOGE": "dogecoin",
    "DOT": "polkadot",
    "ETH": "ethereum",
    "LINK": "chainlink",
    "LTC": "litecoin",
    "MATIC": "matic-network",
    "SOL": "solana",
    "UNI": "uniswap",
    "XRP": "ripple",
}


class Spelling(StrEnum):
    """A way to write a coin, by its example."""

    PLAIN = "BTC"
    USDT = "BTCUSDT"
    USD = "BTCUSD"
    SLASH = "BTC/USD"
    NAME = "bitcoin"


def spell(symbol: str, spelling: Spelling) -> str | None:
    """One of our symbols as another service writes it; None for one that is not in the table."""
    name = COINS.get(symbol)
    if name is None:
        return None
    return name if spelling is Spelling.NAME else spelling.value.replace("BTC", symbol)


def understand(spelled: str) -> str | None:
    """Our symbol for a coin in any of the spellings, letter by letter; None for anything else, never a guess."""
    return _SYMBOLS.get(spelled)


_SYMBOLS = {str(spell(symbol, spelling)): symbol for symbol in COINS for spelling in Spelling}
