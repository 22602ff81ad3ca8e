"""The commands to agents as the wire gives them, with and without an idempotency key."""

from contextlib import suppress

from pydantic_core import to_json

from adapters.store.snapshot import SnapshotReader
from schemas.agent_configs import to_config
from schemas.agents import AgentControlParams, AgentStartParams
from trading.errors import StoreUnavailable
from trading.ports import Market
from wiring.agent_checks import AgentChecks
from wiring.agents import AgentDesk
from wiring.once import KeyedRequest, Once

# A keyed command waits this long for another with its key.
WITHIN_S = 5.0
START, CONTROL = "agents_start", "agents_control"


class AgentCommands:
    """Starts and controls agents. Answers are JSON; raises what AgentDesk and Once raise."""

    def __init__(self, desk: AgentDesk, checks: AgentChecks, market: Market, known: SnapshotReader, once: Once) -> None:
        self._desk = desk
        self._checks = checks
        self._market = market
        self._known = known
        self._once = once

    async def start(self, params: AgentStartParams) -> bytes:
        """Start, or resume, the agent of a user."""
        user_id, key = params["user_id"], params["idempotency_key"]
        config = to_config(
            params["config"], timeframe_s=self._market.timeframe_s, execution=self._checks.default_execution
        )
        if key is None:
            return to_json(await self._desk.start(user_id, config))
        request = KeyedRequest(user_id=user_id, operation=START, key=key, content=to_json(params["config"]))
        # What worked before is answered again, whatever has become of models and settings since, and without a look
        # at what else is to be known of the user.
        before = await self._once.replay(request)
        if before is not None:
            return before
        work = await self._desk.start_work(user_id, config)
        answer = await self._once.run_in_transaction(request, lambda _: work, within_s=WITHIN_S)
        await self._look()
        return answer

    async def control(self, params: AgentControlParams) -> bytes:
        """Pause, resume or stop the agent of a user."""
        user_id, command, key = params["user_id"], params["action"], params["idempotency_key"]
        close = params["close_positions"]
        if key is None:
            return to_json(await self._desk.control(user_id, command, close_positions=close))
        work = self._desk.control_work(user_id, command, close_positions=close)
        content = f"{command} close_positions" if close else command
        request = KeyedRequest(user_id=user_id, operation=CONTROL, key=key, content=content.encode())
        answer = await self._once.run_in_transaction(request, lambda _: work, within_s=WITHIN_S)
        self._desk.controlled()
        await self._look()
        return answer

    async def _look(self) -> None:
        # What a keyed command did is known here at once; should this fail, with the next look.
        with suppress(StoreUnavailable):
            await self._known.refresh()
