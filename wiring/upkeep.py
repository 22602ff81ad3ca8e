"""How long what is stored is kept, as the settings say."""

import logging
import time

from adapters.store import retention
from adapters.store.engine import Store
from adapters.store.retention import Keep
from settings import Settings

HOUR_S, DAY_S = 3600.0, 86_400.0

log = logging.getLogger("rl_service.worker")


async def sweep_old(settings: Settings, store: Store) -> None:
    """End what was kept long enough. Raises StoreUnavailable."""
    decisions_s = settings.journal_retention_days * DAY_S
    # The id of a keyed decision is made of its key: a key may be new again only when its decision is gone.
    keep = Keep(
        decisions_s=decisions_s,
        results_s=settings.result_retention_hours * HOUR_S,
        answers_s=decisions_s + DAY_S,
    )
    swept = await retention.sweep(store, keep, now_s=time.time())
    log.info("kept long enough: %s", swept)
