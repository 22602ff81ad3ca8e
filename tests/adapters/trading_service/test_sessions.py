"""Sessions of every version: what it has works, what it fakes is not offered."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from adapters.brokers.v1m import TradingServiceV1m
from adapters.brokers.v2 import TradingServiceV2
from adapters.trading_service.catalogue import SESSIONS
from adapters.trading_service.fields import Fields, data_of, fields
from adapters.trading_service.sessions import (
    ROUTE,
    HeldPosition,
    Performance,
    Sessions,
    SessionSettings,
    SessionStatus,
)
from adapters.trading_service.signals import TRUSTED_SOURCE, hear_signals
from adapters.trading_service.versions import Version
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import Tokens
from tests.fakes.stack.faults import FaultKind
from tests.fakes.stack.remote import Control
from tests.fakes.stack.running import running_stack
from tests.fakes.stack.terms import Terms
from tests.fakes.waiting import T, run
from trading.breaker import BreakerRules
from trading.errors import InvalidSetting, OutcomeUnknown, UnknownSymbol, UpstreamRefused, UpstreamUnavailable
from trading.orders import OrderRequest, Side
from trading.ports import Broker

ENOUGH_S = 5.0
SETTINGS = SessionSettings(min_confidence=1, max_positions=3)


@asynccontextmanager
async def connected(version: Version) -> AsyncIterator[tuple[Upstream, Control]]:
    with running_stack(trading=version.value) as stack:
        upstream = Upstream("trading_service", stack.trading.url, Breakers())
        await upstream.start()
        try:
            yield upstream, stack.trading.control
        finally:
            await upstream.stop()


def at(version: Version, scenario: Callable[[Sessions, Control], Awaitable[T]]) -> T:
    async def main() -> T:
        async with connected(version) as (upstream, control):
            tokens = Tokens(Terms().jwt_secret.encode())
            return await scenario(SESSIONS[version](upstream, tokens), control)

    return run(main())


@pytest.mark.parametrize("version", Version)
def test_a_session_starts_is_seen_and_stops(version: Version) -> None:
    async def scenario(sessions: Sessions, _: Control) -> list[SessionStatus]:
        before = await sessions.status("u", deadline_s=ENOUGH_S)
        await sessions.start("u", ["BTC", "ETH"], SETTINGS, deadline_s=ENOUGH_S)
        running = await sessions.status("u", deadline_s=ENOUGH_S)
        await sessions.stop("u", deadline_s=ENOUGH_S)
        return [before, running, await sessions.status("u", deadline_s=ENOUGH_S)]

    assert SESSIONS.keys() == set(Version)
    began_s = time.time()
    before, running, after = at(version, scenario)
    assert [status.active for status in (before, running, after)] == [False, True, False]
    assert running.started_at_s is not None
    assert began_s - 1 < running.started_at_s < time.time() + 1


@pytest.mark.parametrize("version", [Version.V1, Version.V1M])
def test_what_a_version_has_not_or_fakes_is_not_offered(version: Version) -> None:
    absent: dict[Version, set[str]] = {
        Version.V1: {"pause", "resume", "positions", "performance"},
        Version.V1M: {"pause", "resume", "settings", "performance"},
    }

    async def scenario(sessions: Sessions, control: Control) -> set[str]:
        calls = {
            "pause": sessions.pause("u", deadline_s=ENOUGH_S),
            "resume": sessions.resume("u", deadline_s=ENOUGH_S),
            "settings": sessions.change("u", SETTINGS, deadline_s=ENOUGH_S),
            "positions": sessions.positions("u", deadline_s=ENOUGH_S),
            "performance": sessions.performance("u", deadline_s=ENOUGH_S),
        }
        results: list[Any] = await asyncio.gather(*calls.values(), return_exceptions=True)
        assert len(control.calls()) == len(calls) - len(absent[version])
        refused = [isinstance(result, UpstreamRefused) and result.code == "not_offered" for result in results]
        return {name for name, is_refused in zip(calls, refused, strict=True) if is_refused}

    assert at(version, scenario) == absent[version]


def test_v2_has_one_session_for_each_user_that_pauses_and_resumes() -> None:
    async def scenario(sessions: Sessions, _: Control) -> list[tuple[bool, bool | None]]:
        await sessions.start("one", ["BTC"], SETTINGS, deadline_s=ENOUGH_S)
        await sessions.pause("one", deadline_s=ENOUGH_S)
        seen = [await sessions.status(user, deadline_s=ENOUGH_S) for user in ("one", "two", "demo")]
        await sessions.resume("one", deadline_s=ENOUGH_S)
        seen.append(await sessions.status("one", deadline_s=ENOUGH_S))
        return [(status.active, status.paused) for status in seen]

    assert at(Version.V2, scenario) == [(False, True), (False, False), (False, False), (True, False)]


def test_v2_is_told_its_watchlist_by_names_and_its_settings_in_its_words() -> None:
    async def main() -> Fields:
        async with connected(Version.V2) as (upstream, _):
            tokens = Tokens(Terms().jwt_secret.encode())
            sessions = SESSIONS[Version.V2](upstream, tokens)
            await sessions.start("u", ["BTC", "SOL"], SETTINGS, deadline_s=ENOUGH_S)
            await sessions.change("u", SessionSettings(min_confidence=0), deadline_s=ENOUGH_S)
            status = await upstream.get(
                "/api/v1/trading/status", deadline_s=ENOUGH_S, route="read", token=tokens.mint("u")
            )
            return fields(fields(data_of(status.body), "data")["settings"], "settings")

    told = run(main())
    assert told["watchlist"] == ["bitcoin", "solana"]
    assert (told["minConfidence"], told["maxPositions"]) == (0, 3)


def test_v2_without_a_session_leaves_a_pause_unknown() -> None:
    async def scenario(sessions: Sessions, _: Control) -> None:
        with pytest.raises(OutcomeUnknown):
            await sessions.pause("u", deadline_s=ENOUGH_S)

    at(Version.V2, scenario)


@pytest.mark.parametrize("version", [Version.V1, Version.V2])
def test_a_symbol_nobody_can_spell_starts_nothing(version: Version) -> None:
    async def scenario(sessions: Sessions, control: Control) -> int:
        with pytest.raises(UnknownSymbol):
            await sessions.start("u", ["BTC", "NOPE"], SETTINGS, deadline_s=ENOUGH_S)
        return len(control.calls())

    assert at(version, scenario) == 0


def test_v1m_refuses_a_second_start_in_its_own_words() -> None:
    async def scenario(sessions: Sessions, _: Control) -> None:
        await sessions.start("u", ["BTC"], SETTINGS, deadline_s=ENOUGH_S)
        with pytest.raises(UpstreamRefused, match="already active"):
            await sessions.start("u", ["BTC"], SETTINGS, deadline_s=ENOUGH_S)

    at(Version.V1M, scenario)


def test_v1m_is_not_active_because_binance_is() -> None:
    async def scenario(sessions: Sessions, control: Control) -> list[bool]:
        idle = await sessions.status("u", deadline_s=ENOUGH_S)
        control.set(binance_up=False)
        await sessions.start("u", [], SETTINGS, deadline_s=ENOUGH_S)
        return [idle.active, (await sessions.status("u", deadline_s=ENOUGH_S)).active]

    assert at(Version.V1M, scenario) == [False, True]


def test_v1m_positions_come_without_the_cost_it_makes_up() -> None:
    async def main() -> tuple[HeldPosition, ...]:
        async with connected(Version.V1M) as (upstream, control):
            control.set(prices={"ETH": "3000"})
            body = {"symbol": "ETHUSDT", "side": "BUY", "quantity": 2, "orderType": "MARKET"}
            await upstream.send("POST", "/api/v1/trading/place-order", deadline_s=ENOUGH_S, route="order", body=body)
            return tuple(await SESSIONS[Version.V1M](upstream, None).positions("u", deadline_s=ENOUGH_S))

    held = HeldPosition(symbol="ETH", quantity=Decimal(2), average_cost=None, price=Decimal("3000.0"), unrealized=None)
    assert run(main()) == (held,)


def test_v2_positions_are_signed_and_those_of_the_user() -> None:
    row = {"symbol": "BTC", "quantity": 0.5, "entryPrice": 60000, "currentPrice": 61000, "unrealizedPnL": -500}
    rows = [
        row | {"userId": "u", "side": "short", "status": "open"},
        row | {"userId": "u", "side": "long", "status": "closed"},
        row | {"userId": "other", "side": "long", "status": "open"},
        row | {"userId": "u", "side": "long", "status": "open", "symbol": "a coin nobody knows"},
    ]

    async def scenario(sessions: Sessions, control: Control) -> list[HeldPosition]:
        control.set(engine_positions=rows)
        return list(await sessions.positions("u", deadline_s=ENOUGH_S))

    short = HeldPosition(
        symbol="BTC",
        quantity=Decimal("-0.5"),
        average_cost=Decimal(60000),
        price=Decimal(61000),
        unrealized=Decimal(-500),
    )
    assert at(Version.V2, scenario) == [short]


def test_v2_performance_is_what_its_status_says_it_earned() -> None:
    async def scenario(sessions: Sessions, _: Control) -> list[Performance]:
        without = await sessions.performance("u", deadline_s=ENOUGH_S)
        await sessions.start("u", ["BTC"], SETTINGS, deadline_s=ENOUGH_S)
        return [without, await sessions.performance("u", deadline_s=ENOUGH_S)]

    unknown, known = Performance(profit=None, week_profit=None), Performance(profit=Decimal(0), week_profit=Decimal(0))
    assert at(Version.V2, scenario) == [unknown, known]


def test_v2_without_tokens_is_not_made_at_all() -> None:
    with pytest.raises(InvalidSetting, match="TRADING_JWT_SECRET_FILE"):
        SESSIONS[Version.V2](Upstream("trading_service", "http://127.0.0.1:1", Breakers()), None)


@pytest.mark.parametrize("version", [Version.V1M, Version.V2])
def test_sessions_that_fail_keep_nobody_from_asking_about_orders(version: Version) -> None:
    async def main() -> None:
        async with connected(version) as (upstream, control):
            tokens = Tokens(Terms().jwt_secret.encode())
            brokers: dict[Version, Broker] = {
                Version.V1M: TradingServiceV1m(upstream),
                Version.V2: TradingServiceV2(upstream, tokens, lists_client_ids=True, account_user_id="u"),
            }
            sessions = SESSIONS[version](upstream, tokens)
            control.fault(FaultKind.HTML_502)
            for ask in (sessions.status, sessions.positions) * BreakerRules().minimum_calls:
                with pytest.raises(UpstreamUnavailable):
                    await ask("u", deadline_s=ENOUGH_S)
            assert upstream.refuses(ROUTE)
            control.heal()
            order = OrderRequest(
                client_order_id="rl-1", user_id="u", symbol="BTC", side=Side.BUY, quantity=Decimal("0.001")
            )
            assert await brokers[version].positions(deadline_s=ENOUGH_S) == {}
            placed = await brokers[version].place(order, deadline_s=ENOUGH_S)
            found = await brokers[version].find(order, placed.venue_order_id, deadline_s=ENOUGH_S)
            assert found is not None
            assert found.venue_order_id == placed.venue_order_id

    run(main())


@pytest.mark.parametrize(("source", "heard"), [(TRUSTED_SOURCE, 10), ("fallback", 0)])
def test_v1m_signals_are_heard_unless_they_are_made_up(source: str, heard: int) -> None:
    async def main() -> tuple[int, int]:
        async with connected(Version.V1M) as (upstream, control):
            control.set(signal_source=source)
            answer = await hear_signals(upstream, deadline_s=ENOUGH_S)
            return len(answer.signals), len(answer.refused)

    assert run(main()) == (heard, 10 - heard)
