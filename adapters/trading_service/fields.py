"""What a field of a foreign JSON answer holds, as a type of ours; OutcomeUnknown when it holds something else."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from trading.errors import OutcomeUnknown

Fields: TypeAlias = Mapping[str, object]
# Written out in digits, what is beyond that would fill the memory.
MOST_DIGITS = 400
# The year 10000: no calendar goes beyond it.
LAST_S = 253_402_300_800


def fields(value: object, what: str) -> Fields:
    """A JSON object; `what` names it in the error."""
    if isinstance(value, Mapping):
        return value
    raise OutcomeUnknown(f"{what} is no object")


def rows(value: object, what: str) -> Sequence[Fields]:
    """A JSON list of objects."""
    if isinstance(value, list):
        return [fields(row, f"a row of {what}") for row in value]
    raise OutcomeUnknown(f"{what} is no list")


def decimal(row: Fields, name: str) -> Decimal | None:
    """A finite number, written as one or as text; None when it is missing or null."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite() and max(abs(number.adjusted()), abs(_exponent(number))) <= MOST_DIGITS:
            return number
    raise OutcomeUnknown(f"{name} is no number")


def number(row: Fields, name: str) -> float | None:
    """The same as a float."""
    exact = decimal(row, name)
    if exact is None:
        return None
    rounded = float(exact)
    if math.isfinite(rounded):
        return rounded
    raise OutcomeUnknown(f"{name} is too large")


def text(row: Fields, name: str) -> str | None:
    """A text, or a whole number as text (ids are either); None when it is missing, null or empty."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise OutcomeUnknown(f"{name} is no text")


def flag(row: Fields, name: str) -> bool | None:
    """True or false; None when it is missing or null."""
    value = row.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise OutcomeUnknown(f"{name} is neither true nor false")


def time_s(row: Fields, name: str) -> float | None:
    """An ISO 8601 time with its offset, or milliseconds since 1970, as Unix seconds; None when missing or null.

    A time without an offset is refused: nobody knows which one it means.
    """
    value = row.get(name)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise OutcomeUnknown(f"{name} is no time") from None
        if moment.tzinfo is None:
            raise OutcomeUnknown(f"{name} has no offset")
        seconds = moment.timestamp()
    else:
        milliseconds = number(row, name)
        if milliseconds is None:
            return None
        seconds = milliseconds / 1000
    if 0.0 <= seconds < LAST_S:
        return seconds
    raise OutcomeUnknown(f"{name} is out of range")


def count(row: Fields, name: str) -> int | None:
    """A whole number from 0 on; None when it is missing or null."""
    value = decimal(row, name)
    if value is None:
        return None
    if value >= 0 and value == value.to_integral_value():
        return int(value)
    raise OutcomeUnknown(f"{name} is no count")


def data_of(body: object) -> object:
    """What is in the envelope: `data` of an answer."""
    return fields(body, "the answer").get("data")


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101 - it is finite
    return exponent
