"""What an operator chooses while the service runs, one JSON value a name; the active model is one."""

import json

from sqlalchemy import select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.tables import choices
from adapters.store.upsert import insert_or_replace
from adapters.store.versions import next_version, wait_for_turn

ACTIVE_MODEL = "active_model"


def choose(name: str, value_json: str) -> Work[int]:
    """Write: from now on the value of `name`; the version of this change."""

    async def work(connection: StoreConnection) -> int:
        await wait_for_turn(connection)
        version = await next_version(connection)
        values = {"name": name, "value": value_json, "version": version}
        await insert_or_replace(connection, choices, values, key="name")
        return version

    return work


def choice(name: str) -> Work[str | None]:
    """Read: the JSON value of `name`; None when nothing was ever chosen."""

    async def work(connection: StoreConnection) -> str | None:
        statement = select(choices.c.value).where(choices.c.name == name)
        return (await connection.execute(statement)).scalar_one_or_none()

    return work


def active_model_text(model: str) -> str:
    """NAME:VERSION as the value of ACTIVE_MODEL."""
    return json.dumps(model)


def active_model_from(value_json: str | None) -> str | None:
    """NAME:VERSION, or None when nothing was ever activated. Raises ValueError for a value that says neither."""
    if value_json is None:
        return None
    try:
        model = json.loads(value_json)
    except (ValueError, RecursionError):
        model = None
    if not isinstance(model, str):
        raise ValueError("the record of the active model is damaged: activate a bundle again")
    return model
