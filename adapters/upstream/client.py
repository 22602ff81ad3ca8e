"""Calling a service beside us over HTTP: in time, once, and knowing whether the request may have arrived."""

import asyncio
import json
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import httpx2

from adapters.upstream.answers import Answer, read_answer
from adapters.upstream.breakers import Breakers
from adapters.upstream.gate import Gate
from adapters.upstream.retries import RetryBudget
from trading.errors import NotSent, OutcomeUnknown

CONNECT_S = 1.0
MAX_BYTES = 256 * 1024
CONNECTIONS = 64
# Node closes an idle connection after 5 s: ours are gone before, so that no read meets one as it closes.
IDLE_S = 3.0
RETRY_JITTER_S = 0.05
RETRY_LEFT_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    request: httpx2.Request
    route: str
    until_s: float
    max_bytes: int


@dataclass(slots=True)
class _Trace:
    """Whether a request has begun to leave; until then nobody can have got any of it."""

    left: bool = False

    async def __call__(self, event: str, _: object) -> None:
        if event == "http11.send_request_headers.started":
            self.left = True


@dataclass(slots=True)
class _Open:
    """The connections of a started client."""

    reads: httpx2.AsyncHTTPTransport
    sends: httpx2.AsyncHTTPTransport


class Upstream:
    """One service beside us, for one process. `base_url` is a checked http(s) URL; its query is not used.

    Calls raise, all of them UpstreamUnavailable: UpstreamRefused and UpstreamLimited when the service said so; NotSent
    when nothing has left; OutcomeUnknown for whatever else of a request that may have arrived. `route` is one of a few
    fixed classes of calls that share a breaker and a 429: "read", "order", "session". `deadline_s` is for a whole call.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        breakers: Breakers,
        *,
        connect_s: float = CONNECT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._base = httpx2.URL(base_url).copy_with(query=None, fragment=None)
        self._breakers = breakers
        self._connect_s = connect_s
        self._monotonic_s = monotonic_s
        self._sleep = sleep
        self._chance = chance
        self._retries = RetryBudget()
        self._gates: dict[str, Gate] = {}
        self._open: _Open | None = None

    async def start(self) -> None:
        """Ready to call; connects with the first call."""
        # Reads share connections. What changes something gets a fresh one each: on a kept one that closes at this
        # moment nobody could say whether an order arrived.
        tls = _tls(self._base.scheme)
        self._open = _Open(reads=_transport(tls, idle=CONNECTIONS), sends=_transport(tls, idle=0))

    async def stop(self) -> None:
        """Cut what is in flight and close; calls raise NotSent from now on."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened.reads.aclose()
            await opened.sends.aclose()

    async def get(
        self,
        path: str,
        *,
        deadline_s: float,
        route: str,
        query: Mapping[str, str] | None = None,
        token: str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Answer:
        """Read. `path` is quoted and without a query; a failed read is tried once more while there is budget for it."""
        request = httpx2.Request("GET", self._url(path), params=query or None, headers=_headers(token))
        call = _Call(request=request, route=route, until_s=self._monotonic_s() + deadline_s, max_bytes=max_bytes)
        self._retries.earn()
        try:
            return await self._once(call)
        except (NotSent, OutcomeUnknown):
            if not self._may_retry(call):
                raise
            await self._sleep(self._chance() * RETRY_JITTER_S)
            return await self._once(call)

    async def send(
        self,
        method: str,
        path: str,
        *,
        deadline_s: float,
        route: str,
        body: Mapping[str, object] | None = None,
        token: str | None = None,
    ) -> Answer:
        """Change something: sent at most once, whatever happens. A body goes as JSON; without one, none is sent."""
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        headers = _headers(token) | ({} if body is None else {"content-type": "application/json"})
        request = httpx2.Request(method, self._url(path), headers=headers, content=content)
        return await self._once(
            _Call(request=request, route=route, until_s=self._monotonic_s() + deadline_s, max_bytes=MAX_BYTES)
        )

    def refuses(self, route: str) -> bool:
        """True, and counted as one that was refused, when a call of this route class would not leave now."""
        return self._open is None or self._gate(route).refuses()

    def _url(self, path: str) -> httpx2.URL:
        # A part of a path may be a user's name: it must not lead elsewhere.
        if not path.startswith("/") or {"?", "#"} & set(path) or {".", ".."} & set(path.split("/")):
            raise NotSent(f"{self.name}: not a path that stays as it is")
        return self._base.copy_with(raw_path=(self._base.path.rstrip("/") + path).encode())

    def _gate(self, route: str) -> Gate:
        if route not in self._gates:
            breaker = self._breakers.of(self.name, route)
            self._gates[route] = Gate(f"{self.name} {route}", breaker, self._monotonic_s)
        return self._gates[route]

    async def _once(self, call: _Call) -> Answer:
        opened = self._open
        if opened is None:
            raise NotSent(f"{self.name}: not started")
        async with self._gate(call.route).through(call.until_s):
            return await self._exchange(opened.reads if call.request.method == "GET" else opened.sends, call)

    async def _exchange(self, transport: httpx2.AsyncHTTPTransport, call: _Call) -> Answer:
        trace = _Trace()
        left_s = call.until_s - self._monotonic_s()
        timeouts = httpx2.Timeout(left_s, connect=min(self._connect_s, left_s))
        call.request.extensions = {"timeout": timeouts.as_dict(), "trace": trace}
        try:
            async with asyncio.timeout(left_s):
                response = await transport.handle_async_request(call.request)
                raw = await self._body(response, call.max_bytes)
        except (httpx2.HTTPError, OSError) as error:
            what = f"{self.name}: {type(error).__name__}"
            raise (OutcomeUnknown(what) if trace.left else NotSent(what)) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return read_answer(self.name, response.status_code, headers, raw)

    async def _body(self, response: httpx2.Response, max_bytes: int) -> bytes:
        raw = bytearray()
        async with aclosing(response.aiter_raw()) as chunks:
            async for chunk in chunks:
                raw += chunk
                if len(raw) > max_bytes:
                    raise OutcomeUnknown(f"{self.name}: {response.status_code} with more than {max_bytes} bytes")
        # Nothing was asked for but plain bytes: a compressed body is unreadable, never unpacked.
        return bytes(raw)

    def _may_retry(self, call: _Call) -> bool:
        in_time = call.until_s - self._monotonic_s() > RETRY_LEFT_S
        return in_time and self._gate(call.route).healthy() and self._retries.spend()


def _tls(scheme: str) -> ssl.SSLContext:
    # Reading the authorities takes 80 ms. Without them a context trusts nobody, and over http nobody asks it.
    return httpx2.create_ssl_context(trust_env=False) if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _transport(tls: ssl.SSLContext, *, idle: int) -> httpx2.AsyncHTTPTransport:
    limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=idle, keepalive_expiry=IDLE_S)
    return httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, http1=True, http2=False, limits=limits, retries=0)


def _headers(token: str | None) -> dict[str, str]:
    plain = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "rl-service"}
    return plain if token is None else plain | {"authorization": f"Bearer {token}"}
