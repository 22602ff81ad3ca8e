"""A real PostgreSQL server of the tests' own on a loopback port, as an unprivileged user; one for the whole run."""

import asyncio
import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import asyncpg

from tests.conftest import skip_or_fail
from tests.fakes.served import free_port

START_S = 30.0
STOP_S = 10.0
USER = "rl"
# Nothing checks it: it is there to be looked for where no password may be.
PASSWORD = "hunter2"  # noqa: S105
# The server refuses to run as root; its package makes this user.
SERVER_USER = "postgres"
# A test server has nothing to lose.
OPTIONS = ("fsync=off", "full_page_writes=off", "max_connections=50", "listen_addresses=127.0.0.1")


class Cluster:
    """One server; `stop` and `start` are a restart that keeps everything."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, *, port: int | None = None) -> str:
        """DATABASE_URL of a database, through another port when given."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def create(self) -> None:
        """Make the files of the server."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, SERVER_USER, SERVER_USER)
        options = ("--auth=trust", "--username", USER, "--no-sync", "--no-instructions", "--encoding=UTF8")
        self._popen("initdb", *options, "--locale=C").wait(START_S)

    def start(self) -> None:
        """Run, and return when it answers."""
        options = [word for option in (*OPTIONS, "unix_socket_directories=") for word in ("-c", option)]
        self._process = self._popen("postgres", "-p", str(self.port), *options)
        deadline_s = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline_s, "PostgreSQL does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server, whoever is connected."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_S)
            self._process = None

    def new_database(self, template: str = "template0") -> str:
        """The name of a fresh database, a copy of `template`."""
        name = f"test_{secrets.token_hex(6)}"
        self.run("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def run(self, database: str, statement: str) -> list[asyncpg.Record]:
        """The rows of one statement, past the service. Not inside a running event loop."""

        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.url(database), timeout=START_S)
            try:
                return list(await connection.fetch(statement))
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def _popen(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        command = [str(self._programs / program), "-D", str(self._folder / "data"), *words]
        quiet = subprocess.DEVNULL
        if os.geteuid() != 0:
            return subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=self._folder)
        return subprocess.Popen(
            command, stdout=quiet, stderr=quiet, cwd=self._folder, user=SERVER_USER, group=SERVER_USER, extra_groups=[]
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                self.run("postgres", "SELECT 1")
                return True
        except (OSError, asyncpg.PostgresError):
            return False


@cache
def cluster() -> Cluster:
    """The server of this test run, started when first asked for; skips the test where none is installed."""
    found = shutil.which("postgres") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")), default=None)
    if found is None:
        skip_or_fail("postgresql is not installed")
    folder = Path(tempfile.mkdtemp(prefix="rl-postgres-"))  # not below pytest's: there only root may look
    server = Cluster(folder, Path(str(found)).resolve().parent)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.stop)
    server.create()
    server.start()
    return server
