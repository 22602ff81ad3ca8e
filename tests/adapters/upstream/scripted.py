"""A real HTTP server on loopback that answers as a test tells it to, byte for byte, in the test's own loop."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream

NAME = "trading_service"


class Reset(Exception):
    """Raised by a script: the connection is reset instead of an answer."""


class Closed(Exception):
    """Raised by a script: the connection is closed without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it arrived: names of headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Script: TypeAlias = Callable[[Seen], Awaitable[bytes]]


def http(status: int, body: object = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of an answer; a body that is not bytes goes as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(raw)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + raw


def always(answer: bytes) -> Script:
    async def script(_: Seen) -> bytes:
        return answer

    return script


async def never(_: Seen) -> bytes:
    """Takes the request and does not answer."""
    await asyncio.Event().wait()
    raise AssertionError


class Server:
    """Who has called, and how many are connected."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[Seen] = []
        self.accepted = 0
        self.connected: set[asyncio.StreamWriter] = set()
        self.port = 0
        # Seconds between the bytes of an answer; None sends it at once.
        self.drip_s: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connected.add(writer)
        self.accepted += 1
        try:
            while True:
                seen = await _request(reader)
                self.seen.append(seen)
                answer = await self._answer(seen, reader)
                for part in [answer] if self.drip_s is None else [bytes([byte]) for byte in answer]:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(self.drip_s or 0.0)
        except Reset:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        except (Closed, asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass  # the script or the client closed it, or the test is over
        finally:
            self.connected.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, seen: Seen, reader: asyncio.StreamReader) -> bytes:
        # Also notices that the client has hung up: a server that does not would seem to leak connections.
        answer = asyncio.ensure_future(self.script(seen))
        hung_up = asyncio.ensure_future(reader.read(1))
        await asyncio.wait([answer, hung_up], return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            hung_up.cancel()
            await asyncio.wait([hung_up])
            return answer.result()
        answer.cancel()
        await asyncio.wait([answer])
        raise Closed

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method=method, target=target, headers=headers, body=body)


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Server]:
    """A server with this script until the block ends."""
    server = Server(script)
    # Node takes 511 waiting connections, asyncio 100: too few for a test that gives up hundreds in one loop.
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await server.end()


@asynccontextmanager
async def connected(url: str, breakers: Breakers | None = None) -> AsyncIterator[Upstream]:
    """A started client of `url`, with breakers of its own unless told, until the block ends."""
    upstream = Upstream(NAME, url, breakers or Breakers())
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.stop()
