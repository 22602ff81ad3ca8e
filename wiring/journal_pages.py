"""What GET /decisions shows: the journal's records in the words of the wire."""

import asyncio
import json
import logging
from collections.abc import Mapping
from functools import partial

import numpy as np

from adapters.store import decisions
from adapters.store.decisions import Record
from adapters.store.engine import Store
from adapters.store.records import decision_from
from adapters.store.terms import circumstances_from, read_feature_names, read_terms
from schemas.agent_configs import from_config
from schemas.decisions import to_answer
from schemas.words import iso_time
from trading.errors import NotFound, StoreRefused
from trading.vocabulary import Decision, Signal, Wanted
from wiring.afterwards import show_afterwards

log = logging.getLogger("rl_service.journal")

# Documents that are read in one go on the event loop: about a millisecond.
READ_AT_ONCE = 10


class JournalPages:
    """Reads the journal for people and programs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def decision(self, request_id: str) -> Mapping[str, object]:
        """One decision with everything it was made from. Raises NotFound, StoreUnavailable."""
        record = await decisions.by_id(self._store, request_id)
        if record is None:
            raise NotFound("decision")
        decision = _decision(record)
        terms = await self._store.read(read_terms(record.terms))
        return {
            **_line(record, decision),
            "signal": _signal(decision.signal),
            "judged_at": iso_time(decision.judged_at_s),
            "bundle_digest": decision.advice.digest,
            "scores": decision.advice.scores,
            "features": await self._features(decision),
            "agent_config": None if decision.agent is None else from_config(decision.agent.config),
            "decided_by": None if terms is None else circumstances_from(terms),
            **await self._store.read(partial(show_afterwards, decision=decision)),
        }

    async def decisions(self, wanted: Wanted, *, before: int | None, limit: int) -> Mapping[str, object]:
        """A page of decisions, newest first; of one that cannot be read there is only what is kept beside it.

        Raises StoreUnavailable.
        """
        page = await decisions.find(self._store, wanted, before=before, limit=limit)
        lines: list[Mapping[str, object]] = []
        for record in page.records:
            lines.append(_line_of(record))
            if len(lines) % READ_AT_ONCE == 0:
                await asyncio.sleep(0)  # requests that came in go first
        return {"decisions": lines, "next": page.before}

    async def _features(self, decision: Decision) -> list[dict[str, object]] | None:
        observed = decision.advice.observations
        if observed is None:
            return None
        shown: list[dict[str, object]] = []
        for digest, row in observed.items():
            values = np.frombuffer(row, dtype="<f8").tolist()
            names = await self._store.read(read_feature_names(digest))
            named = None if names is None else dict(zip(names, values, strict=True))
            shown.append({"schema": digest, "values": values if named is None else named})
        return shown


def _decision(record: Record) -> Decision:
    try:
        return decision_from(json.loads(record.document))
    except ValueError as error:
        raise StoreRefused(f"the document of the decision {record.id} is no JSON") from error


def _line_of(record: Record) -> Mapping[str, object]:
    try:
        return _line(record, _decision(record))
    except StoreRefused as error:
        log.error("the decision %s cannot be read: %s", record.id, error)
        decided_at = iso_time(record.decided_at_s)
        return {"request_id": record.id, "user_id": record.user_id, "decided_at": decided_at, "damaged": True}


def _line(record: Record, decision: Decision) -> dict[str, object]:
    decided_at = iso_time(record.decided_at_s)
    return {**to_answer(decision), "decided_at": decided_at, "order_state": record.order_state}


def _signal(signal: Signal) -> dict[str, object]:
    reading, quote = signal.reading, signal.quote
    return {
        "confidence": None if reading is None else reading.confidence,
        "rsi": None if reading is None else reading.rsi,
        "change_percent": None if reading is None else reading.change_percent,
        "volume": None if reading is None else reading.volume_usd,
        "action": None if reading is None else reading.action,
        "timestamp": None if signal.sent_at_s is None else iso_time(signal.sent_at_s),
        "market_data": None
        if quote is None
        else {
            "price": quote.price,
            "bid": quote.bid,
            "ask": quote.ask,
            "timestamp": None if quote.at_s is None else iso_time(quote.at_s),
        },
    }
