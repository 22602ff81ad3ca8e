"""Who comes in when more requests are here than there is room for: short waits, short turns of the loop."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from routes.errors import Rejected
from routes.shares import RouteClass, Shares

# A refused client that asks again at once costs nearly half of what a prediction does: a place that becomes free within
# this time is worth more than a refusal now. Longer would be late: refusals are to be there within 50 ms.
WAIT_S = 0.04
# A prediction takes a third of a millisecond, a command several turns of the event loop, and of the connections that
# wait libuv accepts one a turn (github.com/libuv/libuv/pull/3696): a hundred predictions a turn make both wait seconds.
A_TURN = 16


@dataclass(slots=True)
class _Waiting:
    until_s: float
    came_in: asyncio.Future[bool]


class Places:
    """Gives the places of `shares` to requests in the order in which they came, of those whose class may have them.

    Who finds none waits for one for at most `wait_s` seconds. Of those who have one, `a_turn` go on in each turn of the
    event loop; commands go on at once. `refused` counts by class who got no place.
    """

    def __init__(self, shares: Shares, *, wait_s: float = WAIT_S, a_turn: int = A_TURN) -> None:
        self.shares = shares
        self.refused: dict[str, int] = dict.fromkeys(RouteClass, 0)
        self._wait_s = wait_s
        self._a_turn = a_turn
        self._outside: dict[RouteClass, deque[_Waiting]] = {kind: deque() for kind in RouteClass}
        self._sweeping = False
        self._inside: deque[asyncio.Future[None]] = deque()
        self._going_on = 0

    async def enter(self, kind: RouteClass) -> None:
        """Come in; whoever has must `leave`. Raises Rejected (too_many_requests)."""
        if not self.shares.take(kind):
            await self._wait(kind)
        if kind is RouteClass.CONTROL or self._going_on < self._a_turn:
            self._count()
            return
        try:
            await self._later()
        except asyncio.CancelledError:
            self.leave(kind)
            raise

    def leave(self, kind: RouteClass) -> None:
        """Give a place back, to who waits for it if anybody does."""
        self.shares.give_back(kind)
        if self._sweeping:  # else nobody waits
            self._hand_on()

    def _hand_on(self) -> None:
        heads = []
        for other, outside in self._outside.items():
            while outside and outside[0].came_in.done():  # sent away while it waited
                outside.popleft()
            if outside:
                heads.append((outside[0].until_s, other))
        for _, other in sorted(heads):
            if self.shares.take(other):
                self._outside[other].popleft().came_in.set_result(True)
                return

    async def _wait(self, kind: RouteClass) -> None:
        came_in: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._outside[kind].append(_Waiting(time.monotonic() + self._wait_s, came_in))
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(self._wait_s, self._sweep)
        try:
            given = await came_in
        except asyncio.CancelledError:
            if not came_in.cancelled() and came_in.result():
                self.leave(kind)  # the place was given while who waited for it was sent away
            raise
        if not given:
            self.refused[kind] += 1
            raise Rejected("too_many_requests")

    def _sweep(self) -> None:
        now_s = time.monotonic()
        for outside in self._outside.values():
            while outside and outside[0].until_s <= now_s:
                came_in = outside.popleft().came_in
                if not came_in.done():
                    came_in.set_result(False)
        left = [outside[0].until_s for outside in self._outside.values() if outside]
        self._sweeping = bool(left)
        if left:
            asyncio.get_running_loop().call_later(max(min(left) - now_s, 0.001), self._sweep)

    def _count(self) -> None:
        if self._going_on == 0:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._going_on += 1

    def _later(self) -> asyncio.Future[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inside.append(turn)
        return turn

    def _next_turn(self) -> None:
        self._going_on = 0
        while self._inside and self._going_on < self._a_turn:
            turn = self._inside.popleft()
            if not turn.done():
                self._count()
                turn.set_result(None)
