"""A room with one endpoint that doubles numbers, asked through its door."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from routes.door import Door
from routes.errors import ERRORS
from routes.pages import build_pages
from routes.room import Endpoint, Reports, Room
from routes.shares import RouteClass
from tests.fakes.asgi import App, FakeApp, Reply, ask
from tests.fakes.pages import FakeReads

PATH = "/api/v1/double"
PASSED_ON = frozenset({"/elsewhere", "/readyz"})
CONTROL_PATH = "/api/v1/control"
KEYED_PATH = "/api/v1/keyed"
GOOD = b'{"number": 21}'


class Number(BaseModel):
    """The body of the endpoint under test."""

    model_config = ConfigDict(extra="forbid", strict=True)
    number: int = Field(ge=0)


class Keyed(Number):
    """A body that may carry an idempotency key."""

    idempotency_key: str | None = None


@dataclass
class FakeObserver:
    """Keeps routes.Observer: remembers the codes."""

    codes: list[str] = field(default_factory=list)

    def rejected(self, code: str) -> None:
        self.codes.append(code)

    def exposition(self) -> bytes:
        return b"metric 1\n"


@dataclass
class House:
    """A door with one endpoint that doubles numbers, and what stands behind it."""

    room: Room
    app: App = field(default_factory=FakeApp)
    observer: FakeObserver = field(default_factory=FakeObserver)
    error: Exception | None = None
    asked: list[int] = field(default_factory=list)
    gate: asyncio.Event | None = None

    @property
    def door(self) -> Door:
        return Door(self.app, self.room, ours=frozenset(self.room.endpoints) | {PATH}, passed_on=PASSED_ON)

    async def double(self, number: int) -> dict[str, int]:
        self.asked.append(number)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {"doubled": 2 * number}

    async def keyed(self, number: int, idempotency_key: str | None) -> bytes:
        return b'{"key":"%s"}' % str(idempotency_key).encode()

    def open(
        self,
        *,
        not_ready: Callable[[], list[str]] = list,
        reports: Reports | None = None,
        sockets: App | None = None,
    ) -> "House":
        self.room.open(
            endpoints={
                PATH: Endpoint(model=Number, answer=self.double, kind=RouteClass.PREDICT),
                CONTROL_PATH: Endpoint(model=Number, answer=self.double, kind=RouteClass.CONTROL, status=202),
                KEYED_PATH: Endpoint(model=Keyed, answer=self.keyed, kind=RouteClass.PREDICT),
            },
            reports=reports or {},
            not_ready=not_ready,
            observer=self.observer,
            pages=build_pages(self.room, FakeReads()),
            sockets=sockets,
        )
        return self

    def post(self, body: bytes = GOOD, **headers: str) -> Reply:
        """One request to the endpoint; a keyword is one more header."""
        given = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return asyncio.run(ask(self.door, PATH, body, headers=list(given.items())))

    def pass_on(self) -> Reply:
        """One request to a route that is not the door's own."""
        return asyncio.run(ask(self.door, "/elsewhere", method="GET"))


def opened() -> House:
    """Five places: one for each class and one for all, so two predictions at once."""
    return House(room=Room(max_concurrent=5)).open()


def assert_error(reply: Reply, code: str) -> None:
    error = reply.json()["error"]
    assert (reply.status, error["message"]) == ERRORS[code]
    assert error["code"] == reply.headers["x-error-code"] == code
    assert error["request_id"] == reply.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", error["request_id"])
    assert reply.headers["content-type"] == "application/json"


def get(house: House, path: str) -> Reply:
    return asyncio.run(ask(house.door, f"/api/v1/{path}", method="GET", headers=()))
