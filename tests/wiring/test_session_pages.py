"""What TradingService itself says of a user, asked of the fakes that speak its versions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.boot import boot_clock
from adapters.store.engine import Location, Store
from adapters.trading_service.catalogue import SESSIONS
from adapters.trading_service.sessions import ROUTE, SessionSettings
from adapters.trading_service.versions import Version
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import Tokens
from tests.fakes.stack.faults import FaultKind
from tests.fakes.stack.remote import Control
from tests.fakes.stack.running import running_stack
from tests.fakes.stack.terms import Terms
from tests.fakes.stores import STORES, running, sqlite
from tests.fakes.waiting import PATIENCE_S, T, run
from trading.breaker import Breaker
from trading.errors import NotFound, NotSent
from wiring.session_pages import SessionPages
from wiring.trading_sessions import V2_CALLS, Asking, TradingSessions

ENOUGH_S = 5.0
POSITIONS = "GET /api/v1/trading/positions"
PARTS = ("session", "positions", "performance")


class House:
    """A version of TradingService, and what is known of its sessions."""

    breaker: Breaker

    def __init__(self, store: Store, upstream: Upstream, control: Control, version: Version) -> None:
        self._store, self._upstream, self.control, self._version = store, upstream, control, version
        self.theirs = SESSIONS[version](upstream, Tokens(Terms().jwt_secret.encode()))
        self.known = self.worker()

    def worker(self) -> TradingSessions:
        """The sessions as a worker knows them that has found no version yet."""
        return TradingSessions(self._store, lambda: self._upstream.refuses(ROUTE), now=boot_clock())

    async def start(self, user_id: str) -> None:
        await self.theirs.start(user_id, ["BTC"], SessionSettings(), deadline_s=ENOUGH_S)

    async def page(self, user_id: str = "anna") -> dict[str, Any]:
        return dict(await SessionPages(self.known).session(user_id))

    def find(self) -> None:
        self.known.know(self._version, self.theirs)


@asynccontextmanager
async def house(location: Location, version: Version) -> AsyncIterator[House]:
    with running_stack(trading=version.value) as stack:
        breakers = Breakers()
        upstream = Upstream("trading_service", stack.trading.url, breakers)
        await upstream.start()
        try:
            async with running(location) as store:
                made = House(store, upstream, stack.trading.control, version)
                made.breaker = breakers.of("trading_service", ROUTE)
                made.find()
                yield made
        finally:
            await upstream.stop()


def at(version: Version, location: Location, scenario: Callable[[House], Awaitable[T]]) -> T:
    async def main() -> T:
        async with house(location, version) as made:
            return await scenario(made)

    return run(main())


def problems(page: dict[str, Any]) -> dict[str, str]:
    return {problem["part"]: problem["code"] for problem in page["problems"]}


def test_v2_tells_all_of_it_of_the_user_it_is_asked_about(tmp_path: Path) -> None:
    row = {"symbol": "BTC", "side": "long", "status": "open", "entryPrice": 60000, "currentPrice": "61000.50"}
    rows = [row | {"userId": "anna", "quantity": 0.5}, row | {"userId": "berta", "quantity": 7}]

    async def scenario(made: House) -> list[dict[str, Any]]:
        made.control.set(engine_positions=rows)
        await made.start("anna")
        return [await made.page("anna"), await made.page("nobody")]

    anna, nobody = at(Version.V2, sqlite(tmp_path), scenario)
    assert (anna["version"], anna["problems"]) == ("v2", [])
    started_at = anna["session"].pop("started_at")
    assert started_at.endswith("Z")
    told = {"active": True, "paused": False, "halted": None, "trades": None, "open_trades": 0, "profit": "0"}
    assert anna["session"] == told
    held = {"symbol": "BTC", "quantity": "0.5", "average_cost": "60000", "price": "61000.5", "unrealized": None}
    assert anna["positions"] == [held]
    assert anna["performance"] == {"profit": "0", "week_profit": "0"}
    assert (nobody["session"]["active"], nobody["positions"]) == (False, [])
    assert nobody["performance"] == {"profit": None, "week_profit": None}


@pytest.mark.parametrize(
    ("version", "absent"),
    [(Version.V1, {"positions", "performance"}), (Version.V1M, {"performance"})],
)
def test_what_a_version_does_not_offer_is_null_and_said_so(tmp_path: Path, version: Version, absent: set[str]) -> None:
    async def scenario(made: House) -> dict[str, Any]:
        await made.start("anna")
        return await made.page()

    page = at(version, sqlite(tmp_path), scenario)
    assert problems(page) == dict.fromkeys(absent, "not_offered")
    assert {part for part in ("session", "positions", "performance") if page[part] is None} == absent
    assert page["session"]["active"] is True


def test_a_part_that_fails_takes_the_others_with_it_by_no_means(tmp_path: Path) -> None:
    async def scenario(made: House) -> dict[str, Any]:
        made.control.fault(FaultKind.HTML_502, route=POSITIONS)
        return await made.page()

    page = at(Version.V2, sqlite(tmp_path), scenario)
    assert problems(page) == {"positions": "no_answer"}
    assert (page["positions"], page["session"]["active"]) == (None, False)


def test_a_service_that_hangs_is_waited_for_no_longer_than_the_page_takes(tmp_path: Path) -> None:
    async def scenario(made: House) -> dict[str, Any]:
        made.control.fault(FaultKind.HANG_BEFORE_ACCEPT)
        # As long as a busy machine may take; it hangs for ever.
        async with asyncio.timeout(PATIENCE_S):
            return await made.page()

    page = at(Version.V1M, sqlite(tmp_path), scenario)
    assert problems(page) == {"session": "no_answer", "positions": "no_answer", "performance": "not_offered"}


def test_nothing_of_it_is_kept(tmp_path: Path) -> None:
    async def scenario(made: House) -> list[bool]:
        seen = [(await made.page())["session"]["active"]]
        await made.start("anna")
        return [*seen, (await made.page())["session"]["active"]]

    assert at(Version.V1M, sqlite(tmp_path), scenario) == [False, True]


def test_until_its_version_is_known_nothing_is_asked(tmp_path: Path) -> None:
    async def scenario(made: House) -> tuple[dict[str, Any], int]:
        made.known = made.worker()
        return await made.page(), len(made.control.calls())

    page, calls = at(Version.V1M, sqlite(tmp_path), scenario)
    assert (page["version"], calls, problems(page)) == (None, 0, dict.fromkeys(PARTS, "not_asked"))


def test_without_a_trading_service_there_is_no_such_page() -> None:
    with pytest.raises(NotFound):
        asyncio.run(SessionPages(None).session("anna"))


@pytest.mark.parametrize("kind", list(STORES))
def test_v2_is_asked_as_often_as_orders_leave_it_over_all_workers(kind: str, tmp_path: Path) -> None:
    most = V2_CALLS[Asking.START][0]

    async def scenario(made: House) -> tuple[list[bool | None], int]:
        other = made.worker()
        other.know(Version.V2, made.theirs)
        told = [await each.trades("anna") for each in (made.known, other) for _ in range(most)]
        return told, len(made.control.calls())

    told, calls = at(Version.V2, STORES[kind](tmp_path), scenario)
    assert told == [False] * most + [None] * most
    assert calls == most


def test_pages_of_v2_leave_the_starts_of_agents_their_calls(tmp_path: Path) -> None:
    pages = V2_CALLS[Asking.PAGE][0] // len(PARTS)

    async def scenario(made: House) -> tuple[list[dict[str, str]], bool | None]:
        shown = [problems(await made.page()) for _ in range(pages + 1)]
        return shown, await made.known.trades("anna")

    shown, trades = at(Version.V2, sqlite(tmp_path), scenario)
    assert shown == [{}] * pages + [dict.fromkeys(PARTS, "not_asked")]
    assert trades is False


def test_what_does_not_leave_is_not_counted_against_v2(tmp_path: Path) -> None:
    async def scenario(made: House) -> tuple[list[dict[str, str]], dict[str, str]]:
        made.breaker.hold_open()
        held = [problems(await made.page()) for _ in range(V2_CALLS[Asking.PAGE][0])]
        made.breaker.release()
        # The next call is a probe, and the only one until it has ended.
        assert await made.known.trades("anna") is False
        over = made.known.until(-1.0)
        for _ in range(V2_CALLS[Asking.PAGE][0]):
            with pytest.raises(NotSent):
                await made.known.ask(lambda of, s: of.status("anna", deadline_s=s), until=over, asking=Asking.PAGE)
        return held, problems(await made.page())

    held, released = at(Version.V2, sqlite(tmp_path), scenario)
    assert held == [dict.fromkeys(PARTS, "not_asked")] * len(held)
    assert released == {}


def test_a_session_trades_while_it_is_active_and_not_paused(tmp_path: Path) -> None:
    async def scenario(made: House) -> list[bool | None]:
        for user_id in ("anna", "berta"):
            await made.start(user_id)
        await made.theirs.pause("berta", deadline_s=ENOUGH_S)
        return [await made.known.trades("anna"), await made.known.trades("berta")]

    assert at(Version.V2, sqlite(tmp_path), scenario) == [True, False]


@pytest.mark.parametrize("fault", [FaultKind.HANG_BEFORE_ACCEPT, FaultKind.ERROR_500])
def test_whether_a_session_trades_is_not_known_of_a_service_that_does_not_say(tmp_path: Path, fault: FaultKind) -> None:
    async def scenario(made: House) -> bool | None:
        await made.start("anna")
        made.control.fault(fault)
        async with asyncio.timeout(PATIENCE_S):
            return await made.known.trades("anna")

    assert at(Version.V1M, sqlite(tmp_path), scenario) is None


@pytest.mark.parametrize(
    ("said", "code"),
    [("NO_SESSION", "NO_SESSION"), ("http://10.0.0.7:3000/x", "refused"), ("at f (/srv/a.js:1)", "refused")],
)
def test_a_refusal_is_passed_on_by_its_code_and_by_nothing_else(tmp_path: Path, said: str, code: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f'{{"success": false, "error": {{"code": "{said}", "message": "at http://10.0.0.7"}}}}'.encode()
        head = f"HTTP/1.1 403 Forbidden\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async def main() -> dict[str, Any]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        upstream = Upstream("trading_service", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", Breakers())
        await upstream.start()
        try:
            async with running(sqlite(tmp_path)) as store:
                sessions = TradingSessions(store, lambda: upstream.refuses(ROUTE), now=boot_clock())
                sessions.know(Version.V1, SESSIONS[Version.V1](upstream, None))
                return dict(await SessionPages(sessions).session("anna"))
        finally:
            await upstream.stop()
            server.close()

    page = run(main())
    assert problems(page)["session"] == code
    assert "10.0.0.7" not in str(page)
