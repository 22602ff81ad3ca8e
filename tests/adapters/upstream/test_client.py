"""What leaves, what comes back in time, and whether the client knows that a request may have arrived."""

import asyncio
import gzip
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from tests.adapters.upstream.scripted import (
    NAME,
    Closed,
    Reset,
    Script,
    Seen,
    Server,
    always,
    connected,
    http,
    never,
    serving,
)
from tests.fakes.served import free_port
from tests.fakes.waiting import eventually, run
from trading.errors import NotSent, OutcomeUnknown, UpstreamUnavailable

GOOD = http(200, {"success": True, "data": []})
PATIENT_S = 20.0
# An answer that does not come within it; nothing is asserted of what takes longer than many of them.
SHORT_S = 0.3
SECRET = "hunter2hunter2"  # noqa: S105 - what must not be seen again


async def resets(_: Seen) -> bytes:
    raise Reset


async def closes(_: Seen) -> bytes:
    raise Closed


def with_server(script: Script, then: Callable[[Upstream, Server], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving(script) as server, connected(server.url) as upstream:
            await then(upstream, server)

    run(main())


async def order(upstream: Upstream, *, deadline_s: float = PATIENT_S) -> None:
    await upstream.send("POST", "/orders", deadline_s=deadline_s, route="order", body={"qty": "1"}, token=SECRET)


async def read(upstream: Upstream, *, deadline_s: float = PATIENT_S, max_bytes: int = 1000) -> object:
    answer = await upstream.get("/orders", deadline_s=deadline_s, route="read", max_bytes=max_bytes)
    return answer.body


def test_a_request_arrives_as_it_was_meant() -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        await upstream.get("/a%2Fb/c", deadline_s=PATIENT_S, route="read", query={"symbol": "BTC&x=1"})
        await upstream.send("PUT", "/d", deadline_s=PATIENT_S, route="order", body={"qty": "0.1"}, token=SECRET)
        await upstream.send("POST", "/e", deadline_s=PATIENT_S, route="order")
        got, put, post = server.seen
        assert (got.method, got.target, got.body) == ("GET", "/a%2Fb/c?symbol=BTC%26x%3D1", b"")
        assert "authorization" not in got.headers
        assert (put.method, put.target, json.loads(put.body)) == ("PUT", "/d", {"qty": "0.1"})
        assert put.headers["content-type"] == "application/json"
        assert put.headers["authorization"] == f"Bearer {SECRET}"
        assert (post.method, post.target, post.body) == ("POST", "/e", b"")
        assert "authorization" not in post.headers

    with_server(always(GOOD), then)


def test_a_base_url_may_have_a_path() -> None:
    async def main() -> None:
        async with serving(always(GOOD)) as server, connected(server.url + "/behind/") as upstream:
            await read(upstream)
            assert server.seen[0].target == "/behind/orders"

    run(main())


@pytest.mark.parametrize("path", ["orders", "/a/../b", "/a/.", "/..", "/a?b=c", "/a#b", "//..", ""])
def test_a_path_that_would_lead_elsewhere_is_not_sent(path: str) -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        with pytest.raises(NotSent):
            await upstream.get(path, deadline_s=PATIENT_S, route="read")
        assert server.accepted == 0

    with_server(always(GOOD), then)


def test_where_nobody_listens_nothing_was_sent() -> None:
    async def main() -> None:
        async with connected(f"http://127.0.0.1:{free_port()}") as upstream:
            with pytest.raises(NotSent):
                await order(upstream)

    run(main())


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full: the next one waits for ever."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
            waiting.append(client)
        yield int(listening.getsockname()[1])
        for client in waiting:
            client.close()


def test_what_does_not_connect_in_time_was_not_sent(full_port: int) -> None:
    async def main() -> None:
        upstream = Upstream(NAME, f"http://127.0.0.1:{full_port}", Breakers(), connect_s=SHORT_S)
        await upstream.start()
        with pytest.raises(NotSent, match="ConnectTimeout"):
            await order(upstream)
        # The deadline before the connect timeout: the same certainty.
        with pytest.raises(NotSent, match="Timeout"):
            await order(upstream, deadline_s=SHORT_S / 2)
        await upstream.stop()

    run(main())


@pytest.mark.parametrize("deadline_s", [0.0, -1.0])
def test_without_time_left_nothing_is_sent(deadline_s: float) -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        with pytest.raises(NotSent):
            await order(upstream, deadline_s=deadline_s)
        with pytest.raises(NotSent):
            await read(upstream, deadline_s=deadline_s)
        assert server.accepted == 0

    with_server(always(GOOD), then)


@pytest.mark.parametrize("script", [resets, closes, always(b"HTTP/1.1 200 OK\r\ncontent-le"), always(b"\x16\x03\x01")])
def test_a_connection_that_breaks_after_the_request_leaves_the_outcome_unknown(script: Script) -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        with pytest.raises(OutcomeUnknown):
            await order(upstream, deadline_s=1.0)
        assert len(server.seen) == 1

    with_server(script, then)


@pytest.mark.parametrize("script", [never, always(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")])
def test_an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown(script: Script) -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        started_s = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            await order(upstream, deadline_s=SHORT_S)
        assert SHORT_S * 0.9 < time.monotonic() - started_s < PATIENT_S
        assert len(server.seen) == 1

    with_server(script, then)


def test_the_deadline_holds_for_a_body_that_comes_byte_by_byte() -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        server.drip_s = SHORT_S / 10
        with pytest.raises(OutcomeUnknown):
            await read(upstream, deadline_s=SHORT_S)
        await eventually(lambda: not server.connected)

    with_server(always(http(200, {"success": True, "data": "x" * 900})), then)


def test_a_body_larger_than_allowed_is_not_read() -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        with pytest.raises(OutcomeUnknown, match="more than 999 bytes"):
            await read(upstream, max_bytes=999)
        assert await read(upstream, max_bytes=10**6) == {"data": "x" * 500_000}
        await eventually(lambda: len(server.connected) == 1)

    with_server(always(http(200, {"data": "x" * 500_000})), then)


def test_a_compressed_body_is_not_asked_for_and_not_unpacked() -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        with pytest.raises(OutcomeUnknown, match="unreadable"):
            await read(upstream)
        assert server.seen[0].headers["accept-encoding"] == "identity"

    with_server(always(http(200, gzip.compress(b'{"data": 1}'), {"content-encoding": "gzip"})), then)


def test_a_redirect_is_not_followed() -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        with pytest.raises(OutcomeUnknown, match="307"):
            await order(upstream)
        assert [seen.target for seen in server.seen] == ["/orders"]

    with_server(always(http(307, b"", {"location": "/elsewhere"})), then)


def test_what_the_environment_says_of_proxies_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    async def then(upstream: Upstream, server: Server) -> None:
        await read(upstream)
        assert len(server.seen) == 1

    with_server(always(GOOD), then)


def test_cookies_of_one_answer_do_not_go_with_the_next_request() -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        await read(upstream)
        await read(upstream)
        assert [seen.headers.get("cookie") for seen in server.seen] == [None, None]

    with_server(always(http(200, {"data": 1}, {"set-cookie": "session=user123; Path=/"})), then)


def test_reads_share_a_connection_and_what_changes_something_gets_its_own() -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        for _ in range(3):
            await read(upstream)
        assert server.accepted == 1
        for _ in range(3):
            await order(upstream)
        assert server.accepted == 4
        await eventually(lambda: len(server.connected) == 1)

    with_server(always(GOOD), then)


@pytest.mark.parametrize("script", [resets, never, always(http(502, f"<html>{SECRET}".encode()))])
def test_no_error_shows_a_token_an_address_or_a_body(script: Script) -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        with pytest.raises(UpstreamUnavailable) as caught:
            await order(upstream, deadline_s=SHORT_S)
        shown = f"{caught.value!r} {caught.value.__cause__!r} {upstream!r}"
        assert SECRET not in shown
        assert str(server.port) not in shown

    with_server(script, then)


def test_before_the_start_and_after_the_stop_nothing_is_sent() -> None:
    async def main() -> None:
        async with serving(always(GOOD)) as server:
            upstream = Upstream(NAME, server.url, Breakers())
            with pytest.raises(NotSent):
                await order(upstream)
            await upstream.start()
            await order(upstream)
            await upstream.stop()
            await upstream.stop()
            with pytest.raises(NotSent):
                await order(upstream)
            assert len(server.seen) == 1

    run(main())


def test_the_stop_cuts_what_is_in_flight() -> None:
    async def then(upstream: Upstream, server: Server) -> None:
        flying = asyncio.ensure_future(order(upstream, deadline_s=PATIENT_S))
        await eventually(lambda: server.seen)
        await upstream.stop()
        with pytest.raises(OutcomeUnknown):
            await flying
        await eventually(lambda: not server.connected)

    with_server(never, then)
