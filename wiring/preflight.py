"""What has to be right before a worker starts, checked once; every refusal says what to change."""

import logging

from settings import Settings
from trading.errors import OperatorNeeded
from wiring.markets import market_notes, open_market
from wiring.models import follow_models, require_timeframe

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
    require_timeframe(follow_models(settings, answers_here=True).current, market)
