"""The other arm is asked once about the last decision on each bar, beside the requests, and said with its exposure."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from adapters.store.engine import Location, Store
from tests.fakes.journals import entry, insert, rows_of
from tests.fakes.stores import STORES, running
from tests.fakes.waiting import eventually, run
from trading.shadow import OtherDecision, Unanswered
from trading.vocabulary import Action, Arm, Decision
from wiring.shadows import ASKED_AT_ONCE, MOST_AT_ONCE, MOST_WAITING, PAUSE_S, REST, Shadows

SAID = OtherDecision(arm=Arm.FALLBACK, target_exposure=0.5, action=Action.SELL)


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return STORES[request.param](tmp_path)


@dataclass
class FakeOther:
    """Stands for trading.shadow.OtherArm: says the same of all and takes its time; remembers what it was asked."""

    said: OtherDecision | Unanswered = SAID
    takes_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    now_s: float = 0.0

    async def decide(self, decision: Decision) -> OtherDecision | Unanswered:
        self.asked.append(decision.request_id)
        self.now_s += self.takes_s
        return self.said


@dataclass
class Slept:
    """A sleep that only remembers, and lets others go on."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def shadows_of(store: Store, other: FakeOther, slept: Slept | None = None) -> Shadows:
    return Shadows(store, other, sleep=slept or Slept(), monotonic_s=lambda: other.now_s)


def made(number: int, user_id: str = "amy") -> Decision:
    return entry(number, user_id=user_id).decision


async def said_in(store: Store) -> list[tuple[object, ...]]:
    return await rows_of(
        store, "SELECT user_id, decision_id, shadow_arm, shadow_target, shadow_action FROM exposures ORDER BY user_id"
    )


def with_store(location: Location, test: object) -> None:
    async def main() -> None:
        async with running(location) as store:
            body: Coroutine[object, object, None] = test(store)  # type: ignore[operator]
            await body

    run(main())


def test_what_the_other_arm_said_stands_with_the_exposure(location: Location) -> None:
    async def test(store: Store) -> None:
        other = FakeOther()
        shadows = shadows_of(store, other)
        await insert(store, [entry(1, user_id="amy"), entry(2, user_id="bob")])
        shadows.offer(made(1))
        await shadows.turn()
        assert await said_in(store) == [
            ("amy", f"{1:032x}", "fallback", 0.5, "SELL"),
            ("bob", f"{2:032x}", None, None, None),
        ]
        assert shadows.totals["kept"] == 1

    with_store(location, test)


def test_of_several_decisions_on_a_bar_only_the_last_is_asked_about(location: Location) -> None:
    async def test(store: Store) -> None:
        other = FakeOther()
        shadows = shadows_of(store, other)
        for number in range(1, 4):
            shadows.offer(made(number))
        shadows.offer(made(9, "bob"))
        await shadows.turn()
        assert other.asked == [f"{3:032x}", f"{9:032x}"]
        await shadows.turn()
        assert len(other.asked) == 2

    with_store(location, test)


def test_only_compared_users_whom_an_arm_answered_are_asked_about(location: Location) -> None:
    decision = made(1)

    async def test(store: Store) -> None:
        other = FakeOther()
        shadows = shadows_of(store, other)
        shadows.offer(replace(decision, assignment=replace(decision.assignment, propensity=None)))
        shadows.offer(replace(decision, market=None))
        shadows.offer(replace(decision, served_arm=Arm.HOLD))
        await shadows.turn()
        assert other.asked == []

    with_store(location, test)


@pytest.mark.parametrize("why", list(Unanswered))
def test_what_is_not_known_stays_null_and_is_counted(location: Location, why: Unanswered) -> None:
    async def test(store: Store) -> None:
        shadows = shadows_of(store, FakeOther(said=why))
        await insert(store, [entry(1, user_id="amy")])
        shadows.offer(made(1))
        await shadows.turn()
        assert await said_in(store) == [("amy", f"{1:032x}", None, None, None)]
        assert shadows.totals[why] == 1

    with_store(location, test)


def test_a_journal_that_is_late_is_waited_for_once(location: Location) -> None:
    async def test(store: Store) -> None:
        shadows = shadows_of(store, FakeOther())
        shadows.offer(made(1))
        shadows.offer(made(2, "bob"))
        await shadows.turn()
        await insert(store, [entry(1, user_id="amy")])
        await shadows.turn()
        assert (shadows.totals["kept"], shadows.totals["unplaced"]) == (1, 1)
        await insert(store, [entry(2, user_id="bob")])
        await shadows.turn()
        assert [row[2] for row in await said_in(store)] == ["fallback", None]

    with_store(location, test)


def test_a_later_decision_of_another_worker_keeps_no_shadow_of_this_one(location: Location) -> None:
    async def test(store: Store) -> None:
        shadows = shadows_of(store, FakeOther())
        await insert(store, [entry(1, user_id="amy"), entry(2, user_id="amy")])
        shadows.offer(made(1))
        await shadows.turn()
        await shadows.turn()
        assert await said_in(store) == [("amy", f"{2:032x}", None, None, None)]
        assert (shadows.totals["kept"], shadows.totals["unplaced"]) == (0, 1)

    with_store(location, test)


def test_a_store_that_is_away_ends_nothing_and_is_tried_once_more(tmp_path: Path) -> None:
    location = STORES["sqlite"](tmp_path)

    async def test(store: Store) -> None:
        shadows = shadows_of(store, FakeOther())
        shadows.offer(made(1))
        await store.stop()
        await shadows.turn()
        await shadows.turn()
        assert (shadows.totals["kept"], shadows.totals["unplaced"]) == (0, 1)

    with_store(location, test)


def test_what_finds_no_room_is_counted_and_a_later_decision_on_a_waiting_bar_needs_none(tmp_path: Path) -> None:
    location = STORES["sqlite"](tmp_path)

    async def test(store: Store) -> None:
        other = FakeOther()
        shadows = shadows_of(store, other)
        for number in range(MOST_WAITING):
            shadows.offer(made(number, f"user{number}"))
        shadows.offer(made(MOST_WAITING, "one-more"))
        shadows.offer(made(MOST_WAITING + 1, "user0"))
        assert shadows.totals["no_room"] == 1
        await shadows.turn()
        # Those that have waited longest, so many in a turn.
        assert other.asked == [f"{number:032x}" for number in (MOST_WAITING + 1, *range(1, MOST_AT_ONCE))]

    with_store(location, test)


def test_others_have_nine_tenths_of_the_time(tmp_path: Path) -> None:
    location = STORES["sqlite"](tmp_path)

    async def test(store: Store) -> None:
        slept = Slept()
        other = FakeOther(takes_s=0.01)
        shadows = shadows_of(store, other, slept)
        for number in range(2 * ASKED_AT_ONCE + 5):
            shadows.offer(made(number, f"user{number}"))
        await shadows.turn()
        long_s, short_s = REST * ASKED_AT_ONCE * 0.01, REST * 5 * 0.01
        assert slept.seconds == pytest.approx([long_s, long_s, short_s])

    with_store(location, test)


def test_it_asks_again_and_again_with_a_pause(tmp_path: Path) -> None:
    location = STORES["sqlite"](tmp_path)

    async def test(store: Store) -> None:
        slept, other = Slept(), FakeOther()
        shadows = shadows_of(store, other, slept)
        running = asyncio.get_running_loop().create_task(shadows.run())
        for number in (1, 2):
            shadows.offer(made(number))
            await eventually(lambda number=number: len(other.asked) == number)
        running.cancel()
        assert slept.seconds[0] == PAUSE_S

    with_store(location, test)
