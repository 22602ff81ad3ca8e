"""A decision as a row of the journal: what is written down of it, and the decision read back, equal to the last bit."""

from base64 import b64encode
from typing import TypeAlias

from pydantic_core import from_json
from sqlalchemy import select

from adapters.store.connections import StoreConnection
from adapters.store.engine import Work
from adapters.store.reading import read_value
from adapters.store.tables import decisions
from trading.agents import Agent
from trading.errors import StoreRefused
from trading.thresholds import ThresholdsInForce
from trading.vocabulary import Advice, Decision, Halt, MarketView, Signal

# What a document with this number holds never changes: another content is another number.
DOCUMENT_VERSION = 3
# Version 1 was before orders and before users' own thresholds. Its decisions had neither, and nothing could be halted.
BEFORE_ORDERS = 1
# Version 2 was before experiments had a log, and could name a bundle or cap an order: its assignments are of version 0.
# Nor did it say which advice was to keep what is held.
BEFORE_EXPERIMENTS = 2
VERSIONS = (BEFORE_ORDERS, BEFORE_EXPERIMENTS, DOCUMENT_VERSION)

# Values that are JSON already: text, numbers, booleans, null, and lists and objects of them. Enums are their `_value_`:
# pydantic_core takes four times as long over a whole document with members of StrEnums in it, and `value` is a call.
Document: TypeAlias = dict[str, object]


def to_row(decision: Decision, *, decided_at_s: float, terms: str) -> dict[str, object]:
    """The columns of a decision, its `document` still an object, and whether its arm `failed`.

    `terms` is the digest under which its terms are kept. Takes a few microseconds: it is made for every decision.
    """
    advice, signal = decision.advice, decision.signal
    return {
        "id": decision.request_id,
        "user_id": signal.user_id,
        "symbol": signal.symbol,
        "decided_at": decided_at_s,
        "model": advice.model,
        "model_version": advice.version,
        "assigned_arm": decision.assignment.arm._value_,
        "served_arm": decision.served_arm._value_,
        "action": decision.action._value_,
        "should_trade": decision.should_trade,
        "failed": decision.failure is not None,
        "terms": terms,
        "document": _document(decision),
    }


def _document(decision: Decision) -> Document:
    market, agent, assignment = decision.market, decision.agent, decision.assignment
    return {
        "v": DOCUMENT_VERSION,
        "request_id": decision.request_id,
        "signal": _signal_out(decision.signal),
        "action": decision.action._value_,
        "advice": _advice_out(decision.advice),
        "assignment": {
            "experiment": assignment.experiment,
            "version": assignment.version,
            "run": assignment.run,
            "arm": assignment.arm._value_,
            "reason": assignment.reason._value_,
            "stage": assignment.stage,
            "propensity": assignment.propensity,
            "model": assignment.model,
            "max_notional_usd": assignment.max_notional_usd,
        },
        "held_arm": None if decision.held_arm is None else decision.held_arm._value_,
        "served_arm": decision.served_arm._value_,
        "failure": None if decision.failure is None else decision.failure._value_,
        "position_exposure": decision.position_exposure,
        "target_exposure": decision.target_exposure,
        "blocked_by": [reason._value_ for reason in decision.blocked_by],
        "market": None if market is None else _market_out(market),
        "agent": None if agent is None else _agent_out(agent),
        "agent_stale": decision.agent_stale,
        "judged_at_s": decision.judged_at_s,
        "halt": decision.halt._value_,
        "refused_by": [reason._value_ for reason in decision.refused_by],
        "client_order_id": decision.client_order_id,
    }


def _signal_out(signal: Signal) -> Document:
    reading, quote = signal.reading, signal.quote
    return {
        "user_id": signal.user_id,
        "symbol": signal.symbol,
        "reading": None
        if reading is None
        else {
            "confidence": reading.confidence,
            "rsi": reading.rsi,
            "change_percent": reading.change_percent,
            "volume_usd": reading.volume_usd,
            "action": reading.action._value_,
        },
        "quote": None
        if quote is None
        else {"price": quote.price, "bid": quote.bid, "ask": quote.ask, "at_s": quote.at_s},
        "sent_at_s": signal.sent_at_s,
    }


