"""The routes that show what an experiment has found, and what it could find."""

import re
from collections.abc import Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from routes.door import request_id_var
from routes.errors import Rejected
from routes.page import Page, answer_json
from routes.queries import PowerQuery, Query
from routes.shares import RouteClass

_KEY = re.compile(r"[a-z0-9-]{1,64}")
# The page loads and runs nothing and is shown in no other: whatever is in it stays there.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class AnalysisReads(Protocol):
    """What these routes show. Raises ServiceError and its kinds: AnalysisFailed, TooManyWait while another runs."""

    async def results(self, key: str) -> Mapping[str, object]:
        """The last findings on an experiment."""

    async def report(self, key: str) -> bytes:
        """Its page, HTML."""

    async def power(
        self, key: str, *, effect_bps: float, deviation_bps: float, users_per_arm: int, tails: str
    ) -> bytes:
        """What it can find, as JSON. Raises InvalidField for what cannot be expected."""

    async def check(self, key: str) -> bytes:
        """How often its test finds a difference where there is none, as JSON."""


class AnalysisPages:
    """Answers them."""

    def __init__(self, reads: AnalysisReads) -> None:
        self.reads = reads

    async def results(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.results(_key(request)))

    async def report(self, request: Request, _: Query) -> Response:
        html = await self.reads.report(_key(request))
        headers = {
            "x-request-id": request_id_var.get(),
            "content-security-policy": _POLICY,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        }
        return Response(html, headers=headers, media_type="text/html")

    async def power(self, request: Request, query: Query) -> Response:
        assert isinstance(query, PowerQuery)  # noqa: S101 - the table pairs them
        found = await self.reads.power(
            _key(request),
            effect_bps=query.effect_bps,
            deviation_bps=query.deviation_bps,
            users_per_arm=query.users_per_arm,
            tails=query.tails,
        )
        return answer_json(found)

    async def check(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.check(_key(request)))


STATS = RouteClass.STATS
ROOT = "/api/v1/experiments/{key}"
ANALYSIS_PAGES: tuple[Page[AnalysisPages], ...] = (
    Page(path=ROOT + "/results", answer=AnalysisPages.results, kind=STATS),
    Page(path=ROOT + "/report", answer=AnalysisPages.report, kind=STATS),
    Page(path=ROOT + "/power", answer=AnalysisPages.power, query=PowerQuery, kind=STATS),
    Page(path=ROOT + "/aa", answer=AnalysisPages.check, kind=STATS),
)


def _key(request: Request) -> str:
    key: str = request.path_params["key"]
    if _KEY.fullmatch(key) is None:
        raise Rejected("no_experiment")
    return key
