"""What TradingService's venue takes in each of its ten coins, against USDT."""

from decimal import Decimal

from trading.orders import LotRules


def _rules(lot: str, tick: str) -> LotRules:
    return LotRules(lot=Decimal(lot), tick=Decimal(tick), min_notional=Decimal(10))


# Binance's spot filters LOT_SIZE.stepSize and PRICE_FILTER.tickSize (GET /api/v3/exchangeInfo), or a multiple of them
# where it changed them over time: a multiple is always taken. NOTIONAL.minNotional is 5 today and was 10.
BINANCE_LOTS = {
    "ADA": _rules("0.1", "0.0001"),
    "AVAX": _rules("0.01", "0.01"),
    "BNB": _rules("0.01", "0.1"),
    "BTC": _rules("0.00001", "0.01"),
    "DOGE": _rules("1", "0.00001"),
    "DOT": _rules("0.01", "0.001"),
    "ETH": _rules("0.0001", "0.01"),
    "MATIC": _rules("0.1", "0.0001"),
    "SOL": _rules("0.01", "0.01"),
    "XRP": _rules("1", "0.0001"),
}
