"""Who listens on the port of a fake service?"""

import asyncio

from uvicorn.config import Config
from uvicorn.server import ServerState

from tests.fakes.stack.wire import App, Connection, reset

HOST = "127.0.0.1"
BACKLOG = 2048
KEEP_ALIVE_S = 60
RETRY_S = 0.1


class Listener:
    """Serves an application on one loopback port, and can stop listening and begin again; port 0 picks a free one."""

    def __init__(self, app: App, port: int) -> None:
        self.port = port
        self._config = Config(
            app,
            lifespan="off",
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_S,
            ws="none",
            proxy_headers=False,
            server_header=False,
        )
        self._served = ServerState()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen, from now on and on the same port as before. Raises OSError when somebody else has it by now."""
        self._forget_timer()
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._config, self._served, {}), HOST, self.port, backlog=BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and reset those that are there."""
        self._forget_timer()
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._served.connections):
            reset(connection.transport)
        await asyncio.sleep(0)

    def open_in(self, after_s: float) -> None:
        """Listen again in so many seconds."""
        self._timer = asyncio.get_running_loop().call_later(after_s, self._open_soon)

    def _open_soon(self) -> None:
        self._opening = asyncio.ensure_future(self._reopen())

    async def _reopen(self) -> None:
        try:
            await self.open()
        except OSError:
            # Somebody's outgoing connection may have been given our port meanwhile: it is free again soon.
            self.open_in(RETRY_S)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
