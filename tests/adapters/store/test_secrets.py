"""A secret is made up once, and the same for every process from then on."""

import asyncio

from adapters.store.engine import Location
from adapters.store.secrets import BYTES, secret
from tests.fakes.stores import running


async def asked(location: Location, name: str) -> bytes:
    async with running(location) as store:
        return await store.write(secret(name), within_s=30)


def test_processes_that_ask_at_once_and_later_get_the_same(location: Location) -> None:
    async def scenario() -> set[bytes]:
        first = await asyncio.gather(*(asked(location, "ids") for _ in range(4)))
        return {*first, await asked(location, "ids")}

    (value,) = asyncio.run(scenario())
    assert len(value) == BYTES


def test_another_name_has_another_secret(location: Location) -> None:
    async def scenario() -> set[bytes]:
        return {await asked(location, name) for name in ("a", "b")}

    assert len(asyncio.run(scenario())) == 2
