"""From what a caller sent to a request of ours, or to the error that names each bad field."""

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from routes.errors import Rejected

MOST_PROBLEMS = 20

Request = TypeVar("Request", bound=BaseModel)


def parse(model: type[Request], body: bytes | str) -> Request:
    """A JSON body as its model. Raises Rejected: malformed_json, or invalid_field with each field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise rejected(error) from None


def rejected(error: ValidationError) -> Rejected:
    """A failed validation as an error of the wire, without the values."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        return Rejected("malformed_json")
    return Rejected(
        "invalid_field",
        [{"field": field_name(item["loc"]), "problem": item["type"]} for item in problems[:MOST_PROBLEMS]],
    )


def field_name(location: tuple[int | str, ...]) -> str:
    """The path of a field. An unknown field's name comes from the caller: long or odd ones are not repeated."""
    name = ".".join(str(part) for part in location) or "(body)"
    return name if re.fullmatch(r"[A-Za-z0-9_.()-]{1,96}", name) else "(unprintable)"
