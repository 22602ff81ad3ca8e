"""One open WebSocket: what waits to be sent, in what order, and how it ends."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_core import to_json

from routes.asgi import Receive, Send
from schemas.words import iso_time

# What may wait for a client that reads slowly: some fifty decisions. With what uvicorn and the system hold (see
# routes.framing) a socket stays below 256 KB.
MAX_WAITING_BYTES = 64 * 1024
HEARTBEAT_S = 30.0
# How long a client may take to hear how its socket ends.
CLOSE_S = 2.0

GOING_AWAY = 1012
TOO_SLOW = 1013

# Every decision begins with its id, so an own decision is known without reading it.
ID_BYTES = len(b'{"request_id":"') + 32
# The answer to a request may come before its push, from another worker: a few are remembered.
_REMEMBERED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer to a message: its frame, and the decision in it as JSON, if there is one."""

    frame: bytes
    decision: bytes | None = None


Answering: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[Answered]]


class OpenSocket:
    """Sends frames in the order they were offered, answers one message at a time, and ends with a close code."""

    def __init__(self, receive: Receive, send: Send, *, heartbeat_s: float) -> None:
        self._receive = receive
        self._send = send
        self._heartbeat_s = heartbeat_s
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reading = True
        self._own: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._answering = False
        self._held: list[bytes] = []
        self._held_bytes = 0

    def push(self, decision: bytes) -> None:
        """Offer a decision that somebody asked for elsewhere; one that is an answer here is left out.

        While a message is being answered it is held back: only the answer tells whether it is the same decision.
        """
        if self._answering and self._held_bytes + len(decision) <= MAX_WAITING_BYTES // 2:
            self._held.append(decision)
            self._held_bytes += len(decision)
        elif decision[:ID_BYTES] not in self._own:
            self.offer(b'{"type":"decision","origin":"push","decision":%s}' % decision)

    def offer(self, frame: bytes) -> None:
        """Send a frame when its turn comes. A client for which too much waits is cut."""
        if self._ended.done() and self._ended.result() == TOO_SLOW:
            return
        if self._waiting_bytes + len(frame) > MAX_WAITING_BYTES:
            self.end(TOO_SLOW)
            return
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        self._wake.set()

    def end(self, code: int) -> None:
        """Close with this code; the first one counts. A message that is being answered is answered first."""
        if not self._ended.done():
            self._ended.set_result(code)
            self._wake.set()

    async def run(self, answer: Answering) -> None:
        """Answer messages with the frames `answer` gives until either side ends it."""
        writing = asyncio.create_task(self._write())
        try:
            if await self._read(answer):
                return  # the client has left
            self._reading = False
            self._wake.set()
            if self._ended.result() != TOO_SLOW:
                await asyncio.wait([writing], timeout=CLOSE_S)
        finally:
            writing.cancel()
            await asyncio.wait([writing])
        await self._close(self._ended.result())

    async def _read(self, answer: Answering) -> bool:
        # True once the client has left, False once we are to end it.
        while True:
            receiving = asyncio.ensure_future(self._receive())
            either: list[asyncio.Future[Any]] = [receiving, self._ended]
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not receiving.done():
                    receiving.cancel()
            if not receiving.done():
                return False
            message = receiving.result()
            if message["type"] == "websocket.disconnect":
                return True
            self._answering = True
            answered = await answer(message)
            self._release(answered)

    def _release(self, answered: Answered) -> None:
        # The answer first: nobody waits behind pushes for what they asked.
        self._answering = False
        self.offer(answered.frame)
        if answered.decision is not None:
            self._own.append(answered.decision[:ID_BYTES])
        held, self._held, self._held_bytes = self._held, [], 0
        for decision in held:
            self.push(decision)

    async def _write(self) -> None:
        try:
            while self._waiting or self._reading:
                await self._await_frames()
                while self._waiting:
                    await self._send({"type": "websocket.send", "text": self._waiting[0].decode()})
                    # It counted until now: the server had no room for it either.
                    self._waiting_bytes -= len(self._waiting.popleft())
        except OSError:
            pass  # ASGI's word for a client that has left; the reader hears of it as well

    async def _await_frames(self) -> None:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await self._wake.wait()
        except TimeoutError:
            self.offer(to_json({"type": "heartbeat", "timestamp": iso_time(time.time())}))
        self._wake.clear()

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._send({"type": "websocket.close", "code": code})
        except (TimeoutError, OSError):
            pass  # nobody is there to hear it: the server drops the connection as we return
