"""What an HTTP answer of a service beside us means: its body, or which of our errors.

Their versions say the same thing in many shapes; all of them are told apart here and nowhere else. Of a body only the
fields that are meant for it get into an error, shortened and escaped.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NoReturn

from trading.errors import OutcomeUnknown, UpstreamLimited, UpstreamRefused

SAID_CHARACTERS = 200
LONGEST_WAIT_S = 300.0
# The time ran out before the request was there: unlike the other 4xx no refusal of what was asked.
NO_REFUSAL = frozenset({HTTPStatus.REQUEST_TIMEOUT})
# V2's routes that are not there yet: unlike the other 5xx a refusal.
NOT_THERE = HTTPStatus.NOT_IMPLEMENTED
# Werkzeug's errors as ml-service passes them on: "415 Unsupported Media Type: Did not attempt ...".
WRAPPED = re.compile(r"(4\d\d) ([A-Z][A-Za-z ]+)")
TOKEN = re.compile(r"eyJ[\w-]*\.[\w-]+\.?[\w-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that does what was asked: HTTP status, parsed JSON, headers by their names in lower case."""

    status: int
    body: object
    headers: Mapping[str, str]


class _Unreadable:
    """A body that is not JSON."""


_UNREADABLE = _Unreadable()


def read_answer(service: str, status: int, headers: Mapping[str, str], raw: bytes) -> Answer:
    """The answer in an HTTP response, whatever its Content-Type claims.

    Raises UpstreamLimited for 429; UpstreamRefused for what it would not do: another 4xx, a 501, `success: false` and
    a 4xx inside a 5xx, which keeps the 5xx as its `status`; OutcomeUnknown for all else that is no readable 2xx.
    """
    body = _parsed(raw)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise UpstreamLimited(_wait_s(headers, body))
    if 200 <= status < 300:
        if isinstance(body, _Unreadable):
            raise OutcomeUnknown(f"{service}: {status} with an unreadable body")
        if isinstance(body, dict) and body.get("success") is False:
            _refuse(status, body)
        return Answer(status=status, body=body, headers=headers)
    if status == NOT_THERE or (400 <= status < 500 and status not in NO_REFUSAL):
        _refuse(status, body)
    if status >= 500 and (wrapped := _wrapped(body)) is not None:
        raise UpstreamRefused(f"http_{wrapped}", _said(body)[1], status=status)
    raise OutcomeUnknown(": ".join([f"{service}: status {status}", *_words(body)]))


def printable(text: str) -> str:
    """At most 200 characters of what somebody else wrote: on one line, control characters escaped, no token."""
    # Tokens first, so that none is cut to where it is not recognised; but not in a text of any length.
    text = TOKEN.sub("[token]", text[: 10 * SAID_CHARACTERS])
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[:SAID_CHARACTERS]
    )
    return text[:SAID_CHARACTERS]


def _parsed(raw: bytes) -> object:
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse(status: int, body: object) -> NoReturn:
    code, message = _said(body)
    raise UpstreamRefused(code or f"http_{status}", message or _phrase(status), status=status)


def _said(body: object) -> tuple[str, str]:
    """Code and message as the body has them, each empty when it has none."""
    if not isinstance(body, dict):
        return "", ""
    error, message = body.get("error"), body.get("message")
    if isinstance(error, dict):
        return _text(error.get("code")), _text(error.get("message"))
    return "", _text(error) or _text(message)


def _words(body: object) -> list[str]:
    return [word for word in _said(body) if word]


def _text(value: object) -> str:
    return printable(value) if isinstance(value, str) else ""


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in list(HTTPStatus) else "no reason given"


def _wrapped(body: object) -> int | None:
    """The 4xx that the text of a 5xx begins with, in Werkzeug's words; None without one."""
    found = WRAPPED.match(_said(body)[1])
    if found is None:
        return None
    status = int(found[1])
    return status if status not in NO_REFUSAL and found[2] == _phrase(status) else None


def _wait_s(headers: Mapping[str, str], body: object) -> float | None:
    """How long to wait after a 429, in seconds up to 300; None when nothing sensible is said."""
    said: object = headers.get("retry-after")
    if said is None and isinstance(body, dict):
        said = body.get("retryAfter")
    seconds = _seconds(said)
    if seconds is None and isinstance(said, str):
        seconds = _until_date_s(said, headers.get("date", ""))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT_S)


def _seconds(said: object) -> float | None:
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    try:
        seconds = float(said)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _until_date_s(said: str, sent: str) -> float | None:
    # Against the sender's own date: our clock may differ from theirs.
    try:
        return (parsedate_to_datetime(said) - parsedate_to_datetime(sent)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
