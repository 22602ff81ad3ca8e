"""Every decision under an experiment is an exposure: one for each user, symbol and bar, the last one wins."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.store.connections import StoreConnection
from adapters.store.engine import Location, Store
from adapters.store.exposure_marks import Mark, stream_marks
from adapters.store.exposures import FirstExposure, first_exposures
from adapters.store.journal import Journal
from adapters.store.journal_rows import Batch, Entry, InsertBatch, encode, joined
from adapters.store.spool import Spool
from tests.fakes.journals import START_S, decision, insert, journalled, row, rows_of
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.agents import ExecutionMode
from trading.vocabulary import Action, Arm, Assignment, AssignmentReason, FailureReason

HOUR_S = 3600
# A bar's close.
BAR_S = 1_700_000_000 // HOUR_S * HOUR_S
ASSIGNED = Assignment(
    experiment="default",
    version=3,
    run=1,
    arm=Arm.RL,
    reason=AssignmentReason.HASH,
    stage="ramp",
    propensity=0.5,
)


def exposed(
    number: int,
    *,
    user_id: str = "amy",
    symbol: str = "BTC",
    bar: int = 0,
    after_s: float = 1.0,
    target: float = 1.0,
    assigned: Assignment = ASSIGNED,
) -> Entry:
    """A numbered decision `after_s` seconds after the close of a bar, made `number` seconds after START_S."""
    made = decision(number, user_id=user_id, symbol=symbol)
    assert made.market is not None
    closed_s = float(BAR_S + bar * HOUR_S)
    market = replace(made.market, as_of_s=closed_s, now_s=closed_s + after_s, close=100.0 + bar)
    made = replace(made, market=market, assignment=assigned, target_exposure=target, refused_by=())
    return Entry(decision=made, decided_at_s=START_S + number)


def changed(made: Entry, **fields: object) -> Entry:
    return made._replace(decision=replace(made.decision, **fields))  # type: ignore[arg-type]


def mark(made: Entry) -> Mark:
    """What shall be read of a decision that is an exposure, its experiment's arm as assigned."""
    decided = made.decision
    assert decided.market is not None
    return (
        decided.signal.user_id,
        decided.signal.symbol,
        int(decided.market.as_of_s),
        decided.assignment.arm,
        decided.served_arm,
        decided.assignment.reason,
        decided.market.close,
        decided.target_exposure,
    )


async def streamed(store: Store, experiment: str = "default", run: int = 1) -> list[Mark]:
    return [tuple(one) async for found in stream_marks(store, experiment, run) for one in found]


async def decisions_of(store: Store) -> list[int]:
    found = await rows_of(store, "SELECT decision_id FROM exposures ORDER BY user_id, symbol, bar_close")
    return [int(str(decision_id), 16) for (decision_id,) in found]


def test_a_decision_under_an_experiment_is_read_back_as_an_exposure(location: Location) -> None:
    agent = exposed(1, target=0.1 + 0.2)
    assert agent.decision.agent is not None
    assert agent.decision.agent.config.execution is ExecutionMode.PAPER
    alone = changed(exposed(2, user_id="bob"), agent=None, action=Action.HOLD, served_arm=Arm.HOLD)

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [agent, alone])
            assert await streamed(store) == [mark(agent), mark(alone)]
            told = "SELECT executes, mode, capital_usd, symbols FROM exposures ORDER BY user_id"
            assert await rows_of(store, told) == [(True, "paper", 10_000.0, 1), (False, None, None, None)]

    run(main())


def test_the_row_says_which_arm_was_assigned_which_answered_and_why(location: Location) -> None:
    failed = changed(exposed(7), served_arm=Arm.FALLBACK, failure=FailureReason.POLICY_TIMEOUT)

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [failed])
            told = (
                failed.decision.request_id,
                START_S + 7,
                BAR_S + 1.0,
                "rl",
                "fallback",
                "policy_timeout",
                0.5,
                "ramp",
            )
            assert await rows_of(
                store,
                "SELECT decision_id, decided_at, market_at, assigned_arm, served_arm, reason, propensity, stage"
                " FROM exposures",
            ) == [told]
            position = failed.decision.position_exposure
            assert await rows_of(
                store, "SELECT position_exposure, shadow_arm, shadow_target, shadow_action FROM exposures"
            ) == [(position, None, None, None)]

    run(main())


def test_who_answers_for_an_open_position_is_told_as_the_reason(location: Location) -> None:
    held = changed(exposed(1), served_arm=Arm.FALLBACK, held_arm=Arm.FALLBACK)

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [held])
            assert await rows_of(store, "SELECT assigned_arm, served_arm, reason FROM exposures") == [
                ("rl", "fallback", "position_hold")
            ]

    run(main())


def test_an_advice_to_keep_what_is_held_names_no_target(location: Location) -> None:
    kept = exposed(1, target=0.0)
    kept = changed(kept, advice=replace(kept.decision.advice, keeps=True))

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [kept])
            assert await streamed(store) == [(*mark(kept)[:-1], None)]

    run(main())


