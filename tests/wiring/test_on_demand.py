"""The policies' own process answers for whatever it is asked for, and opens each thing once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from rl_models.bundle import write_bundle
from rl_models.served import RETRY_S
from settings import Placement
from tests.fakes.bundles import constant_onnx, policy_manifest
from tests.fakes.settings import settings
from trading.errors import BundleRefused, PolicyFailed
from wiring.models import Model, open_model
from wiring.on_demand import ModelsOnDemand, open_on_demand

MODEL = Model(manifest=policy_manifest(), networks=(), digest="sha256:0", bundle=None)


@dataclass
class Finder:
    """Opens a model of any digest but the bad ones, and remembers which; the clock is set by hand."""

    bad: set[str] = field(default_factory=set)
    opened: list[str] = field(default_factory=list)
    now_s: float = 1000.0

    def find(self, digest: str) -> Model:
        self.opened.append(digest)
        if digest in self.bad:
            raise BundleRefused(f"{digest} is bad")
        return replace(MODEL, digest=digest)

    def models(self, *, most: int = 2) -> ModelsOnDemand:
        return ModelsOnDemand(self.find, most=most, monotonic_s=lambda: self.now_s)


def ask(models: ModelsOnDemand) -> Callable[[str], str]:
    return lambda digest: models.by_digest(digest).digest


def test_each_model_is_opened_when_it_is_first_asked_for_and_once() -> None:
    finder = Finder()
    models = finder.models()
    assert finder.opened == []
    assert [ask(models)(digest) for digest in "aabab"] == list("aabab")
    assert finder.opened == ["a", "b"]


def test_many_at_once_open_a_model_once() -> None:
    finder = Finder()
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask(finder.models()), "ab" * 32)) == {"a", "b"}
    assert sorted(finder.opened) == ["a", "b"]


def test_the_one_not_asked_for_longest_makes_room() -> None:
    finder = Finder()
    models = finder.models(most=2)
    for digest in "abacab":
        models.by_digest(digest)
    assert finder.opened == ["a", "b", "c", "b"]


def test_what_cannot_be_opened_fails_and_is_tried_again_after_a_while_only() -> None:
    finder = Finder(bad={"a"})
    models = finder.models()
    for _ in range(3):
        with pytest.raises(PolicyFailed, match="a is bad"):
            models.by_digest("a")
    assert finder.opened == ["a"]
    finder.bad.clear()
    finder.now_s += RETRY_S
    assert models.by_digest("a").digest == "a"


def test_a_bundle_is_found_by_its_digest_wherever_bundles_lie(tmp_path: Path) -> None:
    setup = settings(tmp_path, placement=Placement.PROCESS)
    write_bundle(setup.data_dir / "bundles", policy_manifest("mine"), constant_onnx((0.0, 0.0, 1.0)))
    known = open_model(setup, "mine", answers_here=False)
    found = open_on_demand(setup).by_digest(known.digest)
    assert replace(found, bundle=None) == known
    assert found.bundle is not None


def test_a_digest_that_lies_nowhere_is_a_failure_of_the_policy(tmp_path: Path) -> None:
    with pytest.raises(PolicyFailed, match="no bundle with digest sha256:1"):
        open_on_demand(settings(tmp_path)).by_digest("sha256:1")
