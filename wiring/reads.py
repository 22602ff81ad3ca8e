"""What the pages show: the queue, the agents, the journal and the orders of one worker."""

from collections.abc import Mapping

from schemas.orders import ResolveRequest
from trading.agents import AgentState
from trading.orders import WantedOrders
from trading.vocabulary import Wanted
from wiring.parts import Parts


class Reads:
    """Implements routes.pages.Reads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.experiments = parts.trials.experiments
        self.analyses = parts.trials.judging.results
        self.models = parts.trials.judging.models

    async def result(self, request_id: str, *, timeout_s: float) -> tuple[bytes, bool]:
        """See Reads."""
        return await self._parts.queue.result(request_id, timeout_s=timeout_s)

    async def cancel(self, request_id: str) -> bytes:
        """See Reads."""
        return await self._parts.queue.cancel(request_id)

    async def agent(self, user_id: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._parts.agents.status(user_id)

    async def agents(self, *, state: AgentState | None, after: str | None, limit: int) -> Mapping[str, object]:
        """See Reads."""
        return await self._parts.agents.list(state=state, after=after, limit=limit)

    async def decision(self, request_id: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._parts.pages.decision(request_id)

    async def decisions(self, wanted: Wanted, *, before: int | None, limit: int) -> Mapping[str, object]:
        """See Reads."""
        return await self._parts.pages.decisions(wanted, before=before, limit=limit)

    async def order(self, name: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._parts.floor.pages.order(name)

    async def orders(self, wanted: WantedOrders, *, before: str | None, limit: int) -> Mapping[str, object]:
        """See Reads."""
        return await self._parts.floor.pages.orders(wanted, before=before, limit=limit)

    async def resolve(self, name: str, said: ResolveRequest) -> Mapping[str, object]:
        """See Reads."""
        return await self._parts.floor.pages.resolve(name, said)

    async def positions(self, user_id: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._parts.floor.pages.positions(user_id)

    async def session(self, user_id: str) -> Mapping[str, object]:
        """See Reads."""
        return await self._parts.sessions.session(user_id)
