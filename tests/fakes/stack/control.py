"""How does a test look into a running fake service, and change what it does?"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.stack.book import Booking
from tests.fakes.stack.faults import Fault
from tests.fakes.stack.listener import Listener
from tests.fakes.stack.state import State

PREFIX = "/_control"


class Exact(JSONResponse):
    """JSON in which a decimal is a text, digit by digit."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, default=str, separators=(",", ":")).encode()


class ControlRoutes:
    """On a port of their own, so that no fault of the service reaches them."""

    def __init__(self, state: State, listener: Listener) -> None:
        self._state = state
        self._listener = listener

    def app(self) -> Starlette:
        plain: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/ledger", self.ledger),
            ("GET", "/calls", self.calls),
            ("GET", "/terms", self.terms),
            ("POST", "/terms", self.change),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.heal),
            ("POST", "/freeze", self.freeze),
            ("POST", "/down", self.down),
            ("POST", "/up", self.up),
            ("POST", "/reset", self.reset),
            ("POST", "/orders/{number:int}/fill", self.fill),
            ("POST", "/orders/{number:int}/cancel", self.cancel),
        ]
        routes = [Route(PREFIX + path, answer, methods=[verb]) for verb, path, answer in plain]
        handlers: dict[Any, Any] = {LookupError: _wrong, ValueError: _wrong, TypeError: _wrong, InvalidOrder: _wrong}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def ledger(self, request: Request) -> Response:
        """Everything booked, and everything that reached a route that books; with `bookings_only` not the latter."""
        book = self._state.book
        book.settle()
        told: dict[str, Any] = {"bookings": [each.as_json() for each in book.bookings]}
        if "bookings_only" not in request.query_params:
            told["transmissions"] = [each.as_json() for each in book.transmissions]
        return Exact(told)

    async def calls(self, request: Request) -> Response:
        """`counts` by route, and each call from the `after`-th on."""
        after = int(request.query_params.get("after", "0"))
        calls = self._state.calls
        authorized = sum(call.authorization is not None for call in calls)
        counts = dict(self._state.counts)
        return Exact({"counts": counts, "authorized": authorized, "calls": [asdict(call) for call in calls[after:]]})

    async def terms(self, request: Request) -> Response:
        return Exact(self._state.terms.as_json())

    async def change(self, request: Request) -> Response:
        changes = await request.json()
        self._state.terms.change(changes)
        if {"clock_s", "speed"} & changes.keys():
            self._state.candles.set_clock()
        if "limits" in changes or "threshold_limit" in changes:
            self._state.windows.clear()
        return Exact(self._state.terms.as_json())

    async def faults(self, request: Request) -> Response:
        return Exact([fault.as_json() for fault in self._state.faults.rules])

    async def add_fault(self, request: Request) -> Response:
        self._state.faults.rules.append(Fault(**await request.json()))
        return await self.faults(request)

    async def heal(self, request: Request) -> Response:
        """No more faults, and whatever is frozen thaws."""
        self._state.faults.rules.clear()
        self._state.thaw()
        return Exact([])

    async def freeze(self, request: Request) -> Response:
        """Nothing is worked on for `for_s` seconds; what arrives meanwhile is worked on afterwards, in turn."""
        self._state.freeze((await request.json())["for_s"])
        return Exact({})

    async def down(self, request: Request) -> Response:
        """Connections are refused and cut for `for_s` seconds; null: until /up."""
        await self._listener.close()
        for_s = (await request.json()).get("for_s")
        if for_s is not None:
            self._listener.open_in(for_s)
        return Exact({})

    async def up(self, request: Request) -> Response:
        await self._listener.open()
        return Exact({})

    async def reset(self, request: Request) -> Response:
        """Forget orders, calls, faults, sessions and limits' counts; the terms stay."""
        self._state.forget()
        return Exact({})

    def _booking(self, request: Request) -> Booking:
        number = int(request.path_params["number"])
        if not 0 < number <= len(self._state.book.bookings):
            raise InvalidOrder(f"no booking {number}")
        return self._state.book.bookings[number - 1]

    async def fill(self, request: Request) -> Response:
        """`quantity` more of an open order; without it, the rest."""
        booking = self._booking(request)
        asked = (await request.json()).get("quantity")
        self._state.book.fill(booking, booking.quantity - booking.filled if asked is None else Decimal(asked))
        return Exact(booking.as_json())

    async def cancel(self, request: Request) -> Response:
        booking = self._booking(request)
        self._state.book.cancel(booking)
        return Exact(booking.as_json())


class InvalidOrder(Exception):
    """Nothing was booked under this number."""


async def _wrong(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
