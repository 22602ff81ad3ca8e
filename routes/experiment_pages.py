"""The routes of experiments."""

import re
from collections.abc import Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from routes.errors import Rejected
from routes.page import Page, answer_json, read_said
from routes.queries import EventsQuery, ExperimentsQuery, Query
from routes.shares import RouteClass
from schemas.experiments import AcceptMissingRequest, CreateRequest, OverrideRequest, VersionedRequest

# The commands that need no more than the version they are based on.
COMMANDS = ("start", "pause", "resume", "advance", "approve", "rollback", "kill", "promote")
_KEY = re.compile(r"[a-z0-9-]{1,64}")
_USER = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


class ExperimentReads(Protocol):
    """What the routes of experiments show and do. Raises ServiceError and its kinds."""

    async def status(self) -> Mapping[str, object]:
        """The default experiment in its short form."""

    async def list(self, *, after: str, limit: int) -> Mapping[str, object]:
        """A page of the experiments, by key."""

    async def experiment(self, key: str) -> Mapping[str, object]:
        """One experiment."""

    async def assignment(self, key: str, user_id: str) -> Mapping[str, object]:
        """The arm it gives a user."""

    async def events(self, key: str, *, after: int, limit: int) -> Mapping[str, object]:
        """A page of its log."""

    async def create(self, said: CreateRequest) -> Mapping[str, object]:
        """Create a draft; the experiment afterwards."""

    async def command(self, key: str, command: str, said: VersionedRequest) -> Mapping[str, object]:
        """Give one of COMMANDS; the experiment afterwards."""

    async def override(self, key: str, said: OverrideRequest) -> Mapping[str, object]:
        """Give a user an arm, or no longer; the experiment afterwards."""

    async def accept_missing(self, key: str, said: AcceptMissingRequest) -> Mapping[str, object]:
        """Accept days as missing; the experiment afterwards."""


class ExperimentPages:
    """Answers the routes of experiments."""

    def __init__(self, reads: ExperimentReads) -> None:
        self.reads = reads

    async def status(self, _: Request, __: Query) -> Response:
        return answer_json(await self.reads.status())

    async def list(self, _: Request, query: Query) -> Response:
        assert isinstance(query, ExperimentsQuery)  # noqa: S101 - the table pairs them
        return answer_json(await self.reads.list(after=query.after, limit=query.limit))

    async def experiment(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.experiment(_key(request)))

    async def assignment(self, request: Request, _: Query) -> Response:
        user_id: str = request.path_params["user_id"]
        if _USER.fullmatch(user_id) is None:
            raise Rejected("invalid_field", [{"field": "user_id", "problem": "is no id of a user"}])
        return answer_json(await self.reads.assignment(_key(request), user_id))

    async def events(self, request: Request, query: Query) -> Response:
        assert isinstance(query, EventsQuery)  # noqa: S101 - the table pairs them
        return answer_json(await self.reads.events(_key(request), after=query.after, limit=query.limit))

    async def create(self, request: Request, _: Query) -> Response:
        return answer_json(await self.reads.create(await read_said(CreateRequest, request)), 201)

    async def command(self, request: Request, _: Query) -> Response:
        key, command = _key(request), request.path_params["command"]
        if command not in COMMANDS:
            raise Rejected("not_found")
        said = await read_said(VersionedRequest, request)
        return answer_json(await self.reads.command(key, command, said))

    async def override(self, request: Request, _: Query) -> Response:
        key = _key(request)
        return answer_json(await self.reads.override(key, await read_said(OverrideRequest, request)))

    async def accept_missing(self, request: Request, _: Query) -> Response:
        key = _key(request)
        return answer_json(await self.reads.accept_missing(key, await read_said(AcceptMissingRequest, request)))


CONTROL, STATS = RouteClass.CONTROL, RouteClass.STATS
ROOT = "/api/v1/experiments"
EXPERIMENT_PAGES: tuple[Page[ExperimentPages], ...] = (
    Page(path="/api/v1/ab-test/status", answer=ExperimentPages.status, kind=CONTROL),
    Page(path=ROOT, answer=ExperimentPages.list, query=ExperimentsQuery, kind=STATS),
    Page(path=ROOT, answer=ExperimentPages.create, method="POST", kind=CONTROL),
    Page(path=ROOT + "/{key}", answer=ExperimentPages.experiment, kind=STATS),
    Page(path=ROOT + "/{key}/events", answer=ExperimentPages.events, query=EventsQuery, kind=STATS),
    Page(path=ROOT + "/{key}/assignment/{user_id}", answer=ExperimentPages.assignment, kind=STATS),
    Page(path=ROOT + "/{key}/override", answer=ExperimentPages.override, method="POST", kind=CONTROL),
    Page(path=ROOT + "/{key}/accept-missing", answer=ExperimentPages.accept_missing, method="POST", kind=CONTROL),
    Page(path=ROOT + "/{key}/{command}", answer=ExperimentPages.command, method="POST", kind=CONTROL),
)


def _key(request: Request) -> str:
    key: str = request.path_params["key"]
    if _KEY.fullmatch(key) is None:
        raise Rejected("no_experiment")
    return key
