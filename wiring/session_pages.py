"""What the session route shows: what TradingService itself says of a user, part by part."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from adapters.trading_service.sessions import HeldPosition, Performance, Sessions, SessionStatus
from schemas.sessions import (
    SessionPageView,
    SessionPart,
    SessionPerformanceView,
    SessionPositionView,
    SessionStatusView,
)
from schemas.words import iso_time, spell_amount
from trading.boot import Moment
from trading.errors import NotFound, NotSent, UpstreamLimited, UpstreamRefused, UpstreamUnavailable
from wiring.trading_sessions import Asking, TradingSessions

# For all parts together, which are asked for at once.
PAGE_S = 2.0
# A refusal's own code; whatever else TradingService puts there may be an address or a trace.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")

Told = TypeVar("Told")
View = TypeVar("View")


class SessionProblem(StrEnum):
    """Why a part is not there, where TradingService gave no code of its own. A closed list: it is part of the wire."""

    NOT_OFFERED = "not_offered"
    NOT_ASKED = "not_asked"
    NO_ANSWER = "no_answer"
    LIMITED = "limited"
    REFUSED = "refused"


class SessionPages:
    """Asks each time. `sessions` is None without a TradingService."""

    def __init__(self, sessions: TradingSessions | None) -> None:
        self._sessions = sessions

    async def session(self, user_id: str) -> SessionPageView:
        """What it says of a user, after at most PAGE_S. Raises NotFound without a TradingService."""
        sessions = self._sessions
        if sessions is None:
            raise NotFound("trading_service")
        until = sessions.until(PAGE_S)
        async with asyncio.TaskGroup() as group:
            status = group.create_task(_told(sessions, until, lambda of, s: of.status(user_id, deadline_s=s)))
            held = group.create_task(_told(sessions, until, lambda of, s: of.positions(user_id, deadline_s=s)))
            earned = group.create_task(_told(sessions, until, lambda of, s: of.performance(user_id, deadline_s=s)))
        parts: dict[SessionPart, str | None] = {
            "session": status.result()[1],
            "positions": held.result()[1],
            "performance": earned.result()[1],
        }
        positions = held.result()[0]
        return {
            "version": sessions.version,
            "session": _shown(status.result()[0], _status),
            "positions": None if positions is None else [_position(each) for each in positions],
            "performance": _shown(earned.result()[0], _performance),
            "problems": [{"part": part, "code": code} for part, code in parts.items() if code is not None],
        }


async def _told(
    sessions: TradingSessions, until: Moment, question: Callable[[Sessions, float], Awaitable[Told]]
) -> tuple[Told | None, str | None]:
    try:
        return await sessions.ask(question, until=until, asking=Asking.PAGE), None
    except UpstreamUnavailable as error:
        return None, _problem(error)


def _problem(error: UpstreamUnavailable) -> str:
    match error:
        case UpstreamRefused(code=code):
            return code if _CODE.fullmatch(code) else SessionProblem.REFUSED
        case UpstreamLimited():
            return SessionProblem.LIMITED
        case NotSent():
            return SessionProblem.NOT_ASKED
    return SessionProblem.NO_ANSWER


def _shown(told: Told | None, show: Callable[[Told], View]) -> View | None:
    return None if told is None else show(told)


def _status(status: SessionStatus) -> SessionStatusView:
    return {
        "active": status.active,
        "paused": status.paused,
        "halted": status.halted,
        "started_at": _shown(status.started_at_s, iso_time),
        "trades": status.trades,
        "open_trades": status.open_trades,
        "profit": _amount(status.profit),
    }


def _position(held: HeldPosition) -> SessionPositionView:
    return {
        "symbol": held.symbol,
        "quantity": _amount(held.quantity),
        "average_cost": _amount(held.average_cost),
        "price": _amount(held.price),
        "unrealized": _amount(held.unrealized),
    }


def _performance(earned: Performance) -> SessionPerformanceView:
    return {"profit": _amount(earned.profit), "week_profit": _amount(earned.week_profit)}


def _amount(amount: Decimal | None) -> str | None:
    return _shown(amount, spell_amount)
