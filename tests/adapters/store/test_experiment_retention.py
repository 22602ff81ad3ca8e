"""What users met and earned in experiments is kept for 400 days, the experiments and their logs for ever."""

from dataclasses import replace

from adapters.store.engine import Location, Store
from adapters.store.experiment_retention import KEPT_S
from adapters.store.experiments import ExperimentChange, LoggedEvent, change_experiment, list_experiments, read_events
from adapters.store.journal_rows import Entry
from adapters.store.outcomes import Outcome, read_outcomes, save_outcomes
from adapters.store.reported_outcomes import ReportedOutcome, read_reported, save_reported
from adapters.store.retention import Keep, sweep
from tests.fakes.journals import START_S, decision, insert, journalled, rows_of
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.vocabulary import Arm

DAY_S = 86_400.0
NOW_S = START_S + 1000 * DAY_S
OLD_S, YOUNG_S = NOW_S - KEPT_S - 1, NOW_S - KEPT_S + 1
KEEP = Keep(decisions_s=30 * DAY_S, results_s=DAY_S, answers_s=DAY_S)
OUTCOME = Outcome(
    experiment="default",
    run=1,
    user_id="amy",
    day="2026-01-31",
    arm=Arm.RL,
    source="as_if",
    state="known",
    net_bps=1.0,
    fees_bps=1.0,
    turnover=1.0,
    capital_usd=1.0,
    marked_at_s=OLD_S,
)
TOLD = ReportedOutcome(
    decision_id="old",
    user_id="amy",
    experiment="default",
    run=1,
    market_s=1.0,
    net_bps=1.0,
    net_usd=None,
    at_s=OLD_S,
    document="{}",
)
CREATED = ExperimentChange(
    event=LoggedEvent(number=1, at_s=1.0, market_s=1.0, by="operator", command="create", detail="{}"),
    document="{}",
    in_force=True,
)


async def fill(store: Store) -> None:
    await store.write(change_experiment("default", lambda *_: CREATED))
    times = ((1, "old", OLD_S), (2, "young", YOUNG_S))
    await insert(store, [Entry(decision=decision(n, user_id=user), decided_at_s=at_s) for n, user, at_s in times])
    await store.write(save_outcomes([OUTCOME, replace(OUTCOME, user_id="bob", marked_at_s=YOUNG_S)]))
    for told in (TOLD, replace(TOLD, decision_id="young", at_s=YOUNG_S)):
        await store.write(save_reported(told))


def test_after_400_days_exposures_and_outcomes_end_and_experiments_stay(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            await fill(store)
            swept = await sweep(store, KEEP, now_s=NOW_S)
            assert (swept.exposures, swept.outcomes) == (1, 2)
            assert await journalled(store) == []
            assert await rows_of(store, "SELECT user_id FROM exposures") == [("young",)]
            assert [kept.user_id for kept in await store.read(read_outcomes("default", 1))] == ["bob"]
            assert [told.decision_id for told in await store.read(read_reported("default", 1))] == ["young"]
            assert await store.read(read_events("default", after=0, limit=9)) == [CREATED.event]
            assert [kept.key for kept in await store.read(list_experiments())] == ["default"]

    run(main())
