"""Which models serve: found on the shelf, followed while they change, activated, put into the model store."""

import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from rl_models.bundle import write_bundle
from rl_models.manifest import Member
from rl_models.served import ServedModels
from rl_models.shelf import SHIPPED_BUNDLES, find_bundles
from settings import Settings
from tests.fakes.bundles import constant_onnx, ensemble_manifest, policy_manifest
from tests.fakes.python import run_python
from tests.fakes.settings import settings
from trading.agents import ENSEMBLE
from trading.errors import BundleRefused, InvalidSetting
from wiring.models import (
    Model,
    activate,
    find_models,
    follow_models,
    look_at_active_model,
    open_model,
    register_shipped,
)
from wiring.stores import find_store, read_active_model

LONG = (0.0, 0.0, 1.0)
FLAT = (1.0, 0.0, 0.0)


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


def following(
    setup: Settings, *, agents: Collection[str] = (), wanted: str = "long", answers_here: bool = True
) -> ServedModels[Model]:
    """What a worker follows, after its first look at the agents."""
    models = follow_models(setup, wanted=lambda: wanted, agents_models=lambda: agents, answers_here=answers_here)
    models.refresh()
    return models


def test_the_models_that_agents_name_are_held_beside_the_active_one(setup: Settings, root: Path) -> None:
    write(root, "long", version="2")
    models = following(setup, agents=("flat", "long:1"))
    assert models.current.tag == "long:2"
    assert {name: model.tag for name, model in models.others.items()} == {"flat": "flat:1", "long:1": "long:1"}


def test_a_model_that_nobody_has_is_refused_for_its_agents_only(setup: Settings) -> None:
    models = following(setup, agents=("nobody", "flat"))
    assert "no bundle 'nobody'" in models.refusals["nobody"]
    assert set(models.others) == {"flat"}


def test_two_names_of_one_bundle_share_its_networks(setup: Settings) -> None:
    models = following(setup, agents=("long", "long:1"))
    assert models.others["long"] is models.others["long:1"] is models.current


def test_where_another_process_answers_no_network_is_opened(setup: Settings) -> None:
    models = following(setup, agents=("flat",), answers_here=False)
    assert (models.current.bundle, models.others["flat"].bundle) == (None, None)


def crowd(root: Path, name: str, *, created_at: str, timeframe_s: int = 3600) -> None:
    """Writes an ensemble of two policies of its own."""
    members = []
    for place in (1, 2):
        write(root, f"{name}-{place}", LONG, timeframe_s=timeframe_s)
        digest = next(c.digest for c in find_bundles([root]).candidates if c.manifest.name == f"{name}-{place}")
        members.append(Member(name=f"{name}-{place}", version="1", digest=digest))
    manifest = replace(ensemble_manifest(members, name), created_at=created_at, timeframe_s=timeframe_s)
    write_bundle(root, manifest, None)


NEVER = "2099-01-01T00:00:00+00:00"


def test_beside_a_single_policy_ensemble_means_the_one_made_last_for_such_bars(setup: Settings, root: Path) -> None:
    crowd(root, "older", created_at="2098-01-01T00:00:00+00:00")
    crowd(root, "newer", created_at="2098-01-01T00:00:00-01:00")
    crowd(root, "quick", created_at=NEVER, timeframe_s=60)
    assert following(setup, agents=(ENSEMBLE,)).others[ENSEMBLE].tag == "newer:1"


def test_where_the_active_model_is_an_ensemble_it_is_the_one_that_is_meant(setup: Settings, root: Path) -> None:
    crowd(root, "older", created_at="2026-01-01T00:00:00+00:00")
    crowd(root, "newer", created_at=NEVER)
    models = following(setup, agents=(ENSEMBLE,), wanted="older")
    assert (models.current.tag, dict(models.others)) == ("older:1", {})


def test_a_refused_active_model_says_who_named_it(setup: Settings) -> None:
    with pytest.raises(BundleRefused, match="RL_MODEL names nobody"):
        following(settings(setup.data_dir, rl_model="nobody"), wanted="nobody")
    with pytest.raises(BundleRefused, match="the record of the active model names nobody"):
        following(setup, wanted="nobody")


def test_before_any_activation_the_model_of_the_settings_is_active(setup: Settings) -> None:
    assert look_at_active_model(setup).manifest.name == "long"


def test_an_activated_model_is_active_whatever_the_settings_say(setup: Settings) -> None:
    activate(setup, "flat")
    assert look_at_active_model(setup).manifest.name == "flat"


def test_an_activation_without_a_version_names_the_newest_one(setup: Settings, root: Path) -> None:
    write(root, "long", version="2")
    assert activate(setup, "long").manifest.version == "2"
    assert read_active_model(find_store(setup)) == "long:2"


def refused_activation(setup: Settings, name: str) -> str:
    with pytest.raises(BundleRefused) as refused:
        activate(setup, name)
    assert read_active_model(find_store(setup)) is None
    return str(refused.value)


def test_a_damaged_bundle_is_not_activated(setup: Settings, root: Path) -> None:
    with (root / "flat" / "1" / "policy.onnx").open("ab") as network:
        network.write(b"x")
    assert "no bundle 'flat'" in refused_activation(setup, "flat")


def test_a_bundle_for_other_bars_than_the_markets_is_not_activated(setup: Settings, root: Path) -> None:
    write(root, "quick", timeframe_s=60)
    assert "bars of 60 s, the market has bars of 3600 s" in refused_activation(setup, "quick")


def test_a_damaged_shipped_bundle_is_not_left_out_of_the_store_in_silence(root: Path) -> None:
    (root / "flat" / "1" / "manifest.json").write_text("{}")
    with pytest.raises(BundleRefused, match="flat"):
        register_shipped(root)
