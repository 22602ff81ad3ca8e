import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl_models.advice_cache import AdviceCache, MemoryAdviceStore
from rl_models.bundle import Bundle, load_bundle, write_bundle
from rl_models.live import LiveFeatures
from rl_models.policy import BundlePolicy
from rl_models.remote import Call, RemotePolicy
from rl_models.runner import PolicyRunner
from tests.fakes.bars import random_bars
from tests.fakes.bundles import constant_onnx, policy_manifest
from tests.fakes.market import FakeMarket
from trading.errors import FeaturesWarmingUp, PolicyFailed, PolicyTimedOut
from trading.vocabulary import Action, Advice, Reading

READING = Reading(confidence=0.7, rsi=55.0, change_percent=1.0, volume_usd=1e9, action=Action.BUY)
BARS = random_bars(60)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(write_bundle(tmp_path, policy_manifest(), constant_onnx([0.0, 0.0, 1.0])))


def live(bundle: Bundle, bars: int = 60) -> LiveFeatures:
    features = LiveFeatures(FakeMarket({"BTC": BARS[:bars], "ETH": BARS[:bars]}), bundle.networks)
    features.refresh()
    return features


def advise(bundle: Bundle, call: Call, *, symbol: str = "BTC", budget_s: float = 1.0, bars: int = 60) -> Advice:
    policy = RemotePolicy(live(bundle, bars), bundle, call, AdviceCache(MemoryAdviceStore(), ttl_s=30.0))
    return asyncio.run(policy.advise(symbol, READING, 0.5, budget_s=budget_s))


def answering(bundle: Bundle) -> Call:
    async def call(observations: dict[str, list[float]], exposure: float) -> object:
        return PolicyRunner(bundle).answer(observations, exposure)

    return call


def raising(error: Exception) -> Callable[[dict[str, list[float]], float], Awaitable[object]]:
    async def call(observations: dict[str, list[float]], exposure: float) -> object:
        raise error

    return call


@pytest.mark.parametrize("symbol", ["BTC", "ETH"])
def test_a_policy_in_another_process_advises_as_one_in_this_process(bundle: Bundle, symbol: str) -> None:
    inline = asyncio.run(BundlePolicy(live(bundle), bundle).advise(symbol, READING, 0.5, budget_s=1.0))
    assert advise(bundle, answering(bundle), symbol=symbol) == inline


@pytest.mark.parametrize("budget_s", [0.0, 0.02])
def test_a_late_answer_is_a_timeout(bundle: Bundle, budget_s: float) -> None:
    async def late(observations: dict[str, list[float]], exposure: float) -> object:
        await asyncio.sleep(30)
        return None

    with pytest.raises(PolicyTimedOut):
        advise(bundle, late, budget_s=budget_s)


@pytest.mark.parametrize("error", [OSError("refused"), ValueError("x"), RuntimeError("y"), KeyError("z")])
def test_whatever_the_call_raises_is_a_failure_of_the_policy(bundle: Bundle, error: Exception) -> None:
    with pytest.raises(PolicyFailed) as raised:
        advise(bundle, raising(error))
    assert raised.value.__cause__ is error
    assert not isinstance(raised.value, PolicyTimedOut)


def test_an_answer_of_another_bundle_is_a_failure(bundle: Bundle, tmp_path: Path) -> None:
    other = load_bundle(write_bundle(tmp_path, policy_manifest(version="2"), constant_onnx([0.0, 0.0, 1.0])))
    with pytest.raises(PolicyFailed, match="fake:2 answered"):
        advise(bundle, answering(other))


def test_features_that_are_missing_are_never_sent(bundle: Bundle) -> None:
    with pytest.raises(FeaturesWarmingUp):
        advise(bundle, raising(AssertionError("called")), bars=2)


def test_being_cancelled_is_not_a_failure(bundle: Bundle) -> None:
    async def cancelled(observations: dict[str, list[float]], exposure: float) -> object:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        advise(bundle, cancelled)


class Case:
    """A policy elsewhere with a cache in front of it, counting what it is asked."""

    def __init__(self, bundle: Bundle, features: LiveFeatures | None = None) -> None:
        self.bundle = bundle
        self.asked = 0
        self.store = MemoryAdviceStore(monotonic_s=lambda: 0.0)
        self.policy = self.policy_of(bundle, features or live(bundle))

    def policy_of(self, bundle: Bundle, features: LiveFeatures) -> RemotePolicy:
        return RemotePolicy(features, bundle, self.call, AdviceCache(self.store, ttl_s=30.0))

    async def call(self, observations: dict[str, list[float]], exposure: float) -> object:
        self.asked += 1
        return PolicyRunner(self.bundle).answer(observations, exposure)

    def ask(self, symbol: str = "BTC", exposure: float = 0.5, reading: Reading = READING) -> Advice:
        return asyncio.run(self.policy.advise(symbol, reading, exposure, budget_s=1.0))


def test_the_same_question_is_answered_again_without_asking_and_says_so(bundle: Bundle) -> None:
    case = Case(bundle)
    first = case.ask()
    assert first.cached is False
    assert case.ask() == replace(first, cached=True)
    assert case.asked == 1


def test_an_advice_carries_what_it_was_given_for(bundle: Bundle) -> None:
    case = Case(bundle)
    for advised in (case.ask(), case.ask()):
        assert advised.digest == bundle.digest
        assert advised.observations is not None
        ((schema, row),) = advised.observations.items()
        expected = live(bundle).observe("BTC", schema, READING, 0.5)
        assert np.frombuffer(row, dtype="<f8").tolist() == expected.tolist()


def test_another_symbol_or_exposure_is_another_question(bundle: Bundle) -> None:
    case = Case(bundle)
    for symbol, exposure in (("BTC", 0.5), ("ETH", 0.5), ("BTC", 0.25)):
        assert case.ask(symbol, exposure).cached is False


def test_an_answer_ends_with_its_bar(bundle: Bundle) -> None:
    case = Case(bundle, live(bundle, bars=59))
    case.ask()
    case.policy = case.policy_of(bundle, live(bundle, bars=60))
    assert case.ask().cached is False


def test_a_failure_is_not_remembered(bundle: Bundle) -> None:
    case = Case(bundle)
    working, case.policy._call = case.policy._call, raising(OSError("refused"))
    with pytest.raises(PolicyFailed):
        case.ask()
    case.policy._call = working
    assert case.ask().cached is False


def test_an_answer_of_another_bundle_is_not_remembered(bundle: Bundle, tmp_path: Path) -> None:
    other = load_bundle(write_bundle(tmp_path, policy_manifest(version="2"), constant_onnx([0.0, 0.0, 1.0])))
    case = Case(bundle)
    case.bundle = other
    for _ in range(2):
        with pytest.raises(PolicyFailed, match="fake:2 answered"):
            case.ask()
    assert case.asked == 2
