"""Messages between the workers of one machine, over Unix sockets. Keeps trading.ports.Bus."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias, cast

from adapters.bus.frames import MAX_FRAME_BYTES, Frames, Kind, frame, pack, unpack
from adapters.bus.siblings import SiblingSockets

log = logging.getLogger("rl_service.bus")

Deliver: TypeAlias = Callable[[bytes], None]

# What waits for one sibling at most. A stopped one costs this much memory and nobody's time.
MAX_WAITING_BYTES = 1024 * 1024
LOOK_S = 0.25


class LocalBus:
    """Keeps trading.ports.Bus between the processes that share `directory`, at most 64 or so.

    Each tells the others which topics it listens to and is sent those only. A new sibling is found at once, a lost one
    again within `look_s` seconds. What `subscribe` is given must not raise. For one thread: that of the event loop.
    """

    def __init__(self, directory: Path, *, look_s: float = LOOK_S) -> None:
        self.dropped = 0
        self.replica = ""
        self._sockets = SiblingSockets(directory)
        self._look_s = look_s
        self._listeners: dict[str, list[Deliver]] = {}
        self._interest: dict[str, set[_Listening]] = {}
        self._accepted: set[_Listening] = set()
        self._siblings: dict[str, _Publishing] = {}
        self._server: asyncio.Server | None = None
        self._watch: asyncio.Task[None] | None = None
        self._newcomer = asyncio.Event()

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What has to go on while the bus is open."""
        return [] if self._watch is None else [self._watch]

    @property
    def connected(self) -> None:
        """See OpenBus: there are no other replicas to hear."""
        return

    async def start(self) -> None:
        """Listen to the siblings that are here, and keep looking for others. Raises OperatorNeeded, OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Listening(self), sock=self._sockets.open())
        self._sockets.announce()
        self.replica = self._sockets.replica_id()
        await self._look()
        self._watch = loop.create_task(self._keep_looking(), name="bus_watch")

    async def stop(self) -> None:
        """Leave: siblings see it at once."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        self._sockets.close()
        if self._server is not None:
            self._server.close()
        for end in (*self._accepted, *self._siblings.values()):
            end.transport.abort()

    def join(self, secret: bytes) -> None:
        """See OpenBus: nobody beyond this directory is to be found."""

    def subscribe(self, topic: str, deliver: Deliver) -> Callable[[], None]:
        """See Bus. What a sibling publishes in the next moment may be missed: it has to hear of this first."""
        listeners = self._listeners.setdefault(topic, [])
        if not listeners:
            self._tell(Kind.LISTEN, topic)
        listeners.append(deliver)
        ended = False

        def end() -> None:
            nonlocal ended
            if ended:
                return
            ended = True
            listeners.remove(deliver)
            if not listeners:
                del self._listeners[topic]
                self._tell(Kind.IGNORE, topic)

        return end

    def wanted(self, topic: str) -> bool:
        """See Bus."""
        return topic in self._listeners or topic in self._interest

    def publish(self, topic: str, message: bytes) -> None:
        """See Bus. A message above 256 KB is dropped."""
        self.deliver(topic, message)
        interested = self._interest.get(topic)
        if not interested:
            return
        body = pack(topic, message)
        if len(body) > MAX_FRAME_BYTES:
            self.dropped += len(interested)
            return
        framed = frame(Kind.MESSAGE, body)
        for sibling in interested:
            if sibling.transport.get_write_buffer_size() + len(framed) > MAX_WAITING_BYTES:
                self.dropped += 1
            else:
                sibling.transport.write(framed)

    def deliver(self, topic: str, message: bytes) -> None:
        """Give a message to those who listen in this process, and to no sibling."""
        for deliver in tuple(self._listeners.get(topic, ())):
            deliver(message)

    def _tell(self, kind: Kind, topic: str) -> None:
        for sibling in self._siblings.values():
            sibling.tell(frame(kind, topic.encode()))

    async def _keep_looking(self) -> None:
        sees = True
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._newcomer.wait()
            self._newcomer.clear()
            try:
                await self._look()
            except OSError as error:
                # Too many open files, say: the next look finds who is missing.
                if sees:
                    log.warning("new siblings are not found: %s", error)
                sees = False
                await asyncio.sleep(self._look_s)
            else:
                sees = True

    async def _look(self) -> None:
        for name in self._sockets.names():
            if name in self._siblings:
                continue
            connection = self._sockets.connect(name)
            if connection is not None:
                loop = asyncio.get_running_loop()
                try:
                    await loop.create_unix_connection(partial(_Publishing, self, name), sock=connection)
                except OSError:
                    connection.close()
                    raise

    def arrived(self, sibling: "_Publishing") -> None:
        """A sibling is connected: it hears of all we listen to."""
        self._siblings[sibling.name] = sibling
        sibling.transport.write(b"".join(frame(Kind.LISTEN, topic.encode()) for topic in self._listeners))

    def left(self, sibling: "_Publishing") -> None:
        """A sibling is gone; should it still live, the next look finds it again."""
        if self._siblings.get(sibling.name) is sibling:
            del self._siblings[sibling.name]

    def accepted(self, sibling: "_Listening") -> None:
        """A sibling is about to say what it listens to, and wants to hear what we do: look for it now."""
        self._accepted.add(sibling)
        self._newcomer.set()

    def lost(self, sibling: "_Listening") -> None:
        """A sibling no longer listens to anything."""
        self._accepted.discard(sibling)
        for topic in tuple(sibling.topics):
            self.ignores(sibling, topic)

    def listens(self, sibling: "_Listening", topic: str) -> None:
        """A sibling listens to a topic."""
        sibling.topics.add(topic)
        self._interest.setdefault(topic, set()).add(sibling)

    def ignores(self, sibling: "_Listening", topic: str) -> None:
        """A sibling no longer listens to a topic."""
        sibling.topics.discard(topic)
        interested = self._interest.get(topic, set())
        interested.discard(sibling)
        if not interested:
            self._interest.pop(topic, None)


class _End(asyncio.Protocol, ABC):
    """One end of a connection to a sibling. Garbage ends this connection and nothing else."""

    transport: asyncio.Transport

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._frames = Frames()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for kind, body in self._frames.feed(data):
                self._take(kind, body)
        except ValueError:
            self.transport.abort()

    @abstractmethod
    def _take(self, kind: Kind, body: bytes) -> None: ...


class _Listening(_End):
    """The sibling at the other end listens to us."""

    def __init__(self, bus: LocalBus) -> None:
        super().__init__(bus)
        self.topics: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._bus.accepted(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._bus.lost(self)

    def _take(self, kind: Kind, body: bytes) -> None:
        if kind is Kind.LISTEN:
            self._bus.listens(self, body.decode())
        elif kind is Kind.IGNORE:
            self._bus.ignores(self, body.decode())
        else:
            raise ValueError("a listener publishes nothing here")


class _Publishing(_End):
    """The sibling at the other end publishes to us."""

    def __init__(self, bus: LocalBus, name: str) -> None:
        super().__init__(bus)
        self.name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._bus.arrived(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._bus.left(self)

    def tell(self, framed: bytes) -> None:
        if self.transport.get_write_buffer_size() + len(framed) > MAX_WAITING_BYTES:
            # It hears of everything anew once it reads again and is found.
            self.transport.abort()
        else:
            self.transport.write(framed)

    def _take(self, kind: Kind, body: bytes) -> None:
        if kind is not Kind.MESSAGE:
            raise ValueError("a publisher sends messages only")
        self._bus.deliver(*unpack(body))
