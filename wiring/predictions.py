"""The predict routes: a request becomes a decision that is kept, pushed to its user's sockets, and answered."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol

from pydantic_core import to_json

from adapters.store.answers import PREDICT_ASYNC
from adapters.store.engine import Work
from adapters.store.journal import Journal
from adapters.store.journal_rows import Entry
from schemas.decisions import MarketSourceView, PredictResponse, to_response
from schemas.predictions import PredictParams, PredictRequest, to_params, to_signal
from trading.desk import Desk
from trading.errors import InvalidField, NoMarketData
from trading.intents import trades
from trading.ports import Bus, Features
from trading.topics import topic_of
from trading.vocabulary import Decision, Signal
from wiring.once import KeyedRequest, Made, Once
from wiring.queue import Queue

# How far ahead of our clock a caller's clock may be.
CLOCK_SKEW_S = 5.0
# The name of an operation, as PREDICT_ASYNC is: a key is a user's, for one of them.
PREDICT = "predict"


class Orders(Protocol):
    """Makes orders of decisions; see wiring.order_desk.OrderDesk."""

    async def act(self, decision: Decision, *, budget_s: float, again: bool = False) -> Decision:
        """The decision with its order, or with why none follows, journalled.

        With `again` it may have been made before, and is then as it was kept; raises StoreUnavailable.
        """

    async def keep(self, decision: Decision, *, budget_s: float, along: Work[None] | None) -> Decision:
        """The same for any decision, in a transaction that `along` begins. Raises StoreUnavailable."""


class _Made(NamedTuple):
    # `kept`: the decision is on its way to the journal already.
    decision: Decision
    answer: PredictResponse
    kept: bool


class Predictions:
    """Answers predictions: at once, once for a key, or later. `timeout_s` holds where the caller gives none.

    `offer` is told of every decision, and must not raise.
    """

    def __init__(
        self,
        desk: Desk,
        features: Features,
        journal: Journal,
        orders: Orders,
        bus: Bus,
        *,
        market: MarketSourceView,
        timeout_s: float,
        offer: Callable[[Decision], None] = lambda _: None,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._desk = desk
        self._features = features
        self._journal = journal
        self._orders = orders
        self._bus = bus
        self._market = market
        self._timeout_s = timeout_s
        self._offer = offer
        self._wall_s = wall_s

    async def answer(self, params: PredictParams, *, request_id: str) -> PredictResponse:
        """A decision on one signal, journalled a moment later. Raises UnknownSymbol, InvalidField."""
        signal = self._signal(params)
        made = await self._decide(signal, request_id=request_id, budget_s=self._budget_s(params))
        if not made.kept:
            self._journal.add(made.decision, decided_at_s=made.decision.judged_at_s)
        self.announce(made.decision, made.answer)
        return made.answer

    async def answer_once(self, params: PredictParams, key: str, once: Once) -> bytes:
        """The same for a request with a key: journalled before it is answered, and once however often it is asked.

        Raises as `answer`, KeyReused, KeyInProgress, StoreUnavailable.
        """

        async def make(request_id: str, left_s: float) -> Made:
            # Judged here: what was answered before is answered again, whatever is said of it now.
            made = await self._decide(self._signal(params), request_id=request_id, budget_s=left_s, again=True)
            entry = Entry(decision=made.decision, decided_at_s=made.decision.judged_at_s)
            return Made(
                answer=to_json(made.answer),
                along=lambda connection: self._journal.insert(connection, [entry]),
                kept=lambda: self.announce(made.decision, made.answer),
            )

        return await once.run(_keyed(PREDICT, params, key), make, within_s=self._budget_s(params))

    async def accept(self, params: PredictParams, queue: Queue, once: Once) -> bytes:
        """Accept a prediction for later, durably; what is said of it, as JSON.

        Raises UnknownSymbol, InvalidField, QueueFull, KeyReused, KeyInProgress, StoreUnavailable.
        """
        key, request, user_id = params["idempotency_key"], _content(params).decode(), params["user_id"]
        priority, timeout_s = params["priority"], self._budget_s(params)
        if key is None:
            self._require(params)
            return await queue.accept(request, user_id=user_id, priority=priority, timeout_s=timeout_s)
        body = await once.run_in_transaction(
            _keyed(PREDICT_ASYNC, params, key),
            lambda job_id: queue.acceptance(
                request,
                user_id=user_id,
                priority=priority,
                timeout_s=timeout_s,
                job_id=job_id,
                # Only where the key is new, as above.
                require=lambda: self._require(params),
            ),
            within_s=timeout_s,
        )
        queue.accepted()
        return body

    async def decide_later(
        self, request: str, *, request_id: str, budget_s: float
    ) -> tuple[Decision, Mapping[str, object]]:
        """The decision on an accepted request (JSON), and its body on the wire. Who ends the job journals it.

        Raises UnknownSymbol.
        """
        params = to_params(PredictRequest.model_validate_json(request))
        made = await self._decide(to_signal(params), request_id=request_id, budget_s=budget_s, again=True)
        return made.decision, made.answer

    async def decide_on_bar(self, signal: Signal, decision_id: str, along: Work[None]) -> Decision:
        """The decision of an agent by itself: kept, and its order with it, in one transaction that `along` begins.

        Raises StoreUnavailable, and what `along` raises: then nothing was decided, as far as is known.
        """
        started_s = time.perf_counter()
        decision = await self._desk.decide(signal, request_id=decision_id, budget_s=self._timeout_s)
        self._offer(decision)
        decision = await self._orders.keep(decision, budget_s=self._timeout_s, along=along)
        self.announce(decision, to_response(decision, self._market, elapsed_s=time.perf_counter() - started_s))
        return decision

    def announce(self, decision: Decision, answer: Mapping[str, object]) -> None:
        """Push a decision to the sockets of its user, wherever they are."""
        topic = topic_of(decision.signal.user_id)
        if self._bus.wanted(topic):
            self._bus.publish(topic, to_json(answer))

    async def _decide(self, signal: Signal, *, request_id: str, budget_s: float, again: bool = False) -> _Made:
        # `again`: it may have been decided before, by a worker that died; an agent's decision is then as it was kept.
        started_s = time.perf_counter()
        decision = await self._desk.decide(signal, request_id=request_id, budget_s=budget_s)
        self._offer(decision)
        left_s = max(budget_s - (time.perf_counter() - started_s), 0.0)
        kept = trades(decision) or (again and decision.agent is not None)
        if kept:
            decision = await self._orders.act(decision, budget_s=left_s, again=again)
        answer = to_response(decision, self._market, elapsed_s=time.perf_counter() - started_s)
        return _Made(decision=decision, answer=answer, kept=kept)

    def _require(self, params: PredictParams) -> None:
        with suppress(NoMarketData):
            self._features.view(self._signal(params).symbol)

    def _signal(self, params: PredictParams) -> Signal:
        signal = to_signal(params)
        latest_s = self._wall_s() + CLOCK_SKEW_S
        if signal.sent_at_s is not None and signal.sent_at_s > latest_s:
            raise InvalidField("timestamp", "in the future")
        if signal.quote is not None and signal.quote.at_s is not None and signal.quote.at_s > latest_s:
            raise InvalidField("market_data.timestamp", "in the future")
        return signal

    def _budget_s(self, params: PredictParams) -> float:
        return params["timeout_seconds"] or self._timeout_s


def _keyed(operation: str, params: PredictParams, key: str) -> KeyedRequest:
    return KeyedRequest(user_id=params["user_id"], operation=operation, key=key, content=_content(params))


def _content(params: PredictParams) -> bytes:
    # What a request asks for, without the key it is asked under. Members that were not given have their defaults.
    return to_json({name: value for name, value in params.items() if name != "idempotency_key"})
