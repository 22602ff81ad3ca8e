"""A room whose pages are answered by fakes, asked through its door."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from routes.door import Door
from routes.errors import ERRORS
from routes.pages import build_pages
from routes.room import Room
from tests.fakes.asgi import FakeApp, Reply, ask
from tests.fakes.pages import FakeReads


class FakeObserver:
    """Takes a moment for its exposition, as many files do."""

    def __init__(self) -> None:
        self.exposed = 0

    def rejected(self, code: str) -> None:
        assert code in ERRORS

    def exposition(self) -> bytes:
        self.exposed += 1
        time.sleep(0.05)
        return f"metric {self.exposed}\n".encode()


@dataclass
class House:
    reads: FakeReads = field(default_factory=FakeReads)
    room: Room = field(default_factory=lambda: Room(max_concurrent=5))
    observer: FakeObserver = field(default_factory=FakeObserver)

    def __post_init__(self) -> None:
        self.room.open(
            endpoints={},
            reports={},
            not_ready=list,
            observer=self.observer,
            pages=build_pages(self.room, self.reads),
        )
        self._door = Door(FakeApp(), self.room, ours=frozenset(), passed_on=frozenset())

    def ask(self, url: str, method: str = "GET", said: object = None) -> Reply:
        parts = urlsplit(f"/api/v1{url}")
        body = b"" if said is None else json.dumps(said).encode()
        headers = () if said is None else (("content-type", "application/json"),)
        return asyncio.run(ask(self._door, parts.path, body, method=method, headers=headers, query=parts.query))


def code_of(reply: Reply) -> str:
    error = reply.json()["error"]
    assert (reply.status, error["message"]) == ERRORS[error["code"]]
    assert error["request_id"] == reply.headers["x-request-id"]
    return str(error["code"])