@pytest.mark.parametrize("reason", list(AssignmentReason))
def test_whatever_is_served_while_a_run_goes_on_is_an_exposure(location: Location, reason: AssignmentReason) -> None:
    made = exposed(1, assigned=replace(ASSIGNED, reason=reason, propensity=None))

    async def main() -> None:
        async with running(location) as store:
            await insert(store, [made])
            assert await streamed(store) == [mark(made)]

    run(main())


NAN = float("nan")
MARKET = exposed(1).decision.market
assert MARKET is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"market": None},
        {"assignment": replace(ASSIGNED, run=0)},
        {"market": replace(MARKET, as_of_s=NAN)},
        {"market": replace(MARKET, as_of_s=float("inf"))},
        {"market": replace(MARKET, as_of_s=-1.0)},
        {"market": replace(MARKET, as_of_s=1e300)},
        {"market": replace(MARKET, now_s=NAN)},
        {"market": replace(MARKET, close=NAN)},
        {"target_exposure": NAN},
        {"position_exposure": float("-inf")},
    ],
)
def test_a_decision_that_cannot_be_an_exposure_is_journalled_all_the_same(
    location: Location, fields: dict[str, object]
) -> None:
    async def main() -> None:
        async with running(location) as store:
            await insert(store, [changed(exposed(1), **fields), exposed(2, user_id="bob")])
            assert await journalled(store) == [1, 2]
            assert await decisions_of(store) == [2]

    run(main())


def test_the_last_decision_on_a_bar_wins_in_whatever_order_they_arrive(location: Location) -> None:
    made = [exposed(number, target=number / 100) for number in range(60)]
    chance = random.Random(3)

    async def main() -> None:
        async with running(location) as store:
            chance.shuffle(made)
            for first in range(0, 60, 20):
                await insert(store, made[first : first + 20])
            assert [target for *_, target in await streamed(store)] == [0.59]

    run(main())


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("reason", [AssignmentReason.ROLLED_BACK, AssignmentReason.KILLED])
def test_what_is_decided_after_a_run_is_over_takes_the_place_of_nothing_in_it(
    location: Location, reason: AssignmentReason, together: bool
) -> None:
    over = replace(ASSIGNED, arm=Arm.FALLBACK, reason=reason, propensity=None)
    before = [exposed(1, target=0.1), exposed(2, target=0.2)]
    # A market that began anew has the bar again.
    after = [exposed(3, target=0.3, assigned=over), exposed(4, bar=1, target=0.4, assigned=over)]
    orders = {"amy": [*before, *after], "bob": [*after, *reversed(before)]}

    async def main() -> None:
        async with running(location) as store:
            for place, (user, made) in enumerate(orders.items()):
                mine = [
                    changed(
                        one,
                        signal=replace(one.decision.signal, user_id=user),
                        request_id=f"{int(one.decision.request_id, 16) + 10 * place:032x}",
                    )
                    for one in made
                ]
                for batch in [mine] if together else [[one] for one in mine]:
                    await insert(store, batch)
            assert [target for *_, target in await streamed(store)] == [0.2, 0.4] * 2

    run(main())


def test_of_two_decisions_at_the_same_time_the_same_one_wins_in_either_order(location: Location) -> None:
    one, two = exposed(1), exposed(2)._replace(decided_at_s=START_S + 1)

    async def main() -> None:
        async with running(location) as store:
            for user, order in (("amy", [one, two]), ("bob", [two, one])):
                for made in order:
                    signal = replace(made.decision.signal, user_id=user)
                    number = int(made.decision.request_id, 16) + (0 if user == "amy" else 10)
                    await insert(store, [changed(made, signal=signal, request_id=f"{number:032x}")])
            assert await decisions_of(store) == [2, 12]

    run(main())


def test_users_symbols_bars_and_runs_have_an_exposure_each(location: Location) -> None:
    again = replace(ASSIGNED, run=2)
    other = replace(ASSIGNED, experiment="other")
    made = [
        exposed(1),
        exposed(2, user_id="bob"),
        exposed(3, symbol="ETH"),
        exposed(4, bar=1),
        exposed(5, assigned=again),
        exposed(6, assigned=other),
    ]

    async def main() -> None:
        async with running(location) as store:
            await insert(store, made)
            first, bob, ether, later, *_ = [mark(one) for one in made]
            assert await streamed(store) == [first, later, ether, bob]
            assert await streamed(store, run=2) == [mark(made[4])]
            assert await streamed(store, "other") == [mark(made[5])]
            assert await streamed(store, "none") == []

    run(main())


def test_a_batch_repeated_changes_nothing(location: Location) -> None:
    made = [exposed(number, user_id=f"user {number % 7}") for number in range(50)]

    async def everything(store: Store) -> list[tuple[object, ...]]:
        return await rows_of(store, "SELECT * FROM exposures ORDER BY user_id")

    async def main() -> None:
        async with running(location) as store:
            await insert(store, made)
            before = await everything(store)
            await insert(store, made)
            await insert(store, made[:10])
            assert await everything(store) == before
            assert len(before) == 7

    run(main())


