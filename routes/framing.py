"""How uvicorn speaks WebSocket here: bounded in both directions, and every close ends."""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.websockets import auto
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from routes.open_socket import CLOSE_S

# A message of up to 64 KB is read, one of up to this is refused with an error, a longer one ends the socket (1009).
MAX_MESSAGE_BYTES = 128 * 1024
# Unanswered messages; more in one piece of the stream than a client has reason to send ahead.
MAX_UNANSWERED = 64
# What uvicorn holds back before our queue does, and what the system holds beyond that in each direction.
SEND_BUFFER_BYTES = 32 * 1024
SYSTEM_BUFFER_BYTES = 32 * 1024


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, for peers that read nothing or send too much.

    uvicorn alone waits to send its close until the peer has read what came before, and then for the peer to close: one
    that never reads keeps its connection and buffers for ever. Here every end is one after CLOSE_S seconds.
    """

    def __init__(self, config: Any, *rest: Any, **named: Any) -> None:
        config.ws_max_size = MAX_MESSAGE_BYTES
        # A decision of 1 KB is not worth 40 KB of compressor per socket.
        config.ws_per_message_deflate = False
        super().__init__(config, *rest, **named)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection was HTTP until now."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
        system = transport.get_extra_info("socket")
        system.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BUFFER_BYTES)
        system.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SYSTEM_BUFFER_BYTES)

    def handle_ping(self) -> None:
        """Pongs are not held back by anything: a peer that only ever pings must not fill the memory."""
        if self.transport.get_write_buffer_size() > 2 * SEND_BUFFER_BYTES:
            self.transport.abort()
        else:
            super().handle_ping()

    def send_receive_event_to_app(self) -> None:
        """One message for the application."""
        if self.queue.qsize() > MAX_UNANSWERED:
            self.transport.abort()
        else:
            super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """One message of the application. Its close jumps no queue, but does not wait for one either."""
        if message["type"] == "websocket.close" and self.handshake_complete:
            self.writable.set()
        await super().send(message)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application has returned, for whatever reason."""
        super().on_task_complete(task)
        self._abort_later()

    def keepalive_timeout(self) -> None:
        """The peer has not answered a ping."""
        super().keepalive_timeout()
        self._abort_later()

    def _abort_later(self) -> None:
        self.loop.call_later(CLOSE_S, self.transport.abort)


def bound_websockets() -> None:
    """Have uvicorn serve WebSockets like this: before its configuration is loaded, which BentoML does by itself."""
    auto.AutoWebSocketsProtocol = BoundedWebSocket
