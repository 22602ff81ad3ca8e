"""The routes with parameters in the path or the query string."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router

from routes.analysis_pages import ANALYSIS_PAGES, AnalysisPages, AnalysisReads
from routes.errors import Rejected
from routes.experiment_pages import EXPERIMENT_PAGES, ExperimentPages, ExperimentReads
from routes.model_pages import MODEL_PAGES, ModelPages, ModelReads
from routes.page import Page, answer_json, read_said, route
from routes.queries import (
    ORDER_NAME,
    AgentsQuery,
    DecisionsQuery,
    OrdersQuery,
    Query,
    ResultQuery,
    unix_s,
)
from routes.room import Room
from routes.shares import RouteClass
from schemas.orders import ResolveRequest
from schemas.words import iso_time
from trading.agents import AgentState
from trading.orders import WantedOrders
from trading.vocabulary import Wanted

METRICS = "/api/v1/metrics/prometheus"
# How long the metrics are given again as they were: as old as the other workers' share of them is anyway.
SHOWN_S = 0.25
_ID = re.compile(r"[0-9a-f]{32}")
_USER = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


class Reads(Protocol):
    """What the pages show. Raises ServiceError and its kinds."""

    @property
    def experiments(self) -> ExperimentReads:
        """What the routes of experiments show and do."""

    @property
    def analyses(self) -> AnalysisReads:
        """What experiments have found."""

    @property
    def models(self) -> ModelReads:
        """How the models did."""

    async def result(self, request_id: str, *, timeout_s: float) -> tuple[bytes, bool]:
        """An asynchronous prediction as JSON, and whether that is final; waits up to `timeout_s` until it is."""

    async def cancel(self, request_id: str) -> bytes:
        """Cancel an asynchronous prediction; its state as JSON."""

    async def agent(self, user_id: str) -> Mapping[str, object]:
        """The status of one agent."""

    async def agents(self, *, state: AgentState | None, after: str | None, limit: int) -> Mapping[str, object]:
        """A page of agents, by user; `after` is the last user of the page before."""

    async def decision(self, request_id: str) -> Mapping[str, object]:
        """One decision with all it was made from."""

    async def decisions(self, wanted: Wanted, *, before: int | None, limit: int) -> Mapping[str, object]:
        """A page of decisions, newest first; `before` is the `next` of the page before."""

    async def order(self, name: str) -> Mapping[str, object]:
        """One order with its history, by its client order id or its decision's id."""

    async def orders(self, wanted: WantedOrders, *, before: str | None, limit: int) -> Mapping[str, object]:
        """A page of orders, newest first; `before` is the `next` of the page before."""

    async def resolve(self, name: str, said: ResolveRequest) -> Mapping[str, object]:
        """End an order nobody knows about, as a person says; the order afterwards."""

    async def positions(self, user_id: str) -> Mapping[str, object]:
        """What a user holds, and what each arm earned."""

    async def session(self, user_id: str) -> Mapping[str, object]:
        """What TradingService itself says of a user."""


class Pages:
    """Answers the pages of one room."""

    def __init__(self, room: Room, reads: Reads) -> None:
        self.room = room
        self.reads = reads
        self._shown: asyncio.Task[bytes] | None = None
        self._shown_s = 0.0

    async def health(self, _: Request, __: Query) -> Response:
        missing, impaired = self.room.not_ready(), self.room.impaired()
        state = "degraded" if missing or impaired else "healthy"
        body = {"status": state, "waiting_for": missing, "impaired": impaired, "timestamp": iso_time(time.time())}
        return answer_json(body)

    async def ready(self, _: Request, __: Query) -> Response:
        missing = self.room.not_ready()
        if missing:
            raise Rejected("not_ready", [{"field": "(service)", "problem": reason} for reason in missing])
        return answer_json({"ready": True, "waiting_for": []})

    async def status(self, _: Request, __: Query) -> Response:
        return answer_json({name: report() for name, report in self.room.reports.items()})

    async def metrics(self, _: Request, __: Query) -> Response:
        # One at a time for all who ask: a crowd would take every thread, and never leave the files alone.
        now_s = time.monotonic()
        if self._shown is None or (self._shown.done() and now_s - self._shown_s > SHOWN_S):
            self._shown, self._shown_s = asyncio.create_task(self._exposition()), now_s
        text = await asyncio.shield(self._shown)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _exposition(self) -> bytes:
        # Adding up the workers' files takes a while when there are many: not on the event loop.
        observer = self.room.observer
        return b"" if observer is None else await asyncio.to_thread(observer.exposition)

    async def result(self, request: Request, query: Query) -> Response:
        assert isinstance(query, ResultQuery)  # noqa: S101 - the table pairs them
        body, final = await self.reads.result(_id(request, "no_prediction"), timeout_s=query.timeout)
        return answer_json(body, 200 if final else 202)

    async def cancel(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.cancel(_id(request, "no_prediction")))

    async def agent(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.agent(request.path_params["user_id"]))

    async def agents(self, _: Request, query: Query) -> Response:
        assert isinstance(query, AgentsQuery)  # noqa: S101 - the table pairs them
        return answer_json(await self.reads.agents(state=query.state, after=query.after, limit=query.limit))

    async def decision(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.decision(_id(request, "no_decision")))

    async def decisions(self, _: Request, query: Query) -> Response:
        assert isinstance(query, DecisionsQuery)  # noqa: S101 - the table pairs them
        wanted = Wanted(
            user_id=query.user_id,
            symbol=query.symbol,
            arm=query.arm,
            since_s=unix_s(query.since),
            until_s=unix_s(query.until),
        )
        return answer_json(await self.reads.decisions(wanted, before=query.before, limit=query.limit))

    async def order(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.order(_order_name(request)))

    async def orders(self, _: Request, query: Query) -> Response:
        assert isinstance(query, OrdersQuery)  # noqa: S101 - the table pairs them
        wanted = WantedOrders(user_id=query.user_id, symbol=query.symbol, state=query.state)
        return answer_json(await self.reads.orders(wanted, before=query.before, limit=query.limit))

    async def resolve(self, request: Request, _: Query) -> Response:
        name = _order_name(request)
        said = await read_said(ResolveRequest, request)
        return answer_json(await self.reads.resolve(name, said))

    async def positions(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.positions(_user(request)))

    async def session(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.session(_user(request)))


