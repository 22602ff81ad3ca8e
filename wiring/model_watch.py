"""Follows the models while the service runs: what is activated, and what agents name, is verified and then serves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from adapters.store.engine import Store
from adapters.store.terms import save_feature_names
from rl_models.served import ServedModels
from trading.errors import StoreUnavailable
from wiring.models import Model

LOOK_S = 0.25

log = logging.getLogger("rl_service.models")


async def follow(
    models: ServedModels[Model],
    switch: Callable[[], Awaitable[None]],
    store: Store,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Switch whenever other models are to serve; verifying them happens beside the event loop."""
    told: tuple[str | None, Mapping[str, str]] = (None, {})
    unnamed = False
    while True:
        await sleep(LOOK_S)
        if await asyncio.to_thread(models.refresh):
            await switch()
            log.info("serving %s, and for agents %s", models.current.tag, sorted(models.others))
            unnamed = True
        if unnamed:
            with suppress(StoreUnavailable):
                await write_feature_names(models, store)
                unnamed = False
        refused = (models.refusal, models.refusals)
        if refused != told and (models.refusal or models.refusals):
            log.error("%s keeps serving; refused: %s", models.current.tag, refused)
        told = refused


async def write_feature_names(models: ServedModels[Model], store: Store) -> None:
    """Keep the names of every feature that is observed, for those who read the journal. Raises StoreUnavailable."""
    held = (models.current, *models.others.values())
    networks = [network for model in held for network in model.networks]
    for schema in {network.schema for network in networks if network.schema is not None}:
        await store.write(save_feature_names(schema.digest, schema.names))
