"""The commands for policies, as they are typed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rl_models.__main__ import COMMANDS, command_line, main
from rl_models.bundle import write_bundle
from tests.fakes.bundles import ensemble_manifest, write_policy
from tests.fakes.sb3 import LEVELS, saved, untrained


def test_a_recorded_command_names_no_directory_of_the_machine() -> None:
    typed = ["--data", "BTC=/home/someone/bars.csv", "--out", "/var/bundles", "--schema", "schemas/mine.yaml"]
    assert command_line("train", typed) == (
        "python -m rl_models train --data BTC=bars.csv --out bundles --schema schemas/mine.yaml"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"rl_models {command}" in capsys.readouterr().out


def test_verify_lists_whole_bundles_and_fails_for_a_damaged_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_policy(tmp_path, "whole", [0.0, 0.0, 1.0])
    assert main(["verify", str(tmp_path)]) == 0
    write_policy(tmp_path, "broken", [0.0, 0.0, 1.0])
    with (tmp_path / "broken" / "1" / "policy.onnx").open("ab") as network:
        network.write(b"x")
    assert main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "whole:1 sha256:" in said.out
    assert "policy.onnx is damaged" in said.err


def test_verify_names_the_ensemble_whose_member_is_missing_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = [write_policy(tmp_path, name, [0.0, 0.0, 1.0]) for name in ("bull", "bear")]
    write_bundle(tmp_path, ensemble_manifest(members), None)
    shutil.rmtree(tmp_path / "bear")
    write_policy(tmp_path, "later", [0.0, 0.0, 1.0])
    assert main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "crowd/1: member bear:1 is missing" in said.err
    assert "later:1 sha256:" in said.out


def test_a_zip_becomes_a_bundle_in_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = tmp_path / "schema.yaml"
    schema.write_text("features: [{log_return: {n: 1}}, hour_sin, position_exposure]")
    policy = saved(untrained("PPO", 3), tmp_path)
    words = ["import", str(policy), "--algorithm", "PPO", "--schema", str(schema), "--actions", LEVELS]
    words += ["--timeframe", "1h", "--symbol", "BTC", "--name", "mine", "--out", str(tmp_path / "bundles")]
    assert main(words) == 0
    assert main(["verify", str(tmp_path / "bundles")]) == 0
    assert "mine:1 sha256:" in capsys.readouterr().out


def test_import_reads_the_unseen_bars_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["import", str(tmp_path / "none.zip"), "--algorithm", "PPO", "--schema", "none.yaml", "--actions", "0,1"]
    status = main([*words, "--timeframe", "1h", "--symbol", "BTC", "--name", "x", "--bars", str(tmp_path / "no.csv")])
    assert status == 1
    assert "no.csv" in capsys.readouterr().err


IMPORT = ["import", "none.zip", "--algorithm", "PPO", "--schema", "none.yaml", "--actions", "0,1", "--name", "x"]


@pytest.mark.parametrize("timeframe", ["2d", "7m", "30s"])
def test_a_timeframe_without_simulated_bars_is_refused_in_a_sentence(
    timeframe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*IMPORT, "--symbol", "BTC", "--timeframe", timeframe]) == 1
    said = capsys.readouterr().err
    assert "whole minutes long and divides a day" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        [*IMPORT, "--timeframe", "1h"],
        [*IMPORT, "--symbol", "BTC", "--timeframe", "1w"],
        [*IMPORT, "--symbol", "BTC", "--timeframe", "1h", "--fee-bps", "nan"],
        ["train"],
        ["train", "--data", "bars.csv"],
        ["train", "--data", "BTC=bars.csv", "--levels", "a,b"],
        ["train", "--data", "BTC=bars.csv", "--folds", "0"],
        ["train", "--data", "BTC=bars.csv", "--seeds", "-1"],
        ["train", "--data", "BTC=bars.csv", "--timesteps", "0"],
        ["ensemble", "a", "b", "--name", "x", "--bars", "bars.csv"],
        ["ensemble", "a", "b", "--name", "x", "--levels", "0"],
        ["report"],
    ],
    ids=lambda words: " ".join(words[-2:]),
)
def test_an_option_that_cannot_be_meant_ends_the_command_with_its_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--data", "BTC=none.csv"], "none.csv"),
        (["train", "--data", "BTC=."], "directory"),
        ([*IMPORT, "--symbol", "BTC", "--timeframe", "1h"], "none.yaml"),
        (["ensemble", "a", "b", "--name", "x", "--bundles", "none"], "no bundle"),
        (["report", "--page", "x.html", "--bundles", "none"], "no bundle"),
        (["verify", "none"], "no such directory: none"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else part,
)
def test_what_is_not_there_is_named_in_a_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    assert said in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, scores in (("bull", [0.0, 0.0, 3.0]), ("bear", [1.0, 0.0, 0.0])):
        write_policy(tmp_path / "members", name, scores)
    occupied = tmp_path / "file"
    occupied.touch()
    words = ["ensemble", "bull", "bear", "--name", "crowd", "--bundles", str(tmp_path / "members")]
    assert main([*words, "--out", str(occupied)]) == 1
    assert str(occupied) in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "import", "ensemble", "report"])
def test_without_the_extra_a_command_says_which_to_install(command: str) -> None:
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'matplotlib', 'tqdm', 'gymnasium')))"
    asked = f"from rl_models.__main__ import main; sys.exit(main([{command!r}, '--help']))"
    ran = subprocess.run([sys.executable, "-c", f"{blocked}; {asked}"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "is not installed; it comes with the extra: pip install '.[train]'" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_verify_needs_no_extra(tmp_path: Path) -> None:
    write_policy(tmp_path, "whole", [0.0, 0.0, 1.0])
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'matplotlib', 'tqdm', 'gymnasium', 'yaml')))"
    verify = f"from rl_models.__main__ import main; sys.exit(main(['verify', {str(tmp_path)!r}]))"
    ran = subprocess.run([sys.executable, "-c", f"{blocked}; {verify}"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
