"""What users' days earned is kept as it was marked last; what is not known is never a number."""

import asyncio
from dataclasses import replace

import pytest

from adapters.store.engine import Location
from adapters.store.outcomes import Outcome, find_outcome, read_outcomes, save_outcomes
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.vocabulary import Arm

OUTCOME = Outcome(
    experiment="default",
    run=1,
    user_id="amy",
    day="2026-01-31",
    arm=Arm.RL,
    source="as_if",
    state="known",
    net_bps=-12.5 / 3,
    fees_bps=1.25,
    turnover=0.5,
    capital_usd=10_000.0,
    marked_at_s=1_769_903_990.25,
)
NO_NUMBERS = {"net_bps": None, "fees_bps": None, "turnover": None, "capital_usd": None}
MISSING = replace(OUTCOME, day="2026-02-01", state="missing", **NO_NUMBERS)  # type: ignore[arg-type]


def test_the_outcome_of_one_day_is_found_and_no_other(location: Location) -> None:
    others = [replace(OUTCOME, user_id="bob"), replace(OUTCOME, run=2), replace(OUTCOME, experiment="other"), MISSING]

    async def main() -> None:
        async with running(location) as store:
            await store.write(save_outcomes([*others, OUTCOME]))
            assert await store.read(find_outcome("default", 1, "amy", "2026-01-31")) == OUTCOME
            assert await store.read(find_outcome("default", 1, "amy", "2026-02-01")) == MISSING
            assert await store.read(find_outcome("default", 1, "amy", "2026-02-02")) is None

    run(main())


def test_outcomes_are_read_back_as_they_were_saved(location: Location) -> None:
    late = replace(MISSING, day="2026-02-02", state="late")
    bob = replace(OUTCOME, user_id="bob", arm=Arm.FALLBACK, fees_bps=None, turnover=None, capital_usd=None)
    others = [replace(OUTCOME, run=2), replace(OUTCOME, experiment="other")]

    async def main() -> None:
        async with running(location) as store:
            await store.write(save_outcomes([bob, late, OUTCOME, MISSING, *others]))
        async with running(location) as again:
            assert await again.read(read_outcomes("default", 1)) == [OUTCOME, MISSING, late, bob]

    run(main())


def test_the_latest_marking_stands_whichever_comes_first(location: Location) -> None:
    earlier = replace(MISSING, day=OUTCOME.day, marked_at_s=OUTCOME.marked_at_s - 60)

    async def main() -> None:
        async with running(location) as store:
            for saved in (earlier, OUTCOME, earlier):
                await store.write(save_outcomes([saved]))
            assert await store.read(read_outcomes("default", 1)) == [OUTCOME]

    run(main())


def test_saving_the_same_again_changes_nothing(location: Location) -> None:
    async def main() -> None:
        async with running(location) as one, running(location) as two:
            many = [replace(OUTCOME, user_id=f"user {number:03}") for number in range(100)]
            saving = [
                store.write(save_outcomes(rows), within_s=30) for store in (one, two) for rows in (many, many[::-1])
            ]
            await asyncio.gather(*saving)
            await one.write(save_outcomes([]))
            assert await one.read(read_outcomes("default", 1)) == many

    run(main())


@pytest.mark.parametrize("field", ["net_bps", "fees_bps", "turnover", "capital_usd", "marked_at_s"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused_and_named(field: str, number: float) -> None:
    with pytest.raises(ValueError, match=rf"{field}: .* is not a finite number"):
        save_outcomes([OUTCOME, replace(OUTCOME, user_id="bob", **{field: number})])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (replace(OUTCOME, net_bps=None), "a known outcome has one"),
        (replace(MISSING, net_bps=0.0), "an outcome that is missing has no numbers"),
        (replace(MISSING, state="late", turnover=0.0), "an outcome that is late has no numbers"),
        (replace(OUTCOME, state="guessed"), "'guessed' is none of known, late, missing"),
        (replace(OUTCOME, day="20260131"), "not written like 2026-01-31"),
        (replace(OUTCOME, day="2026-02-30"), "day"),
    ],
)
def test_what_is_no_outcome_is_refused(wrong: Outcome, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        save_outcomes([wrong])


def test_the_same_day_of_a_user_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="the same day of a user twice"):
        save_outcomes([OUTCOME, replace(OUTCOME, net_bps=7.0)])
