"""Each source of outcomes that a plan may name has days; those of the ledger add up to what the ledger says."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import update

from ab.account import Costs
from ab.outcomes import UnitDay
from ab.plan import OutcomeSource
from ab.requests import CommandRequest
from ab.state import Command, ExperimentState, Step
from adapters.store.engine import Location, Store
from adapters.store.ledger import arm_profits, holdings
from adapters.store.order_rows import order_values
from adapters.store.outcomes import save_outcomes
from adapters.store.trading_tables import orders
from tests.fakes.advisers import agent
from tests.fakes.experiments import after, plan, request, running
from tests.fakes.exposures import START_S, Exposing, entries, hourly
from tests.fakes.fills import fill, place
from tests.fakes.journals import insert
from tests.fakes.market import HOUR_S, FakeMarket
from tests.fakes.stores import STORES
from tests.fakes.stores import running as opened
from trading.ledger import unrealized
from trading.orders import Order, Side
from trading.vocabulary import Arm, Bar
from wiring.analysis import find, money_days
from wiring.evidence import Evidence, Question, gather
from wiring.stores import OpenStore
from wiring.unit_days import SOURCES, Terms

TERMS = Terms(costs=Costs(fee_bps=10.0, spread_bps=2.0), dead_band=0.02)
CAPITAL = 1_000.0
ANNA = agent(user_id="anna", symbols=("BTC",), capital_usd=CAPITAL)
# Each hour closes a dollar above the one before.
CLOSES = [100.0 + hour for hour in range(100)]


def test_a_plan_may_name_the_sources_that_there_are() -> None:
    assert set(SOURCES) == set(OutcomeSource)


@pytest.fixture(params=list(STORES))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """A fresh store with its tables, on each database in turn."""
    return STORES[request.param](tmp_path)


def begun() -> ExperimentState:
    """An experiment that began at the start and reads the ledger."""
    state = running(analysis=replace(plan().analysis, source=OutcomeSource.LEDGER))
    return replace(state, steps=(Step(stage=0, share=0.1, since_s=float(START_S)),))


def exposed(hours: float = 2, **changes: object) -> Exposing:
    made = Exposing(user_id="anna", arm=Arm.RL, hours=hours, target=1.0, price=100.0 + hours, agent=ANNA)
    return replace(made, **changes)  # type: ignore[arg-type]


def within(location: Location, main: Callable[[Store], Coroutine[None, None, None]], *exposing: Exposing) -> None:
    async def run() -> None:
        async with opened(location) as store:
            await insert(store, entries(exposing))
            await main(store)

    asyncio.run(run())


def evidence(
    location: Location, *, hours: float, state: ExperimentState | None = None, bars: Sequence[Bar] | None = None
) -> Evidence:
    at_s = START_S + hours * HOUR_S
    market = FakeMarket({"BTC": hourly(CLOSES) if bars is None else bars}, now_s=at_s)
    with OpenStore(location) as store:
        return gather(store, market, TERMS, Question(state=state or begun(), at_s=at_s), wall_s=at_s)


def states(days: Sequence[UnitDay]) -> str:
    """The first letter of the state of each day."""
    return "".join(unit.state.value[0] for unit in days)


def test_the_days_of_the_ledger_add_up_to_what_it_says(location: Location) -> None:
    said: list[Decimal] = []

    async def main(store: Store) -> None:
        await fill(store, await place(store, "a", Side.BUY, "2.5", hours=2), price="102.25")
        await fill(store, await place(store, "b", Side.SELL, "1.125", hours=30), price="131")
        await fill(store, await place(store, "c", Side.SELL, "3", hours=50), price="149.5", fee="0.75")
        (held,) = await store.read(holdings("anna"))
        said.append(unrealized(held.position, Decimal(CLOSES[72])))
        said.extend(profit.realized - profit.fees for profit in await store.read(arm_profits("anna")))

    within(location, main, exposed())
    found = evidence(location, hours=73)
    assert states(found.days) == "kkkl"
    earned = [(unit.net_bps or 0.0) / 10_000 * CAPITAL for unit in found.days[:3]]
    assert earned[0] == pytest.approx(2.5 * (124.0 - 102.25) - 0.5)
    assert sum(earned) == pytest.approx(float(sum(said)))
    assert {one.source for one in found.fresh} == {"ledger"}
    assert find(found).complete


def test_a_loss_of_a_position_that_is_open_is_in_its_day(location: Location) -> None:
    async def main(store: Store) -> None:
        await fill(store, await place(store, "a", Side.BUY, "5", hours=2), price="102")

    within(location, main, exposed())
    crash = evidence(location, hours=25, bars=hourly([100.0] * 10 + [50.0] * 20))
    assert crash.days[0].net_bps == pytest.approx(-(5 * 52.0 + 0.5) / CAPITAL * 10_000)


def test_a_day_is_late_until_its_orders_have_ended_and_their_fees_are_told(location: Location) -> None:
    working: list[Order] = []

    async def trade(store: Store) -> None:
        working.append(await place(store, "a", Side.BUY, "1", hours=2))
        await fill(store, await place(store, "b", Side.BUY, "1", hours=26), price="126", fee=None)

    within(location, trade, exposed())
    assert states(evidence(location, hours=47).days) == "ll"
    assert states(evidence(location, hours=49).days) == "mll"
    within(location, lambda store: fill(store, working[0], price="102", hours=48.5))
    assert states(evidence(location, hours=49).days) == "kll"
    assert states(evidence(location, hours=73).days) == "kmkl"


def test_what_was_known_stays_known_when_its_bars_are_gone(location: Location) -> None:
    async def main(store: Store) -> None:
        await fill(store, await place(store, "a", Side.BUY, "1", hours=2), price="102")

    within(location, main, exposed())
    first = evidence(location, hours=49)
    with OpenStore(location) as store:
        store.write(save_outcomes(first.fresh))
    again = evidence(location, hours=73, bars=hourly(CLOSES)[60:])
    assert states(again.days) == "kkml"
    assert again.days[:2] == first.days[:2]


def test_another_capital_is_not_added_to_the_first(location: Location) -> None:
    richer = replace(ANNA, config=replace(ANNA.config, capital_usd=2 * CAPITAL))

    async def main(store: Store) -> None:
        await fill(store, await place(store, "a", Side.BUY, "1", hours=2), price="102")

    within(location, main, exposed(), exposed(30, agent=richer))
    found = evidence(location, hours=73)
    assert states(found.days) == "kmmm"
    assert {unit.capital_usd for unit in found.days} == {CAPITAL}


def ended(hours: float, *later: CommandRequest) -> ExperimentState:
    """As it begun, rolled back so many hours after the start, and what was commanded later."""
    at_s = START_S + hours * HOUR_S
    state = after(Command.START, request(Command.ROLLBACK, at_s=at_s, market_s=at_s), *later, of=begun().plan)
    return replace(state, steps=(*begun().steps, Step(stage=0, share=0.0, since_s=at_s)))


def test_a_later_command_changes_nothing_of_what_an_ended_run_earned(location: Location) -> None:
    async def main(store: Store) -> None:
        await fill(store, await place(store, "a", Side.BUY, "1", hours=2), price="102")
        # A market that began anew after the run: its hour is one of the run's.
        later = await place(store, "b", Side.SELL, "1", hours=52)
        await fill(store, replace(later, market_s=START_S + 3.0 * HOUR_S), price="1", hours=52)

    within(location, main, exposed())
    killed_s = START_S + 60.0 * HOUR_S
    killed = request(Command.KILL, at_s=killed_s, market_s=killed_s)
    for state in (ended(50), ended(50, killed)):
        assert [unit.turnover for unit in evidence(location, hours=73, state=state).days] == pytest.approx(
            [0.102, 0, 0]
        )


def test_what_was_ordered_after_the_run_is_not_its_and_what_was_filled_after_it_is(location: Location) -> None:
    async def main(store: Store) -> None:
        await fill(store, await place(store, "a", Side.BUY, "1", hours=2), price="102")
        last = await place(store, "b", Side.SELL, "0.5", hours=3)
        await fill(store, await place(store, "c", Side.BUY, "1", hours=50.5), price="150")
        await fill(store, last, price="1", hours=51)

    within(location, main, exposed())
    days = evidence(location, hours=73, state=ended(50)).days
    assert [unit.turnover for unit in days] == pytest.approx([0.1025, 0, 0])
    assert days[0].net_bps == pytest.approx((0.5 * 124.0 + 0.5 - 102.0 - 1.0) * 10)


def test_what_is_ordered_after_the_run_is_not_waited_for(location: Location) -> None:
    async def main(store: Store) -> None:
        # A market that began anew: its hour is one of the run's.
        later = replace(await place(store, "a", Side.BUY, "1", hours=60), market_s=START_S + 3.0 * HOUR_S)
        mine = orders.c.client_order_id == "a"
        await store.write(lambda connection: connection.execute(update(orders).where(mine).values(order_values(later))))

    within(location, main, exposed())
    assert states(evidence(location, hours=73, state=ended(50)).days) == "kkl"
    assert states(evidence(location, hours=73).days) == "mmll"


def test_what_was_held_at_the_entry_is_in_the_account_whether_it_is_sold_or_kept(location: Location) -> None:
    kept = replace(ANNA, user_id="bill")

    async def main(store: Store) -> None:
        await fill(store, await place(store, "a", Side.BUY, "1", hours=-5), price="90")
        await fill(store, await place(store, "b", Side.BUY, "1", hours=-5, user_id="bill"), price="90")
        await fill(store, await place(store, "c", Side.SELL, "1", hours=3), price="103", fee="0")

    within(location, main, exposed(), exposed(user_id="bill", agent=kept))
    days = evidence(location, hours=49).days
    earned = {(unit.user_id, unit.day - days[0].day): (unit.net_bps or 0.0) / 10 for unit in days}
    assert [earned["anna", day] for day in range(2)] == pytest.approx([1.0, 0.0])
    assert [earned["bill", day] for day in range(2)] == pytest.approx([22.0, 24.0])


def test_a_word_comes_with_each_page_of_fills_and_between_the_readings_before(location: Location) -> None:
    async def main(store: Store) -> None:
        await fill(store, await place(store, "a", Side.BUY, "1", hours=2), price="102")

    within(location, main, exposed())
    told: list[int] = []
    at_s = START_S + 49 * HOUR_S
    market = FakeMarket({"BTC": hourly(CLOSES)}, now_s=at_s)
    with OpenStore(location) as store:
        gather(store, market, TERMS, Question(state=begun(), at_s=at_s), wall_s=at_s, progress=told.append)
    assert told[-4:] == [0, 0, 0, 1]


def test_who_has_no_agent_earned_nothing(location: Location) -> None:
    async def main(_: Store) -> None:
        """Nobody trades."""

    within(location, main, exposed(agent=None))
    found = evidence(location, hours=25)
    assert [(unit.state.value, unit.net_bps) for unit in found.days] == [("known", 0.0), ("late", 0.0)]


def test_money_in_usd_is_known_beside_users_who_have_no_agent_and_never_traded(location: Location) -> None:
    async def main(store: Store) -> None:
        await fill(store, await place(store, "a", Side.BUY, "5", hours=2), price="102")

    within(location, main, exposed(), exposed(user_id="bob", agent=None))
    found = evidence(location, hours=25)
    money = find(found).money[Arm.RL]
    usd = 5 * (124.0 - 102.0) - 0.5
    assert (money.users, money.users_traded, money.user_days) == (2, 1, 2)
    assert (money.net_usd, money.fees_usd) == pytest.approx((usd, 0.5))
    assert money.net_bps == pytest.approx(usd / CAPITAL * 10_000 / 2)
    assert [day.net_usd[Arm.RL] for day in money_days(found)] == pytest.approx([usd])