def _advice_out(advice: Advice) -> Document:
    observed = advice.observations
    return {
        "model": advice.model,
        "version": advice.version,
        "target_exposure": advice.target_exposure,
        "scores": advice.scores,
        "confidence": advice.confidence,
        "confidence_reason": advice.confidence_reason._value_,
        "reasoning": advice.reasoning,
        "agreement": advice.agreement,
        "entropy": advice.entropy,
        "cached": advice.cached,
        "digest": advice.digest,
        "observations": None
        if observed is None
        else {schema: b64encode(row).decode() for schema, row in observed.items()},
        "thresholds": None if advice.thresholds is None else _thresholds_out(advice.thresholds),
        "keeps": advice.keeps,
    }


def _thresholds_out(thresholds: ThresholdsInForce) -> Document:
    values = thresholds.values
    return {
        "values": {
            "rsi": values.rsi,
            "confidence": values.confidence,
            "macd": values.macd,
            "volume": values.volume,
            "momentum": values.momentum,
        },
        "origin": thresholds.origin._value_,
        "as_of_s": thresholds.as_of_s,
    }


def _market_out(market: MarketView) -> Document:
    return {
        "as_of_s": market.as_of_s,
        "now_s": market.now_s,
        "valid_until_s": market.valid_until_s,
        "timeframe_s": market.timeframe_s,
        "close": market.close,
        "ended": market.ended,
        "regime": market.regime,
    }


def _agent_out(agent: Agent) -> Document:
    config = agent.config
    limits = config.limits
    return {
        "user_id": agent.user_id,
        "state": agent.state._value_,
        "config": {
            "model_type": config.model_type,
            "confidence_threshold": config.confidence_threshold,
            "symbols": config.symbols,
            "timeframe_s": config.timeframe_s,
            "execution": config.execution._value_,
            "capital_usd": config.capital_usd,
            "limits": {
                "max_notional_usd": limits.max_notional_usd,
                "max_orders_per_minute": limits.max_orders_per_minute,
                "max_open_orders": limits.max_open_orders,
                "max_daily_loss_usd": limits.max_daily_loss_usd,
            },
        },
        "created_at_s": agent.created_at_s,
        "changed_at_s": agent.changed_at_s,
        "version": agent.version,
    }


def decision_from(document: object) -> Decision:
    """The decision whose document this is, read from JSON. Raises StoreRefused for what no `to_row` has written."""
    if not isinstance(document, dict) or document.get("v") not in VERSIONS:
        raise StoreRefused(f"no document of a decision in one of the versions this service reads: {VERSIONS}")
    fields = {name: value for name, value in document.items() if name != "v"}
    try:
        if document["v"] <= BEFORE_ORDERS:
            fields = _with_orders(fields)
        if document["v"] <= BEFORE_EXPERIMENTS:
            fields = _with_experiments(fields)
        return read_value(Decision, fields)
    except ValueError as error:
        raise StoreRefused(f"the document of a decision is damaged: {error}") from error


def _with_orders(fields: Document) -> Document:
    later: Document = {"halt": Halt.OPEN.value, "refused_by": [], "client_order_id": None}
    return _with(fields, later) | {"advice": _with(fields.get("advice"), {"thresholds": None})}


def _with_experiments(fields: Document) -> Document:
    later: Document = {"version": 0, "run": 0, "propensity": None, "model": None, "max_notional_usd": None}
    advice = _with(fields.get("advice"), {"keeps": None})
    return _with(fields, {"held_arm": None}) | {"assignment": _with(fields.get("assignment"), later), "advice": advice}


def _with(fields: object, later: Document) -> Document:
    if not isinstance(fields, dict):
        raise ValueError("not what belongs here")
    if later.keys() & fields.keys():
        raise ValueError("a field of a later version")
    return fields | later


async def find_decision(connection: StoreConnection, request_id: str) -> Decision | None:
    """The decision with this id as it was journalled; None for an unknown id. Raises StoreRefused."""
    statement = select(decisions.c.document).where(decisions.c.id == request_id)
    document = (await connection.execute(statement)).scalar_one_or_none()
    return None if document is None else decision_from(from_json(document))


def read_row(request_id: str) -> Work[dict[str, object] | None]:
    """Every column of a decision but its number, `document` as the JSON text it is kept as; None for an unknown id."""

    async def work(connection: StoreConnection) -> dict[str, object] | None:
        columns = [column for column in decisions.columns if column.name != "seq"]
        row = (await connection.execute(select(*columns).where(decisions.c.id == request_id))).first()
        return None if row is None else dict(row._mapping)

    return work
