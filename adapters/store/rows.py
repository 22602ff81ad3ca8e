"""Many rows in one parameter: a JSON list that a statement reads as a table.

One statement a batch: sqlite3 lets go of the interpreter's lock once a statement, and getting it back from a busy event
loop costs up to 5 ms each time.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Text, bindparam, cast, column, func, select
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import TypeEngine

# The parameter that takes `rows_text`.
ROWS = "rows"


def row_table(dialect: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """A table of the rows in the parameter ROWS, with these columns. `dialect` is sqlite or postgresql."""
    if dialect == "postgresql":
        # The parameter is text already: as JSON it would be encoded once more.
        given = func.json_to_recordset(cast(bindparam(ROWS, type_=Text()), JSON()))
        return given.table_valued(*[column(name, kind) for name, kind in columns.items()]).render_derived(
            name="given", with_types=True
        )
    each = func.json_each(bindparam(ROWS, type_=Text())).table_valued("value", name="each_row")
    fields = [func.json_extract(each.c.value, f"$.{name}", type_=kind).label(name) for name, kind in columns.items()]
    return select(*fields).subquery("given")


def rows_text(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as the parameter takes them."""
    return json.dumps(rows, separators=(",", ":"))
