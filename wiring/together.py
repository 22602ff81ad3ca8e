"""Does what many ask for at the same time as one: whatever comes while a call runs is part of the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from trading.errors import StoreUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_TOGETHER = 500


class Together(Generic[Item, Result]):
    """One call at a time of `do`, which gives a result for each item in their order."""

    def __init__(self, do: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._do = do
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._doing: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Result:
        """The result of one item. Raises what the call raises in which it was done."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._doing is None or self._doing.done():
            self._doing = asyncio.create_task(self._do_waiting())
        return await answer

    async def _do_waiting(self) -> None:
        while self._waiting:
            now, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            wanted = [(item, answer) for item, answer in now if not answer.done()]
            try:
                results = await self._do([item for item, _ in wanted])
            except Exception as error:  # noqa: BLE001 - raised again in each of those who asked
                for _, answer in wanted:
                    if not answer.done():
                        answer.set_exception(_one_each(error))
                continue
            for (_, answer), result in zip(wanted, results, strict=True):
                if not answer.done():
                    answer.set_result(result)


def _one_each(error: Exception) -> Exception:
    # An error that many raise would collect all their tracebacks.
    return StoreUnavailable(*error.args) if isinstance(error, StoreUnavailable) else error
