"""Of the exposures of a run those are marked, and counted, that come from a user's beginning on."""

from collections.abc import Sequence
from itertools import product

import pytest

from ab.metrics import Served
from ab.outcomes import Series
from adapters.store.exposure_marks import Mark
from adapters.store.exposures import FirstExposure
from trading.vocabulary import Arm, AssignmentReason, FailureReason
from wiring.exposed import Counted

HOURS = range(0, 6 * 3600, 3600)
FAILED = FailureReason.POLICY_NAN.value


def mark(
    user_id: str, at_s: int, assigned: str = "rl", served: str = "rl", why: str = "hash", symbol: str = "BTC"
) -> Mark:
    return user_id, symbol, at_s, assigned, served, why, 100.0 + at_s, at_s / 4


def arrival(user_id: str, at_s: int, arm: Arm) -> FirstExposure:
    return FirstExposure(user_id=user_id, market_s=at_s + 1.0, bar_close_s=at_s, arm=arm, propensity=0.5)


def paged(marks: Sequence[Mark], size: int) -> list[Sequence[Mark]]:
    return [marks[place : place + size] for place in range(0, len(marks), size)]


def advice(series: Sequence[Series]) -> dict[tuple[str, str], list[float]]:
    """At what times each user has advice in each symbol, over all parts."""
    found: dict[tuple[str, str], list[float]] = {}
    for one in series:
        assert all(each == (each[0], 100.0 + each[0], each[0] / 4) for each in one.advice)
        found.setdefault((one.user_id, one.symbol), []).extend(each[0] for each in one.advice)
    return found


@pytest.mark.parametrize("page", [1, 2, 4, 5, 100])
def test_a_user_is_marked_from_the_entry_or_the_first_policy_on_wherever_a_page_ends(page: int) -> None:
    users = ("compared", "never", "override")
    marks = [mark(user, at_s, symbol=symbol) for user, symbol, at_s in product(users, ("BTC", "ETH"), HOURS)]
    counted = Counted([arrival("compared", HOURS[2], Arm.RL)], {"override": HOURS[4]})

    found = advice(list(counted.exposed(paged(marks, page))))

    assert found == {
        (user, symbol): list(HOURS[first:])
        for user, first in (("compared", 2), ("override", 4))
        for symbol in ("BTC", "ETH")
    }


def test_who_is_served_later_than_compared_is_marked_again_from_then_on() -> None:
    marks = [mark(user, at_s) for user in ("both", "once") for at_s in HOURS]
    counted = Counted(
        [arrival("both", HOURS[1], Arm.FALLBACK), arrival("once", HOURS[1], Arm.RL)],
        {"both": HOURS[3], "once": HOURS[1]},
    )

    assert advice(list(counted.exposed_again(paged(marks, 4)))) == {("both", "BTC"): list(HOURS[3:])}
    assert [counted.guarded(user) for user in ("both", "once")] == [False, True]


@pytest.mark.parametrize("page", [1, 3, 100])
def test_answers_count_from_the_entry_on_while_the_experiment_runs(page: int) -> None:
    marks = [
        mark("ann", HOURS[0], "rl", "fallback", FAILED),
        mark("ann", HOURS[1]),
        mark("ann", HOURS[2], "rl", "fallback", FAILED),
        mark("ann", HOURS[3], "fallback", "fallback", AssignmentReason.PAUSED.value),
        mark("bob", HOURS[1], "fallback", "fallback"),
        mark("cid", HOURS[1], "rl", "fallback", FAILED),
    ]
    counted = Counted([arrival("ann", HOURS[1], Arm.RL), arrival("bob", HOURS[1], Arm.FALLBACK)], {})
    assert counted.failed_share() is None

    list(counted.exposed(paged(marks, page)))

    assert counted.served(Arm.RL) == Served(exposures=2, as_assigned=1, failed=1)
    assert counted.served(Arm.FALLBACK) == Served(exposures=1, as_assigned=1, failed=0)
    # Of everybody at any time: three of the four times that the policy was asked.
    assert counted.failed_share() == 0.75
