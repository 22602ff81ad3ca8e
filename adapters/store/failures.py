"""What an error of a database means: that it is away, or that it refused one statement; and how it is told."""

import sqlite3

from sqlalchemy.exc import DataError, IntegrityError, NotSupportedError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from trading.errors import StoreUnavailable


class RefusedStatement(StoreUnavailable):
    """The database works, and would not do this: the same again would be refused again."""


# What a driver or the pool raises; everything else that flies out of a piece of work is a fault of that work.
DATABASE_ERRORS = (SQLAlchemyError, OSError, TimeoutError)

_REFUSED = (IntegrityError, ProgrammingError, DataError, NotSupportedError)
_REFUSED_BY_SQLITE = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError)
# Of PostgreSQL's error codes, the classes that speak of the statement or its transaction: not supported, cardinality,
# data, integrity, invalid transaction state, rollback for another's sake, syntax, program limit.
# https://www.postgresql.org/docs/15/errcodes-appendix.html
_REFUSED_CLASSES = frozenset({"0A", "21", "22", "23", "25", "40", "42", "54"})
# Of those, what another server, or a while, makes good: only reading is allowed here, idle for too long.
_AWAY_CODES = frozenset({"25006", "25P03"})
# And what may be done when it is tried again: a deadlock, for instance.
_PASSING_CLASSES = frozenset({"25", "40"})


def is_refusal(error: BaseException) -> bool:
    """True when the database understood a statement and would not do it: that says nothing about the next one."""
    cause = getattr(error, "orig", None)
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return str(state) not in _AWAY_CODES and str(state)[:2] in _REFUSED_CLASSES
    if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return True  # Python calls it operational; it is the code for a statement that makes no sense
    # A value that asyncpg cannot encode has no code, and is a ValueError.
    if isinstance(getattr(cause, "__cause__", None), ValueError):
        return True
    return isinstance(error, _REFUSED) or isinstance(cause, _REFUSED_BY_SQLITE)


def unavailable(error: Exception) -> StoreUnavailable:
    """What callers are told of an error of the database: RefusedStatement when trying again is of no use."""
    state = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
    if is_refusal(error) and state[:2] not in _PASSING_CLASSES:
        return RefusedStatement(describe(error))
    return StoreUnavailable(describe(error))


def is_away(error: BaseException) -> bool:
    """True when the database did not answer, or answered that it cannot work now."""
    return isinstance(error, DATABASE_ERRORS) and not is_refusal(error) and not isinstance(error, PoolTimeout)


def describe(error: BaseException) -> str:
    """A database error in one line, without statements or values."""
    cause = getattr(error, "orig", None) or error
    kind = type(getattr(cause, "__cause__", None) or cause).__name__
    text = str(cause).splitlines()[0] if str(cause) else ""
    if is_refusal(error):
        text = text.partition(":")[0]  # the value follows
    # SQLAlchemy's asyncpg errors begin with the class that `kind` names already.
    text = text.removeprefix(f"{type(getattr(cause, '__cause__', None))}: ")
    return f"{kind}: {text}" if text else kind
