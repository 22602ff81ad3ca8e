"""What stands behind the door, and how many may be inside."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from pydantic import BaseModel


class Observer(Protocol):
    """Counts the errors the door answers with."""

    def rejected(self, code: str) -> None:
        """One request was answered with this code."""

    def exposition(self) -> bytes:
        """Prometheus' text format over all workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A JSON POST route: the model of its body and the API method that answers it."""

    model: type[BaseModel]
    answer: Callable[..., Awaitable[Mapping[str, Any]]]


Reports: TypeAlias = Mapping[str, Callable[[], object]]


class Room:
    """What stands behind the door: empty until the service has opened it, and again once it is closed."""

    endpoints: Mapping[str, Endpoint]
    reports: Reports
    not_ready: Callable[[], list[str]]
    observer: Observer | None

    def __init__(self, *, max_concurrent: int) -> None:
        self.max_concurrent = max_concurrent
        self.busy = 0
        self.close()

    def open(
        self,
        *,
        endpoints: Mapping[str, Endpoint],
        reports: Reports,
        not_ready: Callable[[], list[str]],
        observer: Observer,
    ) -> None:
        """Let requests in: JSON routes, parts of the status, what is waited for, and who counts errors."""
        self.endpoints = endpoints
        self.reports = reports
        self.not_ready = not_ready
        self.observer = observer

    def close(self) -> None:
        """Let nobody in."""
        self.endpoints = {}
        self.reports = {}
        self.not_ready = lambda: ["service"]
        self.observer = None
