"""Another bundle is activated while the service runs; a damaged one is not, and the old one keeps serving."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.store.engine import locate
from tests.fakes.served import REQUEST, ROOT, Served, environment, served
from wiring.stores import write_active_model

BUNDLES = ROOT / "rl_models/bundles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A service and the folder its extra bundles come from."""

    service: Served
    bundles: Path
    folder: Path

    def wiring(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run an operator's command as the operator of this service would."""
        changes = environment(self.folder, self.service.port, {"RL_MODELS_PATH": str(self.bundles)})
        command = [sys.executable, "-m", "wiring", *words]
        return subprocess.run(command, cwd=ROOT, env=changes, capture_output=True, text=True, timeout=60, check=False)

    def models_used(self) -> set[str]:
        """What answers, asked often enough to meet both workers."""
        return {self.service.post("/api/v1/predict", REQUEST).json()["model_used"] for _ in range(30)}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    with served(tmp_path, RL_MODELS_PATH=str(bundles)) as service:
        yield Bench(service=service, bundles=bundles, folder=tmp_path)


def test_an_activated_bundle_serves_on_all_workers_within_seconds(bench: Bench) -> None:
    assert bench.models_used() == {"ensemble-btc-1h"}
    assert bench.wiring("activate", "ppo-btc-1h").returncode == 0
    deadline_s = time.monotonic() + 20
    while bench.models_used() != {"ppo-btc-1h"}:
        assert time.monotonic() < deadline_s
    assert bench.wiring("activate", "no-such-bundle").returncode == 1
    assert bench.models_used() == {"ppo-btc-1h"}


@pytest.mark.parametrize("name", ["policy.onnx", "manifest.json", "SHA256SUMS"])
def test_a_flipped_byte_stops_an_activation(bench: Bench, name: str) -> None:
    copy = bench.bundles / "ppo-btc-1h" / "2"
    shutil.copytree(BUNDLES / "ppo-btc-1h" / "1", copy)
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 0x01
    (copy / name).write_bytes(content)
    refused = bench.wiring("activate", "ppo-btc-1h:2")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert bench.models_used() == {"ensemble-btc-1h"}


def test_a_record_written_past_the_command_is_verified_by_each_worker(bench: Bench) -> None:
    write_active_model(locate(None, bench.service.data_dir), "no-such-bundle")
    deadline_s = time.monotonic() + 20
    while bench.service.get("/api/v1/status").json()["model"]["refused"] is None:
        assert time.monotonic() < deadline_s
    assert bench.models_used() == {"ensemble-btc-1h"}
