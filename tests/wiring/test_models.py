"""Which model serves: found on the shelf, followed while it changes, activated, put into the model store."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.active_model import ActiveModelFile
from rl_models.active import ActiveModel
from rl_models.bundle import write_bundle
from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.live import LiveFeatures
from rl_models.runner import PolicyRunner
from rl_models.shelf import SHIPPED_BUNDLES
from settings import Settings
from tests.fakes.advisers import READING
from tests.fakes.bars import random_bars
from tests.fakes.bundles import constant_onnx, policy_manifest
from tests.fakes.market import FakeMarket
from tests.fakes.python import run_python
from tests.fakes.settings import settings
from trading.errors import BundleRefused, InvalidSetting, PolicyFailed
from trading.vocabulary import Advice
from wiring.models import (
    Model,
    PolicyCall,
    PolicyOfTheDay,
    activate,
    find_models,
    follow_models,
    open_model,
    register_shipped,
)

LONG = (0.0, 0.0, 1.0)
FLAT = (1.0, 0.0, 0.0)
RSI = FeatureSchema(features=(FeatureSpec(name="rsi", feature="rsi", params={"n": 14}),))


def write(
    root: Path, name: str, scores: tuple[float, ...] = LONG, *, version: str = "1", timeframe_s: int = 3600
) -> Path:
    manifest = replace(policy_manifest(name, version), timeframe_s=timeframe_s)
    return write_bundle(root, manifest, constant_onnx(scores))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the bundles `long` and `flat`, which always say so."""
    write(tmp_path / "bundles", "long", LONG)
    write(tmp_path / "bundles", "flat", FLAT)
    return tmp_path / "bundles"


@pytest.fixture
def setup(root: Path, tmp_path: Path) -> Settings:
    return settings(tmp_path, rl_models_path=root, rl_model="long")


def test_the_shipped_bundles_are_on_the_shelf_without_any_setting(tmp_path: Path) -> None:
    shelf = find_models(settings(tmp_path))
    shipped = {f"{path.parent.name}:{path.name}" for path in SHIPPED_BUNDLES.glob("*/*")}
    assert shipped
    assert shipped <= set(shelf.tags())


def test_a_folder_that_is_named_is_searched_before_what_was_imported(setup: Settings, root: Path) -> None:
    shutil.copytree(root, setup.data_dir / "bundles")
    assert find_models(setup).select("long").path.is_relative_to(root)


def test_a_bundle_in_the_model_store_is_on_the_shelf(root: Path, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from wiring.models import register_shipped;"
    code += "register_shipped(Path(sys.argv[1]))"
    found = settings(tmp_path)
    run_python(code, str(root), environment={"BENTOML_HOME": str(found.bentoml_home)})
    assert find_models(found).select("long").path.is_relative_to(found.bentoml_home)


def test_an_imported_bundle_is_on_the_shelf_without_any_setting(tmp_path: Path) -> None:
    found = settings(tmp_path)
    path = write(found.data_dir / "bundles", "mine")
    assert find_models(found).select("mine").path == path


def test_a_folder_of_bundles_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"RL_MODELS_PATH: .*mistyped is no folder"):
        find_models(settings(tmp_path, rl_models_path=tmp_path / "mistyped"))


def test_a_bundle_in_its_bento_is_on_the_shelf(root: Path, tmp_path: Path) -> None:
    inside = tmp_path / "bento" / "models" / "long" / "1" / "bundle"
    shutil.copytree(root / "long" / "1", inside)
    assert find_models(settings(tmp_path, bento_path=tmp_path / "bento")).select("long").path == inside


def test_a_model_is_opened_with_its_network_where_it_answers(setup: Settings) -> None:
    model = open_model(setup, "long", answers_here=True)
    assert model.bundle is not None
    assert model.digest == model.bundle.digest
    assert model.networks == model.bundle.networks


def test_a_model_is_opened_without_its_network_where_another_process_answers(setup: Settings) -> None:
    here = open_model(setup, "long", answers_here=True)
    assert open_model(setup, "long", answers_here=False) == replace(here, bundle=None)


def test_a_name_that_is_not_there_is_refused(setup: Settings) -> None:
    with pytest.raises(BundleRefused, match="no bundle 'nobody'"):
        open_model(setup, "nobody", answers_here=True)


def test_before_any_activation_the_model_of_the_settings_serves(setup: Settings) -> None:
    assert follow_models(setup, answers_here=True).current.manifest.name == "long"


def test_an_activated_model_serves_after_a_restart_whatever_the_settings_say(setup: Settings) -> None:
    activate(setup, "flat")
    assert follow_models(setup, answers_here=True).current.manifest.name == "flat"


def test_an_activation_reaches_a_process_that_follows(setup: Settings) -> None:
    models = follow_models(setup, answers_here=True)
    activate(setup, "flat")
    assert models.refresh() is True
    assert models.current.manifest.name == "flat"


