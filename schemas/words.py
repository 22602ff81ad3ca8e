"""Words of the wire: how each kind of value is spelled."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

SYMBOL_MAX_LENGTH = 32

# The one spelling of each length of bar that may be asked for.
Timeframe = Literal["1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"]
UNITS_S = {"d": 86_400, "h": 3600, "m": 60}


def _iso_only(value: object) -> object:
    # pydantic also reads 1700000000 and "12:30" as times; the wire has one spelling.
    if isinstance(value, datetime) or (isinstance(value, str) and ISO_PATTERN.match(value)):
        return value
    raise ValueError("must be an ISO-8601 time with an offset, like 2026-01-31T12:00:00.000Z")


ISO_PATTERN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)
IsoTime = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_iso_only)]
Price = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
UserId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:@-]+$")]
Symbol = Annotated[str, Field(min_length=1, max_length=SYMBOL_MAX_LENGTH, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
# An amount as text: no float on the way rounds it.
DecimalText = Annotated[str, Field(pattern=r"^[0-9]{1,15}(\.[0-9]{1,18})?$")]
# Visible ASCII: what a header can carry.
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~]+$")]


class WireRequest(BaseModel):
    """What all requests share: unknown fields refused, no coercion between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@lru_cache(maxsize=1024)
def iso_time(unix_s: float) -> str:
    """A Unix time as the wire writes it: ISO-8601, UTC, milliseconds, Z."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_timeframe_s(text: Timeframe) -> int:
    """The length of a bar, seconds."""
    return int(text[:-1]) * UNITS_S[text[-1]]


def spell_timeframe(seconds: int) -> str:
    """The length of a bar as the wire writes it; `seconds` are whole minutes."""
    unit = next(unit for unit, length_s in UNITS_S.items() if seconds % length_s == 0)
    return f"{seconds // UNITS_S[unit]}{unit}"


def spell_amount(amount: Decimal) -> str:
    """A decimal in plain digits, without zeros that say nothing."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
