"""Each test has a store of its own, in a process of its own: BentoML reads BENTOML_HOME as it is imported."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.model_store import stored_bundles
from rl_models.bundle import load_bundle
from rl_models.shelf import find_bundles
from tests.fakes.bundles import write_policy
from tests.fakes.python import run_python

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "f" * 64

PRELUDE = """
import json, sys
from pathlib import Path
import bentoml
from adapters.model_store import register, stored_bundles
bundle, home = map(Path, sys.argv[1:3])
say = lambda value: print(json.dumps(value))
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_policy(tmp_path / "made", "ppo", [0.0, 0.0, 1.0])
    return tmp_path / "made" / "ppo" / "1"


def said(code: str, bundle: Path, home: Path) -> Any:
    """What the code says last in a process on the store at `home`."""
    printed = run_python(PRELUDE + code, str(bundle), str(home), environment={"BENTOML_HOME": str(home)})
    return json.loads(printed.splitlines()[-1])


def test_a_registered_bundle_is_found_by_another_process_and_is_the_same(bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert said(f"say(register(bundle, name='ppo', version='1', digest={DIGEST!r}))", bundle, home) == "ppo:1"
    (stored,) = [Path(path) for path in said("say([str(path) for path in stored_bundles(home)])", bundle, home)]
    assert stored.is_relative_to(home)
    assert find_bundles([], directories=[stored]).refusals == ()
    assert load_bundle(stored).digest == load_bundle(bundle).digest


def test_the_copy_does_not_need_the_original(bundle: Path, tmp_path: Path) -> None:
    code = f"""
register(bundle, name='ppo', version='1', digest={DIGEST!r})
(bundle / 'policy.onnx').unlink()
say([(path / 'policy.onnx').is_file() for path in stored_bundles(home)])
"""
    assert said(code, bundle, tmp_path / "home") == [True]


def test_the_same_digest_again_changes_nothing(bundle: Path, tmp_path: Path) -> None:
    code = f"""
tags = [register(bundle, name='ppo', version='1', digest={DIGEST!r}) for _ in range(2)]
say([tags, len(stored_bundles(home))])
"""
    assert said(code, bundle, tmp_path / "home") == [["ppo:1", "ppo:1"], 1]


def test_another_digest_under_a_known_version_is_refused_and_the_old_copy_stays(bundle: Path, tmp_path: Path) -> None:
    code = f"""
register(bundle, name='ppo', version='1', digest={DIGEST!r})
(bundle / 'manifest.json').write_text('changed')
try:
    register(bundle, name='ppo', version='1', digest={OTHER!r})
except ValueError as error:
    say([str(error), (stored_bundles(home)[0] / 'manifest.json').read_text() == 'changed'])
"""
    message, changed = said(code, bundle, tmp_path / "home")
    assert "give the bundle a new version" in message
    assert changed is False


def test_a_new_version_stands_beside_the_old_one(bundle: Path, tmp_path: Path) -> None:
    code = f"""
register(bundle, name='ppo', version='1', digest={DIGEST!r})
register(bundle, name='ppo', version='2', digest={OTHER!r})
say(len(set(stored_bundles(home))))
"""
    assert said(code, bundle, tmp_path / "home") == 2


def test_a_model_that_is_no_bundle_of_ours_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    code = """
with bentoml.models.create('someone-elses:1'):
    pass
say([str(path) for path in stored_bundles(home)])
"""
    assert said(code, bundle, tmp_path / "home") == []


def test_a_damaged_record_of_another_model_hides_no_bundle(bundle: Path, tmp_path: Path) -> None:
    code = f"""
register(bundle, name='ppo', version='1', digest={DIGEST!r})
with bentoml.models.create('someone-elses:1') as other:
    pass
(Path(other.path) / 'model.yaml').write_text('{{')
say(len(stored_bundles(home)))
"""
    assert said(code, bundle, tmp_path / "home") == 1


def test_a_store_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert stored_bundles(tmp_path / "none") == []
