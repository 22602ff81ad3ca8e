"""How does anybody ask a fake service, without the client under test?"""

import time
from functools import cache
from typing import Any

import httpx2

from tests.fakes.stack.running import Service
from tests.fakes.stack.terms import Terms
from tests.fakes.stack.tokens import mint

PATIENCE_S = 20.0


def ask(
    service: Service, method: str, path: str, body: Any = None, *, within_s: float = PATIENCE_S, **headers: str
) -> httpx2.Response:
    """One request. Raises what httpx2 raises: ReadError for a reset, ReadTimeout, ConnectError."""
    return client().request(method, service.url + path, json=body, headers=headers, timeout=within_s)


@cache
def client() -> httpx2.Client:
    """One for all: making it reads the certificates of the system, which takes long."""
    return httpx2.Client(trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))


def bearer(user: str = "u1", **claims: Any) -> str:
    """The header of a user whom the fake V2 believes, for a minute."""
    return f"Bearer {mint(Terms().jwt_secret, **({'userId': user, 'exp': time.time() + 60} | claims))}"


def fresh(*services: Service) -> None:
    """Each as it started: nothing booked, nothing counted, no fault, every term as it is by default."""
    for service in services:
        service.control.up()
        service.control.reset()
        service.control.set(**Terms().as_json())
