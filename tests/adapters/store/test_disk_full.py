"""A disk that fills up under the SQLite file: what was confirmed stays, the rest is refused, space brings it back."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import skip_or_fail
from tests.fakes.served import ROOT

FILL_AND_FREE = """
import asyncio, resource, signal, subprocess, sys, time
from pathlib import Path

from sqlalchemy import insert, select
from adapters.store.tables import secrets
from tests.fakes.stores import running, sqlite
from trading.errors import StoreUnavailable

folder = Path(sys.argv[1])
if sys.argv[2] == "disk":
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    ballast = folder / "ballast"
    ballast.write_bytes(b"x" * 300_000)
    make_room = ballast.unlink
    location = sqlite(folder)
else:
    location = sqlite(folder)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    make_room = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

def put(name, size):
    async def work(connection):
        await connection.execute(insert(secrets).values(name=name, value="v" * size))
        return name
    return work

async def names(connection):
    return set((await connection.execute(select(secrets.c.name))).scalars())

async def fill(store):
    confirmed = set()
    for place in range(1000):
        try:
            confirmed.add(await store.write(put(f"row {place}", 20_000)))
        except StoreUnavailable as error:
            return confirmed, str(error)

async def back(store):
    deadline_s = time.monotonic() + 15
    while True:
        try:
            return await store.write(put(f"after {time.monotonic()}", 1))
        except StoreUnavailable:
            assert time.monotonic() < deadline_s, "space does not bring it back"
            await asyncio.sleep(0.1)

async def scenario():
    async with running(location) as store:
        confirmed, told = await fill(store)
        assert "full" in told or "I/O" in told, told
        assert len(confirmed) > 3, confirmed
        assert await store.read(names) == confirmed  # reading goes on, and shows nothing that was not confirmed
        assert store.failure is not None
        make_room()
        confirmed.add(await back(store))
        assert store.failure is None
    async with running(location) as again:
        assert confirmed <= await again.read(names)

asyncio.run(scenario())
print("well")
"""


def fill_and_free(folder: Path, what: str, *before: str) -> None:
    command = [*before, sys.executable, "-c", FILL_AND_FREE, str(folder), what]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "well\n", ended.stderr


def test_a_full_disk_refuses_writes_keeps_what_was_confirmed_and_recovers(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        skip_or_fail("only root may mount a small disk")
    alone = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
        skip_or_fail("mount namespaces are not allowed here")
    fill_and_free(tmp_path, "disk", *alone)


def test_a_file_that_may_not_grow_refuses_writes_keeps_what_was_confirmed_and_recovers(tmp_path: Path) -> None:
    fill_and_free(tmp_path, "file")
