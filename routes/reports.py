"""The GET routes: health, readiness, status and metrics."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from routes.door import request_id_var
from routes.errors import Rejected, error_body
from routes.room import Room
from schemas import iso_time

METRICS = "/api/v1/metrics/prometheus"
PATHS = ("/api/v1/health", "/api/v1/ready", "/api/v1/status", METRICS, "/metrics")


def build_app(room: Room) -> Starlette:
    """The GET routes: health, readiness, status and metrics."""

    async def health(_: Request) -> Response:
        missing = room.not_ready()
        state = "degraded" if missing else "healthy"
        return JSONResponse({"status": state, "waiting_for": missing, "timestamp": iso_time(time.time())})

    async def ready(_: Request) -> Response:
        missing = room.not_ready()
        if not missing:
            return JSONResponse({"ready": True, "waiting_for": []})
        rejected = Rejected("not_ready", [{"field": "(service)", "problem": reason} for reason in missing])
        request_id = request_id_var.get()
        headers = {"x-error-code": rejected.code, "x-request-id": request_id, "retry-after": "1"}
        body = error_body(rejected, request_id)
        return Response(body, 503, headers, media_type="application/json")

    async def status(_: Request) -> Response:
        return JSONResponse({name: report() for name, report in room.reports.items()})

    async def metrics(_: Request) -> Response:
        # Adding up the workers' files takes a while when there are many: not on the event loop.
        text = b"" if room.observer is None else await asyncio.to_thread(room.observer.exposition)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    calls = dict(zip(PATHS, (health, ready, status, metrics, metrics), strict=True))
    return Starlette(routes=[Route(path, call, methods=["GET"]) for path, call in calls.items()], lifespan=lifespan)
