"""What a caller tells of a decision is kept once: the same again is the same, another figure is refused."""

import asyncio
from dataclasses import replace

import pytest

from adapters.store.engine import Location
from adapters.store.reported_outcomes import ReportedOutcome, find_reported, read_reported, save_reported
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.errors import OutcomeDiffers

TOLD = ReportedOutcome(
    decision_id="0" * 32,
    user_id="amy",
    experiment="default",
    run=1,
    market_s=1_700_000_000.25,
    net_bps=-3.5,
    net_usd=None,
    at_s=1_760_000_000.5,
    document='{"net_bps": -3.5, "note": "ü"}',
)


def test_what_was_told_is_read_back_by_user_and_market_time(location: Location) -> None:
    later = replace(TOLD, decision_id="1" * 32, market_s=TOLD.market_s + 60, net_bps=None, net_usd=4.0)
    bob = replace(TOLD, decision_id="2" * 32, user_id="bob", net_usd=1.0)
    others = [replace(TOLD, decision_id="3" * 32, run=2), replace(TOLD, decision_id="4" * 32, experiment="other")]

    async def main() -> None:
        async with running(location) as store:
            for told in (bob, later, TOLD, *others):
                assert await store.write(save_reported(told)) == told
            assert await store.read(read_reported("default", 1)) == [TOLD, later, bob]
            assert await store.read(find_reported(bob.decision_id)) == bob
            assert await store.read(find_reported("9" * 32)) is None

    run(main())


def test_the_same_again_is_the_same_whenever_it_comes(location: Location) -> None:
    async def main() -> None:
        async with running(location) as one, running(location) as two:
            telling = [store.write(save_reported(TOLD), within_s=30) for store in (one, two, one, two)]
            assert await asyncio.gather(*telling) == [TOLD] * 4
            assert await one.write(save_reported(replace(TOLD, at_s=TOLD.at_s + 60))) == TOLD
            assert await one.read(read_reported("default", 1)) == [TOLD]

    run(main())


@pytest.mark.parametrize("other", [{"net_bps": 3.5}, {"net_usd": 1.0}, {"document": "{}"}, {"user_id": "bob"}])
def test_another_outcome_of_the_same_decision_is_refused(location: Location, other: dict[str, object]) -> None:
    async def main() -> None:
        async with running(location) as store:
            await store.write(save_reported(TOLD))
            with pytest.raises(OutcomeDiffers):
                await store.write(save_reported(replace(TOLD, **other)))  # type: ignore[arg-type]
            assert await store.read(read_reported("default", 1)) == [TOLD]

    run(main())


@pytest.mark.parametrize("field", ["net_bps", "net_usd", "market_s", "at_s"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused_and_named(field: str, number: float) -> None:
    with pytest.raises(ValueError, match=rf"{field}: .* is not a finite number"):
        save_reported(replace(TOLD, **{field: number}))  # type: ignore[arg-type]


def test_an_outcome_without_a_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="an outcome has one of them"):
        save_reported(replace(TOLD, net_bps=None))
