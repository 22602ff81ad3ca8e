"""Which policy answers for which agent, in this process or in another."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from rl_models.advice_cache import AdviceCache, MemoryAdviceStore
from rl_models.bundle import load_bundle, write_bundle
from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.live import LiveFeatures
from rl_models.runner import PolicyRunner
from rl_models.served import ServedModels
from tests.fakes.advisers import READING
from tests.fakes.bars import random_bars
from tests.fakes.bundles import constant_onnx, ensemble_manifest, policy_manifest, write_policy
from tests.fakes.market import FakeMarket
from trading.agents import ENSEMBLE
from trading.desk import Policies
from trading.errors import BundleRefused, PolicyFailed
from trading.vocabulary import Advice
from wiring.models import Model
from wiring.policies import PolicyProcess, ServedPolicies

LONG, FLAT = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)
RSI = FeatureSchema(features=(FeatureSpec(name="rsi", feature="rsi", params={"n": 14}),))
BARS = random_bars(60)


@dataclass
class House:
    """A worker's models over a folder of bundles, its features, and what its agents name."""

    root: Path
    wanted: str = "long"
    named: set[str] = field(default_factory=set)
    answers_here: bool = True

    def __post_init__(self) -> None:
        members = [write_policy(self.root, name, scores) for name, scores in (("long", LONG), ("flat", FLAT))]
        write_bundle(self.root, ensemble_manifest([*members, write_policy(self.root, "more", LONG)]), None)
        other = replace(policy_manifest("other"), schema=RSI, normalisation=None, warmup_bars=20)
        write_bundle(self.root, other, constant_onnx(LONG, features=RSI.size))
        self.models: ServedModels[Model] = ServedModels(
            wanted=lambda: self.wanted, named=lambda _: self.named, load=self.load
        )
        self.live = LiveFeatures(FakeMarket({"BTC": BARS}), self.models.current.networks)
        self.live.refresh()

    def load(self, name: str, active: Model | None = None) -> Model:
        if not (self.root / name).exists():
            raise BundleRefused(f"{name} is nowhere in /secret/folder")
        bundle = load_bundle(self.root / name / "1")
        here = bundle if self.answers_here else None
        return Model(manifest=bundle.manifest, networks=bundle.networks, digest=bundle.digest, bundle=here)

    def policies(self, process: PolicyProcess | None = None) -> ServedPolicies:
        self.models.refresh()
        kept: Policies = (served := ServedPolicies(self.live, self.models, process))
        assert kept is served
        asyncio.run(served.switch())
        return served

    def follow(self, policies: ServedPolicies) -> None:
        """What a worker does a few times a second."""
        if self.models.refresh():
            asyncio.run(policies.switch())


def advise(policies: ServedPolicies, model_type: str | None = None) -> Advice:
    policy = policies.of(model_type)
    assert policy is not None
    return asyncio.run(policy.advise("BTC", READING, 0.0, budget_s=5.0))


def test_without_an_agent_the_active_model_advises(tmp_path: Path) -> None:
    advice = advise(House(tmp_path).policies())
    assert (advice.model, advice.target_exposure) == ("long", 1.0)


def test_each_agent_is_advised_by_the_model_it_names(tmp_path: Path) -> None:
    policies = House(tmp_path, named={"flat", "other"}).policies()
    assert [advise(policies, name).model for name in (None, "flat", "other")] == ["long", "flat", "other"]


def test_a_model_that_is_not_loaded_yet_gives_no_policy(tmp_path: Path) -> None:
    house = House(tmp_path)
    policies = house.policies()
    house.named.add("flat")
    assert policies.of("flat") is None
    house.follow(policies)
    assert advise(policies, "flat").model == "flat"


def test_a_model_that_was_refused_is_a_failed_policy(tmp_path: Path) -> None:
    policies = House(tmp_path, named={"nobody"}).policies()
    with pytest.raises(PolicyFailed, match="nobody is nowhere"):
        advise(policies, "nobody")


def test_ensemble_means_the_active_model_where_that_is_one(tmp_path: Path) -> None:
    house = House(tmp_path, wanted="crowd")
    policies = house.policies()
    assert policies.of(ENSEMBLE) is policies.of(None)
    house.wanted = "long"
    house.follow(policies)
    assert policies.of(ENSEMBLE) is None


def test_another_active_model_advises_after_the_switch(tmp_path: Path) -> None:
    house = House(tmp_path)
    policies = house.policies()
    house.wanted = "flat"
    house.models.refresh()
    assert advise(policies).model == "long"
    asyncio.run(policies.switch())
    assert (advise(policies).model, advise(policies).target_exposure) == ("flat", 0.0)


def test_a_switch_warms_the_features_of_the_new_models(tmp_path: Path) -> None:
    house = House(tmp_path)
    policies = house.policies()
    house.named.add("other")
    house.follow(policies)
    assert advise(policies, "other").model == "other"


def test_a_process_that_holds_no_network_cannot_advise_by_itself(tmp_path: Path) -> None:
    with pytest.raises(PolicyFailed, match="without its networks"):
        House(tmp_path, answers_here=False).policies()


class Elsewhere:
    """Stands for the policies' process: answers by digest, as RLPolicy.advise, and counts the calls."""

    def __init__(self, house: House) -> None:
        self.calls = 0
        opened = [load_bundle(house.root / name / "1") for name in ("long", "flat")]
        self._bundles = {bundle.digest: bundle for bundle in opened}
        self.process = PolicyProcess(call=self.answer, cache=AdviceCache(MemoryAdviceStore(), ttl_s=60.0))

    async def answer(self, digest: str, rows: dict[str, list[float]], exposure: float) -> object:
        self.calls += 1
        return PolicyRunner(self._bundles[digest]).answer(rows, exposure)


@pytest.mark.parametrize("model_type", [None, "flat"])
def test_the_policies_process_advises_as_this_one_would(
    tmp_path_factory: pytest.TempPathFactory, model_type: str | None
) -> None:
    make: Callable[[str], Path] = tmp_path_factory.mktemp
    here = House(make("here"), named={"flat"}).policies()
    house = House(make("there"), named={"flat"}, answers_here=False)
    there = house.policies(Elsewhere(house).process)
    assert advise(there, model_type) == advise(here, model_type)


def test_the_same_question_to_the_same_model_is_asked_once_also_over_a_switch(tmp_path: Path) -> None:
    house = House(tmp_path, answers_here=False)
    elsewhere = Elsewhere(house)
    policies = house.policies(elsewhere.process)
    assert [advise(policies).cached for _ in range(2)] == [False, True]
    house.named.add("flat")
    house.follow(policies)
    assert (advise(policies).cached, advise(policies, "flat").cached, elsewhere.calls) == (True, False, 2)


def test_those_before_advise_until_the_new_ones_features_are_warm(tmp_path: Path) -> None:
    house = House(tmp_path)
    policies = house.policies()
    house.wanted = "other"
    house.models.refresh()

    async def switch() -> list[str]:
        switching = asyncio.create_task(policies.switch())
        await asyncio.sleep(0)
        meanwhile = await policies.of(None).advise("BTC", READING, 0.0, budget_s=5.0)  # type: ignore[union-attr]
        await switching
        return [meanwhile.model, (await policies.of(None).advise("BTC", READING, 0.0, budget_s=5.0)).model]  # type: ignore[union-attr]

    assert asyncio.run(switch()) == ["long", "other"]
