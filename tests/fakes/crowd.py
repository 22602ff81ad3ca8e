"""Many clients at once, patient ones: a connection that breaks is opened again until a deadline."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tests.fakes.served import Answer, Served

CLIENTS = 24

Item = TypeVar("Item")
Result = TypeVar("Result")


class Client:
    """One keep-alive connection."""

    def __init__(self, service: Served, *, patience_s: float = 60.0) -> None:
        self._service = service
        self._patience_s = patience_s
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The first complete answer that is no 503; a broken connection asks again. The last error when time is up."""
        deadline_s = time.monotonic() + self._patience_s
        while True:
            try:
                answer = self.once(method, path, body, headers)
                if answer.status not in (429, 503) or time.monotonic() > deadline_s:
                    return answer
            except (OSError, http.client.HTTPException):
                self.close()
                if time.monotonic() > deadline_s:
                    raise
            time.sleep(0.02)

    def once(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer, whatever it is. Raises what the connection raises."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=40)
        content = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, content, {"Content-Type": "application/json", **(headers or {})})
        response = self._connection.getresponse()
        answered = response.read()
        lower = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=lower, body=answered)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def ask_all(
    service: Served, items: Iterable[Item], ask: Callable[[Client, Item], Result], *, clients: int = CLIENTS
) -> list[Result]:
    """`ask` for every item, by as many clients at once; the results in the order of the items."""
    local = threading.local()
    opened: list[Client] = []

    def one(item: Item) -> Result:
        if not hasattr(local, "client"):
            local.client = Client(service)
            opened.append(local.client)
        return ask(local.client, item)

    with ThreadPoolExecutor(clients) as pool:
        results = list(pool.map(one, items))
    for client in opened:
        client.close()
    return results


def all_at_once(service: Served, count: int, ask: Callable[[Client, int], Result]) -> list[Result]:
    """`ask` by `count` clients that start together."""
    barrier = threading.Barrier(count)

    def one(place: int) -> Result:
        client = Client(service)
        try:
            barrier.wait(30)
            return ask(client, place)
        finally:
            client.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
