"""Files from strangers: nothing in them runs, and what was meant to run is refused with a reason."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rl_models.bundle import load_bundle
from rl_models.training.action_text import ActionText
from rl_models.training.calibrate import Outcome
from rl_models.training.costs import TradingCosts
from rl_models.training.import_policy import Request, import_policy
from rl_models.training.imported_network import PolicyFile
from tests.fakes import poison
from tests.fakes.bars import random_bars
from tests.fakes.sb3 import LEVELS, saved, saved_statistics, untrained
from trading.errors import BundleRefused

SCHEMA = "features: [{log_return: {n: 1}}, {rsi: {n: 3}}, hour_sin, position_exposure]"
N_FEATURES = 4
BARS = random_bars(2_000)
Poison = Callable[[Path], bytes]


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., Request]:
    def make(policy: Path, **given: Path) -> Request:
        schema = given.pop("schema", tmp_path / "schema.yaml")
        if not schema.exists():
            schema.write_text(SCHEMA)
        return Request(
            file=PolicyFile(path=policy, algorithm="PPO"),
            schema=schema,
            actions=ActionText(actions=LEVELS),
            timeframe_s=3600,
            symbols=("BTC",),
            name="stranger",
            version="1",
            mask=None,
            vecnormalize=given.get("vecnormalize"),
            recorded=given.get("recorded"),
            outcome=Outcome(horizon_bars=24, costs=TradingCosts()),
            out=tmp_path / "bundles",
        )

    return make


@pytest.fixture
def honest(tmp_path: Path) -> Path:
    return saved(untrained("PPO", N_FEATURES), tmp_path)


@pytest.mark.parametrize("make", poison.PICKLES.values(), ids=poison.PICKLES)
def test_each_payload_would_run_if_it_were_unpickled(make: Poison, canary: Path) -> None:
    pickle.loads(make(canary))  # noqa: S301  # the control: our own payload, in our own folder
    assert canary.exists()


@pytest.mark.parametrize("make", poison.PICKLES.values(), ids=poison.PICKLES)
@pytest.mark.parametrize("wrap", [poison.poisoned_torch_file, bytes], ids=["torch zip", "bare pickle"])
def test_weights_that_are_a_program_are_refused_and_do_not_run(
    make: Poison, wrap: Callable[[bytes], bytes], canary: Path, honest: Path, request_for: Callable[..., Request]
) -> None:
    honest.write_bytes(poison.replaced(honest.read_bytes(), {"policy.pth": wrap(make(canary))}))
    with pytest.raises(BundleRefused, match=r"policy\.pth"):
        import_policy(request_for(honest), simulated=BARS)
    assert not canary.exists()
    assert not (honest.parent / "bundles").exists()


def test_the_refusal_names_what_the_weights_asked_for(
    canary: Path, honest: Path, request_for: Callable[..., Request]
) -> None:
    weights = poison.poisoned_torch_file(poison.by_reduce(canary))
    honest.write_bytes(poison.replaced(honest.read_bytes(), {"policy.pth": weights}))
    with pytest.raises(BundleRefused, match=r"it asks for posix\.mkdir"):
        import_policy(request_for(honest), simulated=BARS)


def test_weights_in_the_old_format_of_torch_are_refused_and_do_not_run(
    canary: Path, honest: Path, request_for: Callable[..., Request]
) -> None:
    old = honest.parent / "old.pth"
    torch.save(poison.Payload(canary), old, _use_new_zipfile_serialization=False)
    honest.write_bytes(poison.replaced(honest.read_bytes(), {"policy.pth": old.read_bytes()}))
    with pytest.raises(BundleRefused, match="not a readable zip file"):
        import_policy(request_for(honest), simulated=BARS)
    assert not canary.exists()


def test_a_program_instead_of_weights_in_torchscript_is_refused(
    canary: Path, honest: Path, request_for: Callable[..., Request]
) -> None:
    script = honest.parent / "script.pt"
    torch.jit.script(torch.nn.Linear(N_FEATURES, 3)).save(str(script))
    honest.write_bytes(poison.replaced(honest.read_bytes(), {"policy.pth": script.read_bytes()}))
    with pytest.raises(BundleRefused):
        import_policy(request_for(honest), simulated=BARS)


@pytest.mark.parametrize("make", poison.PICKLES.values(), ids=poison.PICKLES)
def test_blobs_beside_the_weights_are_not_even_opened(
    make: Poison, canary: Path, honest: Path, request_for: Callable[..., Request]
) -> None:
    with zipfile.ZipFile(honest) as archive:
        data = archive.read("data")
    poisoned = {
        "data": poison.poisoned_data(data, make(canary)),
        "pytorch_variables.pth": poison.poisoned_torch_file(make(canary)),
        "policy.optimizer.pth": make(canary),
    }
    honest.write_bytes(poison.replaced(honest.read_bytes(), poisoned))
    bundle = load_bundle(import_policy(request_for(honest), simulated=BARS))
    assert bundle.manifest.algorithm == "PPO"
    assert not canary.exists()


@pytest.mark.parametrize(
    "make", [*poison.PICKLES.values(), poison.after_statistics], ids=[*poison.PICKLES, "after_statistics"]
)
def test_statistics_that_are_a_program_are_refused_and_do_not_run(
    make: Poison, canary: Path, honest: Path, request_for: Callable[..., Request]
) -> None:
    statistics = honest.parent / "vecnormalize.pkl"
    statistics.write_bytes(make(canary))
    with pytest.raises(BundleRefused, match=r"vecnormalize\.pkl"):
        import_policy(request_for(honest, vecnormalize=statistics), simulated=BARS)
    assert not canary.exists()


def test_real_statistics_with_a_payload_among_them_are_refused(
    canary: Path, honest: Path, request_for: Callable[..., Request]
) -> None:
    path, statistics = saved_statistics(honest.parent, N_FEATURES)
    statistics.render_mode = poison.Payload(canary)
    statistics.save(str(path))
    with pytest.raises(BundleRefused, match=r"posix\.mkdir"):
        import_policy(request_for(honest, vecnormalize=path), simulated=BARS)
    assert not canary.exists()


def test_recorded_pairs_with_pickled_objects_are_refused_and_do_not_run(
    canary: Path, honest: Path, request_for: Callable[..., Request]
) -> None:
    pairs = honest.parent / "pairs.npz"
    payload = np.array([poison.Payload(canary)], dtype=object)
    np.savez(pairs, observations=payload, actions=payload)
    with pytest.raises(BundleRefused, match="object is not a number"):
        import_policy(request_for(honest, recorded=pairs), simulated=BARS)
    assert not canary.exists()


def test_a_schema_with_a_yaml_constructor_is_refused_and_does_not_run(
    canary: Path, honest: Path, request_for: Callable[..., Request]
) -> None:
    schema = honest.parent / "poisoned.yaml"
    schema.write_text(f"features: !!python/object/apply:os.mkdir ['{canary}']")
    with pytest.raises(BundleRefused, match="not YAML"):
        import_policy(request_for(honest, schema=schema), simulated=BARS)
    assert not canary.exists()
