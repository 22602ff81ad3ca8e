"""The commands that judge an experiment, beside a service that has begun one."""

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.store.choices import choose
from adapters.store.outcomes import read_outcomes
from adapters.store.schema import prepare
from adapters.store.snapshot import SnapshotReader
from settings import Settings
from tests.fakes.exposures import START_S, Exposing, entries
from tests.fakes.journals import insert
from tests.fakes.settings import settings
from tests.fakes.stores import running
from trading.errors import InvalidField, NotFound, StoreRefused
from trading.vocabulary import Arm
from wiring.analyses import add_analyses
from wiring.evaluated import choice_of, evaluated_from
from wiring.experiments import DEFAULT_EXPERIMENT, Experiments
from wiring.split_in_force import SplitInForce
from wiring.stores import OpenStore, find_store, tell

DAYS = 3


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a simulated market, which every process reads from the environment."""
    found = settings(tmp_path)
    found.data_dir.mkdir()
    monkeypatch.setenv("DATA_DIR", str(found.data_dir))
    monkeypatch.setenv("MARKET_SYMBOLS", "BTC")
    prepare(find_store(found))
    return found


def ask(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_analyses(parser.add_subparsers(required=True))
    arguments = parser.parse_args(words)
    return int(arguments.run(arguments))


def begin(chosen: Settings, *, users: int = 0) -> None:
    """The default experiment, begun some days ago, with so many users in each arm."""

    async def known_model(_: str) -> None:
        pass

    async def main() -> None:
        async with running(find_store(chosen)) as store:
            known = SnapshotReader(store)
            experiments = Experiments(
                chosen,
                store,
                known,
                SplitInForce(known),
                market_s=lambda: float(START_S),
                check_model=known_model,
            )
            await experiments.ensure_default()
            await insert(store, entries(exposing(users)))

    asyncio.run(main())


def exposing(users: int) -> list[Exposing]:
    return [
        Exposing(user_id=f"{arm}{number}", arm=arm, hours=1, target=(number % 2) * 1.0, price=100.0)
        for number in range(users)
        for arm in (Arm.RL, Arm.FALLBACK)
    ]


def test_an_evaluation_keeps_the_outcomes_and_prints_the_findings(
    chosen: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(chosen, users=3)
    assert ask("evaluate", "--latency-p99-ms=2.5", DEFAULT_EXPERIMENT) == 0
    evaluated = evaluated_from(capsys.readouterr().out)
    findings = evaluated.findings
    assert (evaluated.version, evaluated.run) == (2, 1)
    assert findings.money[Arm.RL].users == findings.money[Arm.FALLBACK].users == 3
    assert [guard.value for guard in findings.guards if guard.guard == "latency_ms"] == [2.5]
    with OpenStore(find_store(chosen)) as store:
        kept = store.read(read_outcomes(DEFAULT_EXPERIMENT, 1))
    assert len({one.user_id for one in kept}) == 6
    assert {one.state for one in kept} >= {"known", "late"}


def test_an_evaluation_tells_that_it_gets_on_before_and_after_each_part(
    chosen: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(chosen, users=3)
    ask("evaluate")
    assert capsys.readouterr().err.splitlines() == [
        "6 exposures or fills are read ...",
        "All days are marked.",
        "The outcomes are kept, and judged ...",
        "They are judged.",
    ]


def test_the_page_says_the_verdict(chosen: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(chosen, users=3)
    page = tmp_path / "report.html"
    assert ask("report", "--out", str(page)) == 0
    assert capsys.readouterr().out.strip() == str(page)
    text = page.read_text()
    assert "Experiment default" in text
    assert "cannot conclude" in text.lower()
    assert "simulated" in text
    assert ask("report", DEFAULT_EXPERIMENT) == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")


def test_the_page_says_how_slow_the_service_was_at_its_last_evaluation(
    chosen: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(chosen, users=3)
    ask("report")
    assert ">123.4<" not in capsys.readouterr().out
    ask("evaluate", "--latency-p99-ms=123.4")
    tell(find_store(chosen), choose(choice_of(DEFAULT_EXPERIMENT), capsys.readouterr().out))
    ask("report")
    assert ">123.4<" in capsys.readouterr().out


def test_power_is_that_of_the_plan(chosen: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    begin(chosen)
    assert ask("power", "--effect-bps=20", "--deviation-bps=100", "--users-per-arm=50", "--tails=normal") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["planned"] > 0.9
    assert said["days"] == 30.0


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("effect-bps", "20000", "effect_bps: must be 0, or 0.001..10000 either way"),
        ("deviation-bps", "inf", "deviation_bps: must be in 0.01..100000"),
        ("users-per-arm", "100000000", "users_per_arm: must be in 2..10000000"),
    ],
)
def test_power_of_what_cannot_be_expected_is_refused_as_the_service_does(
    chosen: Settings, field: str, value: str, problem: str
) -> None:
    begin(chosen)
    expected = {"effect-bps": "20", "deviation-bps": "100", "users-per-arm": "50"} | {field: value}
    with pytest.raises(InvalidField) as refused:
        ask("power", *(f"--{name}={each}" for name, each in expected.items()))
    assert str(refused.value) == problem


def test_the_operator_is_told_what_cannot_be_expected_in_one_line(chosen: Settings) -> None:
    words = ["power", "--effect-bps=5", "--deviation-bps=100", "--users-per-arm=1"]
    asked = [sys.executable, "-m", "wiring", *words]
    command = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert (command.returncode, command.stderr) == (1, "users_per_arm: must be in 2..10000000\n")


def test_the_check_of_the_test_says_that_nothing_is_to_be_checked_yet(
    chosen: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    begin(chosen)
    ask("aa")
    # The experiment began years ago, and nobody has met it.
    assert json.loads(capsys.readouterr().out)["passed"] in (True, None)


def test_an_experiment_that_is_not_there_is_said_to_be_none(chosen: Settings) -> None:
    begin(chosen)
    with pytest.raises(NotFound):
        ask("evaluate", "none")


def test_before_the_service_was_started_there_is_nothing_to_judge(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="start the service first"), OpenStore(find_store(settings(tmp_path))):
        pass
