"""What has to be right before a worker starts, checked once; every refusal says what to change."""

import logging

from settings import Settings
from trading.errors import BundleRefused, OperatorNeeded
from wiring.markets import market_notes, open_market
from wiring.models import follow_models

log = logging.getLogger("rl_service.preflight")


def preflight(settings: Settings) -> None:
    """Open the market and the active model as a worker will. Raises OperatorNeeded and its kinds."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorNeeded(f"DATA_DIR {settings.data_dir}: {error.strerror}") from error
    market = open_market(settings)
    for note in market_notes(market):
        log.warning("market data: %s", note)
    if market.ended():
        log.warning("this replay has ended; remove %s/market-clock-*.json to start it again", settings.data_dir)
    model = follow_models(settings, answers_here=True).current
    if model.manifest.timeframe_s != market.timeframe_s:
        raise BundleRefused(
            f"RL_MODEL {model.manifest.name} decides on bars of {model.manifest.timeframe_s} s, "
            f"the market has bars of {market.timeframe_s} s (MARKET_TIMEFRAME_S or another file)"
        )
