"""What a decision that acted earned is waited for until somebody tells it."""

from adapters.store.engine import Location
from adapters.store.reported_outcomes import ReportedOutcome, save_reported
from adapters.store.unreported import Acted, unreported
from tests.fakes.exposures import START_S, Exposing, entries
from tests.fakes.journals import insert
from tests.fakes.market import HOUR_S
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.vocabulary import Arm


def test_what_acted_and_nobody_reported_is_named(location: Location) -> None:
    exposing = [
        Exposing(user_id="amy", arm=Arm.RL, hours=1, target=1.0, price=100.0),
        Exposing(user_id="amy", arm=Arm.RL, hours=2, target=1.0, price=100.0),
        Exposing(user_id="bob", arm=Arm.FALLBACK, hours=1, target=1.0, price=100.0, acts=False),
    ]
    told = ReportedOutcome(
        decision_id=f"{1:032x}",
        user_id="amy",
        experiment="default",
        run=1,
        market_s=START_S + HOUR_S + 1.0,
        net_bps=1.0,
        net_usd=None,
        at_s=1.0,
        document="{}",
    )

    async def main() -> None:
        async with running(location) as store:
            await insert(store, entries(exposing))
            await store.write(save_reported(told))
            assert await store.read(unreported("default", 1)) == [
                Acted(user_id="amy", bar_close_s=START_S + 2 * HOUR_S)
            ]
            assert await store.read(unreported("default", 2)) == []

    run(main())