STATS = RouteClass.STATS
PAGES: tuple[Page[Pages], ...] = (
    Page(path="/api/v1/health", answer=Pages.health),
    Page(path="/api/v1/ready", answer=Pages.ready),
    Page(path="/api/v1/status", answer=Pages.status),
    Page(path=METRICS, answer=Pages.metrics),
    Page(path="/metrics", answer=Pages.metrics),
    # A long poll waits without working; how many may wait is the queue's own bound.
    Page(path="/api/v1/predict/{request_id}/result", answer=Pages.result, query=ResultQuery),
    Page(path="/api/v1/predict/{request_id}", answer=Pages.cancel, method="DELETE", kind=RouteClass.ASYNC),
    Page(path="/api/v1/agents", answer=Pages.agents, query=AgentsQuery, kind=STATS),
    Page(path="/api/v1/agents/{user_id}/status", answer=Pages.agent, kind=RouteClass.CONTROL),
    Page(path="/api/v1/agents/status/{user_id}", answer=Pages.agent, kind=RouteClass.CONTROL),
    Page(path="/api/v1/agents/{user_id}/positions", answer=Pages.positions, kind=STATS),
    Page(path="/api/v1/agents/{user_id}/session", answer=Pages.session, kind=STATS),
    Page(path="/api/v1/orders", answer=Pages.orders, query=OrdersQuery, kind=STATS),
    Page(path="/api/v1/orders/{order_id}", answer=Pages.order, kind=STATS),
    Page(path="/api/v1/orders/{order_id}/resolve", answer=Pages.resolve, method="POST", kind=RouteClass.CONTROL),
    Page(path="/api/v1/decisions", answer=Pages.decisions, query=DecisionsQuery, kind=STATS),
    Page(path="/api/v1/decisions/{request_id}", answer=Pages.decision, kind=STATS),
)


def build_pages(room: Room, reads: Reads) -> Router:
    """The application of all pages. What it raises, and its plain 404 and 405, the door puts into the one shape."""
    pages, experiments = Pages(room, reads), ExperimentPages(reads.experiments)
    analyses, models = AnalysisPages(reads.analyses), ModelPages(reads.models)
    routes = [route(page, pages, room.places) for page in PAGES]
    routes += [route(page, experiments, room.places) for page in EXPERIMENT_PAGES]
    routes += [route(page, analyses, room.places) for page in ANALYSIS_PAGES]
    routes += [route(page, models, room.places) for page in MODEL_PAGES]
    return Router(routes, redirect_slashes=False)


def _id(request: Request, unknown: str) -> str:
    # Only what can be an id is looked for: a database does not take every text.
    request_id: str = request.path_params["request_id"]
    if _ID.fullmatch(request_id) is None:
        raise Rejected(unknown)
    return request_id


def _user(request: Request) -> str:
    user_id: str = request.path_params["user_id"]
    if _USER.fullmatch(user_id) is None:
        raise Rejected("no_agent")
    return user_id


def _order_name(request: Request) -> str:
    name: str = request.path_params["order_id"]
    if ORDER_NAME.fullmatch(name) is None:
        raise Rejected("no_order")
    return name