def test_processes_that_decide_on_the_same_bars_in_any_order_agree_on_the_last(location: Location) -> None:
    chance = random.Random(11)

    def shuffled(part: int) -> Sequence[Entry]:
        numbers = chance.sample(range(100), 100)
        return [exposed(100 * part + number, user_id=f"user {number % 20:02}") for number in numbers]

    async def main() -> None:
        async with running(location) as one, running(location) as other:
            for round_ in range(5):
                await asyncio.gather(*(insert(store, shuffled(2 * round_ + n)) for n, store in enumerate((one, other))))
            assert await decisions_of(one) == list(range(980, 1000))

    run(main())


def test_what_an_earlier_version_spooled_is_brought_in_without_exposures(location: Location) -> None:
    batch = encode([exposed(1), exposed(2, user_id="bob")], row)
    older = replace(batch, rows=json.dumps([columns[:14] for columns in json.loads(batch.rows)]))

    async def main() -> None:
        async with running(location) as store:
            await store.write(InsertBatch(batch=Batch.from_bytes(older.to_bytes())))
            assert await journalled(store) == [1, 2]
            assert await decisions_of(store) == []

    run(main())


def test_the_spool_and_halves_of_a_batch_keep_the_exposures(location: Location) -> None:
    made = [exposed(number, user_id=f"user {number}") for number in range(5)]
    halves = Batch.from_bytes(encode(made, row).to_bytes()).split()
    assert halves is not None

    async def main() -> None:
        async with running(location) as store:
            for half in halves:
                await store.write(InsertBatch(batch=half))
            assert await decisions_of(store) == [0, 1, 2, 3, 4]

    run(main())


def test_an_empty_batch_beside_another_in_one_transaction_takes_nothing_from_it(location: Location) -> None:
    async def all_of_them(connection: StoreConnection) -> None:
        for batch in (joined([]), encode([exposed(1)], row), joined([]), encode([exposed(2, user_id="bob")], row)):
            await InsertBatch(batch=batch)(connection)

    async def main() -> None:
        async with running(location) as store:
            await store.write(all_of_them)
            assert await decisions_of(store) == [1, 2]

    run(main())


def test_a_transaction_that_failed_leaves_no_exposures_to_the_next(location: Location) -> None:
    async def main() -> None:
        async with running(location) as store:
            journal = Journal(store, Spool(Path("/nowhere")), to_row=row)

            async def fails(connection):  # type: ignore[no-untyped-def]
                await journal.insert(connection, [exposed(1)])
                raise RuntimeError("a fault")

            with pytest.raises(RuntimeError):
                await store.write(fails)
            await insert(store, [exposed(2, user_id="bob")])
            assert await decisions_of(store) == [2]
            assert await journalled(store) == [2]

    run(main())


def test_the_first_exposure_of_a_user_is_the_first_that_was_compared(location: Location) -> None:
    outside = replace(ASSIGNED, arm=Arm.FALLBACK, reason=AssignmentReason.OUTSIDE, propensity=None)
    control = replace(ASSIGNED, arm=Arm.FALLBACK)
    forced = replace(ASSIGNED, arm=Arm.FALLBACK, reason=AssignmentReason.OVERRIDE, propensity=None)
    made = [
        exposed(1, user_id="amy", bar=0, assigned=outside),
        exposed(2, user_id="amy", symbol="ETH", bar=2),
        exposed(3, user_id="amy", bar=3, assigned=forced),
        exposed(4, user_id="bob", bar=1, assigned=control, after_s=9.0),
        exposed(5, user_id="bob", bar=5, assigned=control),
        exposed(6, user_id="cyd", bar=1, assigned=outside),
        exposed(7, user_id="dan", bar=1, after_s=2.0),
        exposed(8, user_id="eve", bar=0, assigned=replace(ASSIGNED, run=2)),
    ]

    async def main() -> None:
        async with running(location) as store:
            await insert(store, made[::-1])
            assert await store.read(first_exposures("default", 1)) == [
                FirstExposure(
                    user_id="dan", market_s=BAR_S + HOUR_S + 2.0, bar_close_s=BAR_S + HOUR_S, arm=Arm.RL, propensity=0.5
                ),
                FirstExposure(
                    user_id="bob",
                    market_s=BAR_S + HOUR_S + 9.0,
                    bar_close_s=BAR_S + HOUR_S,
                    arm=Arm.FALLBACK,
                    propensity=0.5,
                ),
                FirstExposure(
                    user_id="amy",
                    market_s=BAR_S + 2 * HOUR_S + 1.0,
                    bar_close_s=BAR_S + 2 * HOUR_S,
                    arm=Arm.RL,
                    propensity=0.5,
                ),
            ]

    run(main())
