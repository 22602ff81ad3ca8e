"""What an operator chose is what every process reads."""

import asyncio

import pytest

from adapters.store.choices import ACTIVE_MODEL, active_model_from, active_model_text, choice, choose
from adapters.store.engine import Location
from tests.fakes.stores import running


def test_before_the_first_choice_there_is_none(location: Location) -> None:
    async def scenario() -> str | None:
        async with running(location) as store:
            return await store.read(choice(ACTIVE_MODEL))

    assert asyncio.run(scenario()) is None


def test_what_was_chosen_last_is_read_by_the_next_process(location: Location) -> None:
    async def scenario() -> list[str | None]:
        async with running(location) as store:
            await store.write(choose(ACTIVE_MODEL, '"ppo:1"'))
            await store.write(choose(ACTIVE_MODEL, '"ppo:2"'))
            await store.write(choose("other", "7"))
        async with running(location) as again:
            return [await again.read(choice(ACTIVE_MODEL)), await again.read(choice("other"))]

    assert asyncio.run(scenario()) == ['"ppo:2"', "7"]


def test_each_choice_has_a_higher_version_than_the_one_before(location: Location) -> None:
    async def scenario() -> list[int]:
        async with running(location) as one, running(location) as two:
            return [await store.write(choose(ACTIVE_MODEL, "1"), within_s=30) for store in (one, two, one, two)]

    versions = asyncio.run(scenario())
    assert versions == list(range(versions[0], versions[0] + 4))


def test_the_active_model_is_read_as_it_was_written() -> None:
    assert active_model_from(active_model_text("ppo:1")) == "ppo:1"
    assert active_model_from(None) is None


@pytest.mark.parametrize("value", ["", "ppo:1", "[" * 100_000, "null", "7", '{"model": "ppo"}', '"ppo'])
def test_a_damaged_record_of_the_active_model_is_told_with_what_to_do(value: str) -> None:
    with pytest.raises(ValueError, match="is damaged: activate a bundle again"):
        active_model_from(value)