def test_an_activation_without_a_version_names_the_newest_one(setup: Settings, root: Path) -> None:
    write(root, "long", version="2")
    assert activate(setup, "long").manifest.version == "2"
    assert ActiveModelFile(setup.data_dir).read() == "long:2"


def refused_activation(setup: Settings, name: str) -> str:
    with pytest.raises(BundleRefused) as refused:
        activate(setup, name)
    assert ActiveModelFile(setup.data_dir).read() is None
    return str(refused.value)


def test_a_damaged_bundle_is_not_activated(setup: Settings, root: Path) -> None:
    with (root / "flat" / "1" / "policy.onnx").open("ab") as network:
        network.write(b"x")
    assert "no bundle 'flat'" in refused_activation(setup, "flat")


def test_a_bundle_for_other_bars_than_the_markets_is_not_activated(setup: Settings, root: Path) -> None:
    write(root, "quick", timeframe_s=60)
    assert "bars of 60 s, the market has bars of 3600 s" in refused_activation(setup, "quick")


BARS = random_bars(60)


def live_on(models: ActiveModel[Model]) -> LiveFeatures:
    features = LiveFeatures(FakeMarket({"BTC": BARS}), models.current.networks)
    features.refresh()
    return features


def of_the_day(models: ActiveModel[Model], call: PolicyCall | None) -> PolicyOfTheDay:
    return PolicyOfTheDay(live_on(models), models, call, cache_ttl_s=60.0)


def advise(policy: PolicyOfTheDay) -> Advice:
    return asyncio.run(policy.advise("BTC", READING, 0.0, budget_s=5.0))


class PolicyProcess:
    """Stands for the policy's process: answers by digest, as RLPolicy.advise, and counts the calls."""

    def __init__(self, setup: Settings) -> None:
        self.calls = 0
        opened = [open_model(setup, name, answers_here=True) for name in ("long", "flat")]
        self._bundles = {model.digest: model.bundle for model in opened}

    async def __call__(self, digest: str, rows: dict[str, list[float]], exposure: float) -> object:
        self.calls += 1
        bundle = self._bundles[digest]
        assert bundle is not None
        return PolicyRunner(bundle).answer(rows, exposure)


def test_the_active_model_advises_in_this_process(setup: Settings) -> None:
    advice = advise(of_the_day(follow_models(setup, answers_here=True), None))
    assert (advice.model, advice.target_exposure) == ("long", 1.0)


def test_a_switch_makes_the_new_model_advise(setup: Settings) -> None:
    models = follow_models(setup, answers_here=True)
    policy = of_the_day(models, None)
    activate(setup, "flat")
    models.refresh()
    assert advise(policy).model == "long"
    policy.switch()
    assert (advise(policy).model, advise(policy).target_exposure) == ("flat", 0.0)


def test_in_process_nothing_is_cached(setup: Settings) -> None:
    policy = of_the_day(follow_models(setup, answers_here=True), None)
    assert [advise(policy).cached for _ in range(2)] == [False, False]


def test_a_process_that_holds_no_network_cannot_advise_by_itself(setup: Settings) -> None:
    with pytest.raises(PolicyFailed, match="without its networks"):
        of_the_day(follow_models(setup, answers_here=False), None)


def test_the_policys_process_advises_as_this_one_would(setup: Settings) -> None:
    here = advise(of_the_day(follow_models(setup, answers_here=True), None))
    assert advise(of_the_day(follow_models(setup, answers_here=False), PolicyProcess(setup))) == here


def test_the_policys_process_is_asked_once_for_the_same_question(setup: Settings) -> None:
    process = PolicyProcess(setup)
    policy = of_the_day(follow_models(setup, answers_here=False), process)
    assert [advise(policy).cached for _ in range(3)] == [False, True, True]
    assert process.calls == 1


def test_a_switch_forgets_what_the_old_model_said(setup: Settings) -> None:
    models = follow_models(setup, answers_here=False)
    policy = of_the_day(models, PolicyProcess(setup))
    advise(policy)
    activate(setup, "flat")
    models.refresh()
    policy.switch()
    advice = advise(policy)
    assert (advice.model, advice.cached) == ("flat", False)


def test_a_switch_warms_the_features_of_the_new_model(setup: Settings, root: Path) -> None:
    other = replace(policy_manifest("other"), schema=RSI, normalisation=None, warmup_bars=20)
    write_bundle(root, other, constant_onnx(LONG, features=RSI.size))
    models = follow_models(setup, answers_here=True)
    live = LiveFeatures(FakeMarket({"BTC": BARS}), models.current.networks)
    live.refresh()
    policy = PolicyOfTheDay(live, models, None, cache_ttl_s=60.0)
    activate(setup, "other")
    models.refresh()
    policy.switch()
    assert advise(policy).model == "other"


def test_a_damaged_shipped_bundle_is_not_left_out_of_the_store_in_silence(root: Path) -> None:
    (root / "flat" / "1" / "manifest.json").write_text("{}")
    with pytest.raises(BundleRefused, match="flat"):
        register_shipped(root)
