import asyncio
from collections.abc import Sequence

import pytest

from trading.errors import StoreUnavailable
from wiring.together import Together


class Doer:
    """Doubles numbers, one call at a time."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.error: Exception | None = None

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error
        return [2 * number for number in numbers]


def test_what_comes_while_a_call_runs_is_part_of_the_next() -> None:
    async def main() -> None:
        do = Doer()
        together = Together(do)
        first = asyncio.create_task(together.ask(1))
        await asyncio.sleep(0.001)
        assert await asyncio.gather(*(together.ask(number) for number in range(2, 50))) == list(range(4, 100, 2))
        assert await first == 2
        assert do.calls == [[1], list(range(2, 50))]

    asyncio.run(main())


def test_each_who_asked_hears_of_the_error_and_the_next_call_is_made() -> None:
    async def main() -> None:
        do = Doer()
        do.error = StoreUnavailable("away")
        together = Together(do)
        errors = await asyncio.gather(together.ask(1), together.ask(2), return_exceptions=True)
        assert [type(error) for error in errors] == [StoreUnavailable, StoreUnavailable]
        assert errors[0] is not errors[1]
        do.error = None
        assert await together.ask(3) == 6

    asyncio.run(main())


def test_who_is_gone_is_not_asked_for() -> None:
    async def main() -> None:
        do = Doer()
        together = Together(do)
        first = asyncio.create_task(together.ask(1))
        await asyncio.sleep(0.001)
        gone, here = asyncio.create_task(together.ask(2)), asyncio.create_task(together.ask(3))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await first, await here) == (2, 6)
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert do.calls == [[1], [3]]

    asyncio.run(main())
