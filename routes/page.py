"""A route with parameters in its path or its query string, and how what it answers leaves."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from routes.door import check_head, read_body, request_id_var
from routes.errors import Rejected
from routes.places import Places
from routes.queries import NoQuery, Query, read_query
from routes.shares import RouteClass
from routes.validation import parse

Answering = TypeVar("Answering")
Said = TypeVar("Said", bound=BaseModel)
Body: TypeAlias = Mapping[str, object] | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Answering]):
    """One route: its answer from the request and its query. `kind` None: never refused for want of a place."""

    path: str
    answer: Callable[[Answering, Request, Query], Awaitable[Response]]
    method: str = "GET"
    query: type[Query] = NoQuery
    kind: RouteClass | None = None


def route(page: Page[Answering], answering: Answering, places: Places) -> Route:
    """The route of a page that `answering` answers."""

    async def answer(request: Request) -> Response:
        query = read_query(page.query, request)
        if page.kind is None:
            return await page.answer(answering, request, query)
        await places.enter(page.kind)
        try:
            return await page.answer(answering, request, query)
        finally:
            places.leave(page.kind)

    return Route(page.path, answer, methods=[page.method])


async def read_said(model: type[Said], request: Request) -> Said:
    """The body of a POST. Raises Rejected naming each bad field; for an idempotency key too, for nobody keeps it."""
    if check_head(request.scope) is not None:
        raise Rejected("invalid_field", [{"field": "Idempotency-Key", "problem": "not supported"}])
    return parse(model, await read_body(request.receive))


def answer_json(body: Body, status: int = 200) -> Response:
    """An answer as JSON under the id of its request."""
    content = body if isinstance(body, bytes) else to_json(body)
    headers = {"x-request-id": request_id_var.get()}
    return Response(content, status, headers, media_type="application/json")
