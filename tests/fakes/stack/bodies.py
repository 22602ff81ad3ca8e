"""What does a request say, as Express reads it?"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import Request

TAG = re.compile(r"<[^>]*>")
ZERO = Decimal(0)


class Malformed(Exception):
    """The body is no JSON; the message is that of the parser."""


async def body_of(request: Request) -> dict[str, Any]:
    """The object in the body: empty when there is no body, or none that says it is JSON. Raises Malformed."""
    raw = await request.body()
    if not raw or "application/json" not in request.headers.get("content-type", ""):
        return {}
    try:
        found = json.loads(raw, parse_float=Decimal)
    except ValueError as error:
        raise Malformed(f"Unexpected token in JSON: {error}") from None
    return found if isinstance(found, dict) else {}


def stripped(value: Any) -> Any:
    """As V2 cleans its input: every string without HTML tags and without space at its ends."""
    if isinstance(value, str):
        return TAG.sub("", value).strip()
    if isinstance(value, dict):
        return {name: stripped(part) for name, part in value.items()}
    if isinstance(value, list):
        return [stripped(part) for part in value]
    return value


def quantity_of(value: Any) -> Decimal | None:
    """A number > 0, or a text that is one; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() and found > ZERO else None


def whole(value: str | None, default: int) -> int:
    """As parseInt with a default reads a query parameter."""
    found = re.match(r"\s*(\d+)", value or "")
    return int(found[1]) if found else default
