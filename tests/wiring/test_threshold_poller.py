"""One worker asks for all, never too often, and nothing it is answered with makes anything worse."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.adaptive_threshold.client import AdaptiveThreshold
from adapters.store.engine import Location
from adapters.store.thresholds import ThresholdReader
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from rl_models.rule import FallbackRule, Rules
from tests.fakes.agents import CONFIG
from tests.fakes.decisions import DECISION
from tests.fakes.stores import running, sqlite
from tests.fakes.threshold_service import Asked, Said, ThresholdService, limited, said, threshold_service, thresholds
from tests.fakes.turns import Turns
from trading.agents import Agent, AgentState
from trading.thresholds import DEFAULT_THRESHOLDS, FRESH_S, ThresholdOrigin, Thresholds
from trading.vocabulary import Arm, Decision
from wiring.threshold_poller import LEASE_S, REFRESH_S, ThresholdPoller, Watched
from wiring.threshold_samples import ThresholdSamples

MINUTE_S = 60.0
MOST_CALLS_A_MINUTE = 60
MOST_SAMPLES_A_MINUTE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What one worker runs of this."""

    poller: ThresholdPoller
    samples: ThresholdSamples
    reader: ThresholdReader
    polling: asyncio.Task[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The service, when each call arrived there (seconds), and the workers that ask it."""

    service: ThresholdService
    arrived_s: list[float]
    turns: Turns
    agents: list[Agent]
    workers: list[Worker]

    def answer(self, say: Callable[[Asked], Said]) -> None:
        """From now on."""

        def answer(asked: Asked) -> Said:
            self.arrived_s.append(self.turns.clock().monotonic_s)
            return say(asked)

        self.service.answer = answer

    def most_in_a_minute(self, method: str | None = None) -> int:
        """The most calls that arrived within any minute; only those of a method where one is given."""
        arrived_s = [
            at_s
            for at_s, asked in zip(self.arrived_s, self.service.asked, strict=True)
            if method in (None, asked.method)
        ]
        return max(sum(0.0 <= later - at < MINUTE_S for later in arrived_s) for at in arrived_s)

    def asked(self) -> list[tuple[str, str]]:
        """Whose thresholds were asked for, in order."""
        return [(asked.user_id, asked.symbol) for asked in self.service.asked if asked.method == "GET"]


def agents(users: int, symbols: tuple[str, ...] = ("BTC",)) -> list[Agent]:
    config = replace(CONFIG, symbols=symbols)
    known = Agent(user_id="", state=AgentState.RUNNING, config=config, created_at_s=0.0, changed_at_s=0.0, version=1)
    return [replace(known, user_id=f"user{number}") for number in range(users)]


@asynccontextmanager
async def deployment(location: Location, known: list[Agent], *, workers: int = 1) -> AsyncIterator[Deployment]:
    async with AsyncExitStack() as stack:
        turns = Turns()
        stack.push_async_callback(turns.stop)
        made = Deployment(
            service=stack.enter_context(threshold_service()), arrived_s=[], turns=turns, agents=known, workers=[]
        )
        made.answer(thresholds)
        for number in range(workers):
            made.workers.append(await begin(stack, location, made, f"worker {number}"))
        # Loops end before the stores they use.
        stack.push_async_callback(turns.stop)
        yield made


async def begin(stack: AsyncExitStack, location: Location, made: Deployment, owner: str) -> Worker:
    turns = made.turns
    store = await stack.enter_async_context(running(location))

    def monotonic_s() -> float:
        return turns.clock().monotonic_s

    upstream = Upstream(
        "adaptive_threshold",
        made.service.url,
        Breakers(monotonic_s=monotonic_s),
        monotonic_s=monotonic_s,
        sleep=turns_pass,
        chance=half,
    )
    await upstream.start()
    stack.push_async_callback(upstream.stop)
    service = AdaptiveThreshold(upstream)
    reader = ThresholdReader(store, lambda _: True)
    watched = Watched(agents=lambda: made.agents, symbols=lambda: ("BTC", "ETH"))
    poller = ThresholdPoller(
        service, store, reader, watched, owner=owner, now=turns.clock, sleep=turns.sleep, chance=half
    )
    samples = ThresholdSamples(service, store, reader, now=turns.clock, sleep=turns.sleep, chance=half)
    polling = turns.begin(poller.run())
    turns.begin(samples.run())
    return Worker(poller=poller, samples=samples, reader=reader, polling=polling)


async def turns_pass(_: float) -> None:
    await asyncio.sleep(0)


def half() -> float:
    return 0.5


def by_rule(user_id: str) -> Decision:
    """A decision that the rule made for a user."""
    return replace(DECISION, served_arm=Arm.FALLBACK, signal=replace(DECISION.signal, user_id=user_id, symbol="BTC"))


def deployed(
    tmp_path: Path, known: list[Agent], test: Callable[[Deployment], Awaitable[None]], *, workers: int = 1
) -> None:
    location = sqlite(tmp_path)

    async def main() -> None:
        async with deployment(location, known, workers=workers) as made:
            await test(made)

    asyncio.run(main())


def test_every_worker_learns_the_thresholds_of_every_running_agent(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        made.answer(lambda asked: thresholds(asked, confidence_threshold=0.9))
        await made.turns.go(MINUTE_S)
        for worker in made.workers:
            await worker.reader.refresh()
            for user in ("user0", "user1"):
                known = worker.reader.of(user, "BTC")
                assert known is not None
                assert known.values == Thresholds(confidence=0.9)
        assert sum(worker.poller.kept > 0 for worker in made.workers) == 1

    deployed(tmp_path, agents(2), test, workers=2)


def test_an_agent_without_symbols_of_its_own_has_those_of_the_market(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        await made.turns.go(MINUTE_S / 2)
        assert sorted(made.asked()) == [("user0", "BTC"), ("user0", "ETH")]

    deployed(tmp_path, agents(1, symbols=()), test)


def test_each_is_asked_about_in_turn_and_no_more_often_than_needed(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        await made.turns.go(3 * REFRESH_S + 30.0)
        counted = Counter(made.asked())
        assert set(counted) == {(f"user{number}", "BTC") for number in range(10)}
        assert set(counted.values()) <= {3, 4}

    deployed(tmp_path, agents(10), test)


def test_with_more_than_can_be_asked_about_nobody_is_left_out(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        await made.turns.go(7 * MINUTE_S)
        counted = Counter(made.asked())
        assert len(counted) == 100
        assert max(counted.values()) - min(counted.values()) <= 1

    deployed(tmp_path, agents(100), test)


def test_what_was_known_stays_when_the_service_answers_nonsense(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        await made.turns.go(MINUTE_S)

        def answer(asked: Asked) -> Said:
            return said({}) if asked.user_id == "user0" else thresholds(asked, confidence_threshold=0.9)

        made.answer(answer)
        await made.turns.go(2 * MINUTE_S)
        (worker,) = made.workers
        await worker.reader.refresh()
        refused, other = worker.reader.of("user0", "BTC"), worker.reader.of("user1", "BTC")
        assert refused is not None
        assert other is not None
        assert (refused.values.confidence, other.values.confidence) == (0.65, 0.9)
        assert worker.poller.refused >= 1
        assert worker.poller.failed == 0

    deployed(tmp_path, agents(2), test)


def test_users_the_service_refuses_keep_nobody_else_waiting(tmp_path: Path) -> None:
    refused = {f"user{number}" for number in range(60)}

    async def test(made: Deployment) -> None:
        made.answer(lambda asked: said({}) if asked.user_id in refused else thresholds(asked))
        await made.turns.go(4 * MINUTE_S)
        assert len(set(made.asked())) == 100

    deployed(tmp_path, agents(100), test)


def test_another_worker_goes_on_when_the_one_that_asked_is_gone(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        await made.turns.go(MINUTE_S)
        (asking,) = [worker for worker in made.workers if worker.poller.kept]
        asking.polling.cancel()
        before = len(made.asked())
        await made.turns.go(LEASE_S + REFRESH_S + 30.0)
        assert len(made.asked()) > before
        assert all(worker.poller.kept for worker in made.workers)

    deployed(tmp_path, agents(5), test, workers=2)


def test_a_clock_that_is_set_back_does_not_end_the_asking(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        await made.turns.go(MINUTE_S)
        before = len(made.asked())
        made.turns.clock.jump(-3600.0)
        await made.turns.go(MINUTE_S)
        assert len(made.asked()) > before

    deployed(tmp_path, agents(2), test)


def broken(_: Asked) -> Said:
    return Said(status=500, text='{"success": false, "error": "oops"}')


@pytest.mark.parametrize("answer", [thresholds, limited, broken], ids=["working", "limited", "broken"])
def test_the_service_gets_no_more_calls_a_minute_than_it_takes_while_everybody_falls_back(
    tmp_path: Path, answer: Callable[[Asked], Said]
) -> None:
    async def test(made: Deployment) -> None:
        await made.turns.go(MINUTE_S)
        made.answer(answer)
        for _ in range(180):
            for worker in made.workers:
                await worker.reader.refresh()
                for agent in made.agents:
                    worker.samples.offer(by_rule(agent.user_id))
            await made.turns.go(1.0)
        assert made.most_in_a_minute() <= MOST_CALLS_A_MINUTE
        assert made.most_in_a_minute("POST") <= MOST_SAMPLES_A_MINUTE

    deployed(tmp_path, agents(100, ("BTC", "ETH")), test, workers=4)


def test_a_service_that_limits_us_is_left_alone_for_its_minute_and_asked_again_after_it(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        await made.turns.go(10.0)
        made.answer(limited)
        before = len(made.asked())
        await made.turns.go(MINUTE_S)
        assert len(made.asked()) - before <= 1
        made.answer(thresholds)
        await made.turns.go(MINUTE_S)
        assert len(made.asked()) - before > 10

    deployed(tmp_path, agents(100), test, workers=2)


def test_the_rule_goes_from_fresh_to_last_known_thresholds_and_has_its_defaults_without_any(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        made.answer(lambda asked: thresholds(asked, confidence_threshold=0.9))
        await made.turns.go(MINUTE_S)
        (worker,) = made.workers
        rules = Rules(FallbackRule(), worker.reader, wall_s=lambda: made.turns.clock().wall_s)
        await worker.reader.refresh()
        assert rules.of("user0", "BTC").thresholds.origin is ThresholdOrigin.SERVICE
        made.answer(broken)
        await made.turns.go(FRESH_S + 2 * MINUTE_S)
        await worker.reader.refresh()
        in_force = rules.of("user0", "BTC").thresholds
        assert (in_force.origin, in_force.values) == (ThresholdOrigin.LAST_KNOWN, Thresholds(confidence=0.9))
        assert rules.of("nobody", "BTC").thresholds == DEFAULT_THRESHOLDS

    deployed(tmp_path, agents(1), test)


@pytest.mark.parametrize("should_trade", [True, False])
def test_samples_count_how_often_the_service_agrees_with_the_rule(tmp_path: Path, should_trade: bool) -> None:
    async def test(made: Deployment) -> None:
        def answer(asked: Asked) -> Said:
            text = thresholds(asked).text
            return Said(text=text.replace('"should_trade": true', f'"should_trade": {str(should_trade).lower()}'))

        made.answer(answer)
        await made.turns.go(MINUTE_S)
        (worker,) = made.workers
        await worker.reader.refresh()
        for _ in range(300):
            worker.samples.offer(by_rule("user0"))
            await made.turns.go(1.0)
        samples = worker.samples
        assert 20 <= samples.agreed + samples.disagreed <= 30
        assert bool(samples.agreed) is should_trade
        assert bool(samples.disagreed) is not should_trade
        assert samples.failed == 0

    deployed(tmp_path, agents(1), test)


def test_only_decisions_of_the_rule_for_users_the_service_knows_are_sampled(tmp_path: Path) -> None:
    async def test(made: Deployment) -> None:
        await made.turns.go(MINUTE_S)
        (worker,) = made.workers
        await worker.reader.refresh()
        for _ in range(60):
            worker.samples.offer(by_rule("nobody"))
            worker.samples.offer(replace(by_rule("user0"), served_arm=Arm.RL))
            await made.turns.go(1.0)
        assert [asked for asked in made.service.asked if asked.method == "POST"] == []

    deployed(tmp_path, agents(1), test)
