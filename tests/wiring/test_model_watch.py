"""What is told and kept of the models while they change."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from tests.fakes.bundles import policy_manifest
from trading.errors import StoreUnavailable
from wiring.model_watch import follow


@dataclass
class Models:
    """Stands for rl_models.served.ServedModels: changes once, and is refused what it is told."""

    refusal: str | None = None
    refusals: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, object] = field(default_factory=dict)
    fresh: bool = True

    @property
    def current(self) -> object:
        return SimpleNamespace(tag="long:1", networks=[policy_manifest()])

    def refresh(self) -> bool:
        fresh, self.fresh = self.fresh, False
        return fresh


async def followed(models: Models, store: object, steps: list[object]) -> None:
    """Some looks; a step is done before each."""
    looks = iter(steps)

    async def sleep(_: float) -> None:
        step = next(looks, None)
        if step is None:
            raise asyncio.CancelledError
        step()  # type: ignore[operator]

    async def switch() -> None:
        return None

    with pytest.raises(asyncio.CancelledError):
        await follow(models, switch, store, sleep)  # type: ignore[arg-type]


def nothing() -> None:
    """Nothing changes."""


@dataclass
class FlakyStore:
    """Stands for a store that is away for the first write."""

    tries: int = 0
    kept: int = 0

    async def write(self, work: object) -> None:
        self.tries += 1
        if self.tries == 1:
            raise StoreUnavailable("away")
        self.kept += 1


def test_names_that_found_no_store_are_written_with_the_next_look() -> None:
    store = FlakyStore()
    asyncio.run(followed(Models(), store, [nothing] * 4))
    assert (store.tries, store.kept) == (2, 1)


def test_only_a_refusal_is_told_and_once(caplog: pytest.LogCaptureFixture) -> None:
    models = Models(fresh=False)

    def refuse() -> None:
        models.refusal = "damaged"

    def accept() -> None:
        models.refusal = None

    async def main() -> None:
        await followed(models, FlakyStore(), [nothing, refuse, nothing, accept, nothing])

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert [record.message for record in caplog.records if "refused" in record.message] == [
        "long:1 keeps serving; refused: ('damaged', {})"
    ]
