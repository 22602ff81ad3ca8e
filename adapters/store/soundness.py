"""Whether an SQLite file can be trusted, looked at for a bounded time before anything opens it."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from trading.errors import StoreRefused

# Checking reads the whole file: what has not been found by then is not looked for.
BOUND_S = 2.0
# Virtual machine steps between two looks at the clock.
_STEPS = 10_000


def require_sound(file: Path, *, monotonic_s: Callable[[], float] = time.monotonic) -> bool:
    """True when all of the file was checked, False when time ran out. Raises StoreRefused for a damaged file."""
    until_s = monotonic_s() + BOUND_S
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=BOUND_S)
    try:
        connection.set_progress_handler(lambda: monotonic_s() > until_s, _STEPS)
        found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0]).replace("\n", " ")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY):
            return False
        found = str(error)
    finally:
        connection.close()
    if found != "ok":
        raise StoreRefused(f"{file}: {found}; {recovery(file)}")
    return True


def recovery(file: Path) -> str:
    """What an operator can do about a damaged file."""
    return f"move it and its -wal file away, or repair it with `sqlite3 {file} .recover`"
