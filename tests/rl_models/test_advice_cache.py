import asyncio
from dataclasses import dataclass, field, replace

import pytest

from rl_models.advice_cache import MOST_ENTRIES, CachedPolicy
from tests.fakes.advisers import NOON_S, READING, FakeFeatures, FakePolicy, view
from trading.errors import NoMarketData, PolicyFailed
from trading.vocabulary import Action, Advice, MarketView, Reading

TTL_S = 30.0


@dataclass
class AnySymbol:
    """Keeps trading.ports.Features: every symbol has the same market."""

    def view(self, symbol: str) -> MarketView:
        return view()


@dataclass
class Case:
    """A cache in front of a policy, with a clock set by hand."""

    policy: FakePolicy = field(default_factory=FakePolicy)
    features: FakeFeatures = field(default_factory=FakeFeatures)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.cache = CachedPolicy(self.policy, self.features, ttl_s=TTL_S, monotonic_s=lambda: self.now_s)

    def ask(self, symbol: str = "BTC", reading: Reading = READING, exposure: float = 0.0) -> Advice:
        return asyncio.run(self.cache.advise(symbol, reading, exposure, budget_s=1.5))


def test_the_first_answer_is_the_policys_own() -> None:
    case = Case()
    assert case.ask().cached is False
    assert case.policy.asked == [("BTC", 0.0, 1.5)]


def test_the_same_question_is_answered_again_without_asking_and_says_so() -> None:
    case = Case()
    first = case.ask()
    case.policy.target = 0.0
    assert case.ask() == replace(first, cached=True)
    assert len(case.policy.asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"exposure": 0.5},
        {"reading": replace(READING, rsi=64.9)},
        {"reading": replace(READING, action=Action.SELL)},
        {"reading": replace(READING, volume_usd=1.0)},
    ],
)
def test_another_question_is_asked(other: dict[str, object]) -> None:
    case = Case()
    case.ask()
    assert case.ask(**other).cached is False  # type: ignore[arg-type]


def test_another_symbol_is_asked_about() -> None:
    policy = FakePolicy()
    cache = CachedPolicy(policy, AnySymbol(), ttl_s=TTL_S)
    for symbol in ("BTC", "ETH"):
        assert asyncio.run(cache.advise(symbol, READING, 0.0, budget_s=1.0)).cached is False


def test_an_answer_ends_with_its_bar() -> None:
    case = Case()
    case.ask()
    case.features.market = view(as_of_s=NOON_S + 3600)
    assert case.ask().cached is False


def test_an_answer_lives_through_its_bar_though_the_clock_moves() -> None:
    case = Case()
    case.ask()
    case.features.market = view(now_s=NOON_S + 900)
    assert case.ask().cached is True


@pytest.mark.parametrize(("later_s", "cached"), [(TTL_S - 0.001, True), (TTL_S, False)])
def test_an_answer_lives_as_long_as_told(later_s: float, cached: bool) -> None:
    case = Case(now_s=1000.0)
    case.ask()
    case.now_s += later_s
    assert case.ask().cached is cached


def test_an_answer_asked_for_again_lives_anew() -> None:
    case = Case()
    case.ask()
    case.now_s = TTL_S
    case.ask()
    case.now_s = 2 * TTL_S - 1
    assert case.ask().cached is True


def test_reading_an_answer_does_not_prolong_its_life() -> None:
    case = Case()
    case.ask()
    case.now_s = TTL_S - 1
    case.ask()
    case.now_s = TTL_S
    assert case.ask().cached is False


def test_a_failure_is_not_remembered() -> None:
    case = Case()
    case.policy.error = PolicyFailed("late")
    with pytest.raises(PolicyFailed):
        case.ask()
    case.policy.error = None
    assert case.ask().cached is False


def test_a_symbol_without_data_is_not_asked_about() -> None:
    case = Case()
    with pytest.raises(NoMarketData):
        case.ask("EMPTY")
    assert case.policy.asked == []


def test_the_oldest_answer_goes_first_when_there_are_too_many() -> None:
    case = Case()

    async def fill() -> list[bool]:
        for place in range(MOST_ENTRIES + 1):
            await case.cache.advise("BTC", READING, float(place), budget_s=1.0)
        last = await case.cache.advise("BTC", READING, float(MOST_ENTRIES), budget_s=1.0)
        second = await case.cache.advise("BTC", READING, 1.0, budget_s=1.0)
        first = await case.cache.advise("BTC", READING, 0.0, budget_s=1.0)
        return [advice.cached for advice in (first, second, last)]

    assert asyncio.run(fill()) == [False, True, True]


def test_an_answer_asked_for_anew_is_no_longer_the_oldest() -> None:
    case = Case()

    async def fill() -> bool:
        for place in range(MOST_ENTRIES):
            await case.cache.advise("BTC", READING, float(place), budget_s=1.0)
        case.now_s = TTL_S
        for exposure in (0.0, -1.0, 0.0):
            last = await case.cache.advise("BTC", READING, exposure, budget_s=1.0)
        return last.cached

    assert asyncio.run(fill()) is True
