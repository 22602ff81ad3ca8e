"""What cannot work does not start, and says what to change."""

import subprocess
from pathlib import Path

import pytest

from tests.fakes.served import ROOT, environment, free_port, serve_command


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("WORKERS", "0", "WORKERS"),
        ("PORT", "http", "PORT"),
        ("RL_TRAFFIC_PERCENTAGE", "1.5", "<= 1"),
        ("PREDICTION_TIMEOUT_SECONDS", "0", "> 0"),
        ("MARKET_SOURCE", "csv", "MARKET_SOURCE"),
        ("MARKET_SOURCE", "replay", "REPLAY_FILES"),
        ("MARKET_TIMEFRAME_S", "7000", "divide a day"),
        ("TRADING_SERVICE_URL", "ftp://host", "TRADING_SERVICE_URL"),
        ("RL_MODEL", "no-such-model", "no-such-model"),
        ("MARKET_TIMEFRAME_S", "60", "3600 s"),
    ],
)
def test_a_bad_setting_stops_the_start_and_is_named(tmp_path: Path, variable: str, value: str, told: str) -> None:
    ended = subprocess.run(
        serve_command(),
        cwd=ROOT,
        env=environment(tmp_path, free_port(), {variable: value}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert told in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
