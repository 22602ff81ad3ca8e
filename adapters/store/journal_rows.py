"""How a batch of decisions enters the store: in two parameters of one statement, each decision once.

The exposures in it follow at the end of the transaction, see exposure_rows.py.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pydantic_core import from_json, to_json
from sqlalchemy import text

from adapters.store import activity, exposure_rows
from adapters.store.connections import StoreConnection
from adapters.store.decision_columns import COLUMNS, EXPOSURE, FIRST, LONG
from trading.vocabulary import Decision


class Entry(NamedTuple):
    """A decision and when it was made (wall time, Unix seconds)."""

    decision: Decision
    decided_at_s: float


class ToRow(Protocol):
    """Makes the columns of a decision's row, `document` as a JSON-able object: see records.to_row."""

    def __call__(self, decision: Decision, *, decided_at_s: float) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some rows. `rows` is a JSON list of lists: the columns, where in `documents` that of the row is, its exposure.

    The databases cut a document out where it stands. As a part of the JSON each would be read letter by letter, which
    takes as long as all the rest.
    """

    rows: str
    documents: bytes

    def to_bytes(self) -> bytes:
        """For the disk."""
        rows = self.rows.encode()
        return _LENGTH.pack(len(rows)) + rows + self.documents

    def split(self) -> "tuple[Batch, Batch] | None":
        """The two halves; None of a single row."""
        rows = from_json(self.rows)
        if len(rows) < 2:
            return None
        middle = len(rows) // 2
        cut = rows[middle][FIRST] - 1
        for row in rows[middle:]:
            row[FIRST] -= cut
        return (
            Batch(rows=_json(rows[:middle]).decode(), documents=self.documents[:cut]),
            Batch(rows=_json(rows[middle:]).decode(), documents=self.documents[cut:]),
        )

    @classmethod
    def from_bytes(cls, kept: bytes) -> "Batch":
        """What `to_bytes` made of it."""
        (length,) = _LENGTH.unpack_from(kept)
        end = _LENGTH.size + length
        return cls(rows=kept[_LENGTH.size : end].decode(), documents=kept[end:])


_LENGTH = struct.Struct(">I")


def encode(entries: Sequence[Entry], to_row: ToRow, *, after_bytes: int = 0) -> Batch:
    """The rows of some decisions; their documents will stand after `after_bytes` of others."""
    rows: list[list[Any]] = []
    documents: list[bytes] = []
    last: dict[tuple[object, ...], list[Any]] = {}
    first = after_bytes + 1  # as SQL counts
    for entry in entries:
        row = to_row(entry.decision, decided_at_s=entry.decided_at_s)
        document = _json(row["document"])
        exposure = exposure_rows.exposed(entry.decision)
        made = [*[row[name] for name in COLUMNS], first, len(document), exposure]
        if exposure is not None:
            _keep_last(last, (row["user_id"], row["symbol"], *exposure[:3]), made)
        rows.append(made)
        documents.append(document)
        first += len(document)
    return Batch(rows=_json(rows).decode(), documents=b"".join(documents))


def _keep_last(last: dict[tuple[object, ...], list[Any]], key: tuple[object, ...], made: list[Any]) -> None:
    # Of the decisions on one bar the last one counts: the others need not be compared with it in SQL.
    earlier = last.setdefault(key, made)
    if earlier is made:
        return
    if _rank(made) > _rank(earlier):
        last[key], earlier[EXPOSURE] = made, None
    else:
        made[EXPOSURE] = None


def _rank(made: list[Any]) -> tuple[bool, float, str]:
    # As in exposure_rows.
    return exposure_rows.in_the_run(made[EXPOSURE]), made[_AT], made[_ID]


_AT, _ID = list(COLUMNS).index("decided_at"), list(COLUMNS).index("id")


def joined(parts: Sequence[Batch]) -> Batch:
    """One batch of several that were encoded to stand one after the other."""
    rows = ",".join(part.rows[1:-1] for part in parts)
    return Batch(rows=f"[{rows}]", documents=b"".join(part.documents for part in parts))


def _json(value: object) -> bytes:
    # A number that is not finite has no JSON; as a word it cannot make the database refuse its whole batch.
    return to_json(value, inf_nan_mode="strings")


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertBatch:
    """Inserts rows and counts them for the agents of their users; a decision that is there already is left alone."""

    batch: Batch

    async def __call__(self, connection: StoreConnection) -> None:
        """Do it in a transaction of the store."""
        exposure_rows.note(connection, self.batch.rows)
        if connection.dialect.name == "postgresql":
            activity.note(connection, (await connection.execute(_INSERT_AND_COUNT, self._parameters)).all())
            return
        inserted = (await connection.execute(_INSERT, self._parameters)).rowcount
        if inserted:
            await connection.execute(_COUNT, {"inserted": inserted})

    @property
    def _parameters(self) -> dict[str, object]:
        return {"rows": self.batch.rows, "documents": self.batch.documents}


# One statement of one step: sqlite3 takes the interpreter's lock back after every step, and against a busy event loop
# that takes up to 5 ms. Each element is kept as it was cut out, or every column would cut it out again. INSERT comes
# first: sqlite3 tells no row count of a statement that begins with WITH.
_INSERT = text(
    f"""
    INSERT INTO decisions ({", ".join(COLUMNS)}, document)
    WITH given(one) AS MATERIALIZED (SELECT value FROM json_each(:rows))
    SELECT {", ".join(f"json_extract(one, '$[{place}]')" for place in range(len(COLUMNS)))},
        CAST(substr(:documents, json_extract(one, '$[{FIRST}]'), json_extract(one, '$[{LONG}]')) AS TEXT)
    FROM given WHERE true
    ON CONFLICT (id) DO NOTHING"""  # noqa: S608 - words of ours only
)
# The transaction holds SQLite's write lock, and rows are numbered one after the other: the last ones are ours.
_COUNT = text(
    activity.add(
        # CROSS: from the decisions to their agents, never the other way round.
        activity.count(
            "FROM decisions CROSS JOIN agents ON agents.user_id = decisions.user_id"
            " WHERE seq > (SELECT max(seq) FROM decisions) - :inserted"
        )
    )
)

_INSERT_AND_COUNT = text(
    f"""
    WITH fresh AS (
        INSERT INTO decisions ({", ".join(COLUMNS)}, document)
        SELECT {", ".join(f"CAST(one ->> {place} AS {kind})" for place, kind in enumerate(COLUMNS.values()))},
            convert_from(substring(
                CAST(:documents AS bytea), CAST(one ->> {FIRST} AS integer), CAST(one ->> {LONG} AS integer)
            ), 'UTF8')
        FROM json_array_elements(CAST(:rows AS json)) AS given(one)
        ON CONFLICT (id) DO NOTHING RETURNING user_id, failed, decided_at
    ) {activity.count("FROM fresh JOIN agents ON agents.user_id = fresh.user_id WHERE true")}"""  # noqa: S608 - words of ours only
)
