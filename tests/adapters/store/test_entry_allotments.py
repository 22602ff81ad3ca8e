"""What a user traded with is kept as it was at the entry, whatever the agent is changed to later."""

from adapters.store.engine import Location
from adapters.store.entry_allotments import KeptAllotment, entry_allotments
from tests.fakes.advisers import agent
from tests.fakes.exposures import Exposing, entries
from tests.fakes.journals import insert
from tests.fakes.stores import running
from tests.fakes.waiting import run
from trading.agents import Agent, ExecutionMode
from trading.vocabulary import Arm

ONE = agent(symbols=("BTC",), capital_usd=1000.0)
RICHER = agent(symbols=(), capital_usd=1_000_000.0)


def exposing(
    user_id: str, hours: float, by: Agent | None, *, propensity: float | None = 0.5, symbol: str = "BTC"
) -> Exposing:
    return Exposing(
        user_id=user_id,
        arm=Arm.RL,
        hours=hours,
        target=1.0,
        price=100.0,
        symbol=symbol,
        propensity=propensity,
        agent=by,
    )


def test_the_first_compared_exposure_says_what_was_traded_with(location: Location) -> None:
    made = [
        exposing("amy", 1, ONE),
        exposing("amy", 2, RICHER),
        exposing("bob", 1, RICHER, propensity=None),
        exposing("bob", 2, ONE),
        exposing("bob", 2, ONE, symbol="ETH"),
        exposing("bob", 3, RICHER),
        exposing("cyd", 1, RICHER, propensity=None),
        exposing("cyd", 2, ONE, propensity=None),
        exposing("dan", 1, None),
        exposing("dan", 2, ONE),
        exposing("eve", 1, agent(execution=ExecutionMode.LIVE, capital_usd=None)),
    ]

    async def main() -> None:
        async with running(location) as store:
            await insert(store, entries(made))
            await insert(store, entries([exposing("amy", 0, RICHER), exposing("zoe", 0, ONE)], run=2))
            one = KeptAllotment(capital_usd=1000.0, symbols=1)
            richer = KeptAllotment(capital_usd=1_000_000.0, symbols=0)
            assert await store.read(entry_allotments("default", 1)) == {
                "amy": one,
                "bob": one,
                "cyd": richer,
                "dan": KeptAllotment(capital_usd=None, symbols=None),
                "eve": KeptAllotment(capital_usd=None, symbols=0),
            }

    run(main())
