"""The commands for policies, as they are typed."""

from pathlib import Path

import pytest

from rl_models.__main__ import COMMANDS, command_line, main
from tests.fakes.bundles import write_policy
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
