"""What many decisions share, kept once under its digest: their terms, and the names of their features."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Table, select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.reading import read_value
from adapters.store.tables import feature_schemas, terms
from adapters.store.upsert import insert_new
from trading.errors import StoreRefused
from trading.terms import Terms

# Earlier terms said what split the users; since then it is in the log of the experiment that a decision names.
EXPERIMENT_FIELDS = ("experiment_key", "experiment_salt", "experiment_enabled", "experiment_rl_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a process decided by for as long as it ran like this.

    `market_source` is the market's: a confidence holds only where it was calibrated. `libraries` names what computed
    the scores (versions, processor): elsewhere the last bits of a float may differ.
    """

    terms: Terms
    market_source: str
    libraries: str


def terms_document(circumstances: Circumstances) -> tuple[str, str]:
    """Their digest ("sha256:...") and the JSON it is of; `circumstances_from` reads it back."""
    text = json.dumps(asdict(circumstances), sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest(), text


def circumstances_from(text: str) -> Circumstances:
    """The circumstances of a document. Raises StoreRefused for anything else."""
    try:
        return read_value(Circumstances, json.loads(text, object_hook=_without_experiment))
    except ValueError as error:
        raise StoreRefused(f"the terms of a decision are damaged: {error}") from error


def _without_experiment(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in EXPERIMENT_FIELDS}


def save_terms(digest: str, text: str) -> Work[None]:
    """Keep a document of terms; the same again changes nothing."""
    return _keep(terms, digest=digest, document=text)


def read_terms(digest: str) -> Work[str | None]:
    """The document of terms; None for an unknown digest."""

    async def work(connection: StoreConnection) -> str | None:
        found = await connection.execute(select(terms.c.document).where(terms.c.digest == digest))
        text: str | None = found.scalar_one_or_none()
        return text

    return work


def save_feature_names(digest: str, names: Sequence[str]) -> Work[None]:
    """Keep the names of a schema's features, in the order of its observations; the same again changes nothing."""
    return _keep(feature_schemas, digest=digest, names=json.dumps(list(names)))


def read_feature_names(digest: str) -> Work[tuple[str, ...] | None]:
    """The names of a schema's features; None for an unknown digest."""

    async def work(connection: StoreConnection) -> tuple[str, ...] | None:
        found = await connection.execute(select(feature_schemas.c.names).where(feature_schemas.c.digest == digest))
        text = found.scalar_one_or_none()
        return None if text is None else tuple(json.loads(text))

    return work


def _keep(table: Table, **row: str) -> Work[None]:
    async def work(connection: StoreConnection) -> None:
        await insert_new(connection, table, row)

    return work
