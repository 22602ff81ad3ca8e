"""What the pages show: the queue, the agents, the journal and the orders of one worker."""

from collections.abc import Mapping

from schemas.orders import ResolveRequest
from trading.agents import AgentState
from trading.orders import WantedOrders
from trading.vocabulary import Wanted
from wiring.worker import Worker


class Reads:
    """Implements routes.pages.Reads."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.experiments = worker.trials.experiments
        self.analyses = worker.trials.judging.results
        self.models = worker.trials.judging.models

    async def result(self, request_id: str, *, timeout_s: float) -> tuple[bytes, bool]:
        """See Reads."""
        return await self._worker.queue.result(request_id, timeout_s=timeout_s)

    async def cancel(self, request_id: str) -> bytes:
        """See Reads."""
        return await self._worker.queue.cancel(request_id)

    async def agent(self, user_id: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._worker.agents.status(user_id)

    async def agents(self, *, state: AgentState | None, after: str | None, limit: int) -> Mapping[str, object]:
        """See Reads."""
        return await self._worker.agents.list(state=state, after=after, limit=limit)

    async def decision(self, request_id: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._worker.pages.decision(request_id)

    async def decisions(self, wanted: Wanted, *, before: int | None, limit: int) -> Mapping[str, object]:
        """See Reads."""
        return await self._worker.pages.decisions(wanted, before=before, limit=limit)

    async def order(self, name: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._worker.floor.pages.order(name)

    async def orders(self, wanted: WantedOrders, *, before: str | None, limit: int) -> Mapping[str, object]:
        """See Reads."""
        return await self._worker.floor.pages.orders(wanted, before=before, limit=limit)

    async def resolve(self, name: str, said: ResolveRequest) -> Mapping[str, object]:
        """See Reads."""
        return await self._worker.floor.pages.resolve(name, said)

    async def positions(self, user_id: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._worker.floor.pages.positions(user_id)

    async def session(self, user_id: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._worker.sessions.session(user_id)
