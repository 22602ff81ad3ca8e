"""Whom does V2 take a request for?"""

import base64
import hashlib
import hmac
import json
import time
from functools import lru_cache
from typing import Any

from starlette.requests import Request


class Denied(Exception):
    """401, with the service's own words."""


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@lru_cache(maxsize=4096)
def claims(token: str, secret: str) -> dict[str, Any]:
    """The claims of a JWT signed with HS256, whatever the time is. Raises Denied."""
    try:
        head, body, signature = token.split(".")
        algorithm = json.loads(_decode(head))["alg"]
        found: dict[str, Any] = json.loads(_decode(body))
        given = _decode(signature)
    except (ValueError, KeyError, TypeError):
        raise Denied("Invalid token") from None
    right = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    if algorithm != "HS256" or not hmac.compare_digest(given, right):
        raise Denied("Invalid token")
    return found


def required(request: Request, secret: str) -> str:
    """The user of a route that needs one. Raises Denied. `Bearer <jwt>` and the bare token both pass."""
    given = request.headers.get("authorization", "")
    token = given.removeprefix("Bearer ").strip()
    if not token:
        raise Denied("No authorization token provided")
    said = claims(token, secret)
    if "exp" in said and time.time() >= said["exp"]:
        raise Denied("Token has expired")
    if "nbf" in said and time.time() < said["nbf"]:
        raise Denied("Invalid token")
    user = said.get("userId") or said.get("sub") or said.get("id")
    if not user:
        raise Denied("Invalid token")
    return str(user)


def optional(request: Request, secret: str) -> str:
    """The user where a token is optional: whoever has none, or a wrong one, is `demo`, without a word."""
    try:
        return required(request, secret)
    except Denied:
        return "demo"


def mint(secret: str, **said: Any) -> str:
    """A token as any HS256 library makes one."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, said)]
    head, body = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    signature = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
