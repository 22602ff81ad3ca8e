"""The routes that compare models and arms by what came of their decisions."""

from collections.abc import Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from routes.page import Page, answer_json
from routes.queries import DaysQuery, Query
from routes.shares import RouteClass


class ModelReads(Protocol):
    """What these routes show. Raises ServiceError and its kinds: AnalysisFailed, TooManyWait while another runs."""

    async def performance(self, days: int) -> Mapping[str, object]:
        """Every model that answered in the last days, with its metrics; null where nobody can say."""

    async def comparison(self, days: int) -> Mapping[str, object]:
        """The arms beside each other, and each model beside the rule."""


class ModelPages:
    """Answers them."""

    def __init__(self, reads: ModelReads) -> None:
        self.reads = reads

    async def performance(self, _: Request, query: Query) -> Response:
        assert isinstance(query, DaysQuery)  # noqa: S101 - the table pairs them
        return answer_json(await self.reads.performance(query.days))

    async def comparison(self, _: Request, query: Query) -> Response:
        assert isinstance(query, DaysQuery)  # noqa: S101 - the table pairs them
        return answer_json(await self.reads.comparison(query.days))


STATS = RouteClass.STATS
MODEL_PAGES: tuple[Page[ModelPages], ...] = (
    Page(path="/api/v1/models/performance", answer=ModelPages.performance, query=DaysQuery, kind=STATS),
    Page(path="/api/v1/models/comparison", answer=ModelPages.comparison, query=DaysQuery, kind=STATS),
)
