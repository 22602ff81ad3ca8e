"""The market's clock and the file that shares it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.market_clock import WALL_CLOCK, ClockFile, ClockTerms, MarketClock
from trading.errors import OperatorNeeded

TERMS = ClockTerms(source="replay", start_market_s=1_600_000_000.0, speed=60.0, data_digest="ab" * 32)

OPEN_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from adapters.market_clock import ClockFile, ClockTerms
terms = ClockTerms(source="replay", start_market_s=1_600_000_000.0, speed=60.0, data_digest="ab" * 32)
print(ClockFile(Path(sys.argv[1]), terms).open(float(sys.argv[2])).epoch_wall_s)
"""


def test_market_time_runs_at_its_speed_from_its_start() -> None:
    clock = MarketClock(epoch_wall_s=1_000.0, start_market_s=500.0, speed=60.0)
    assert clock.now_s(1_000.0) == 500.0
    assert clock.now_s(1_002.0) == 620.0


def test_wall_time_is_the_inverse_of_market_time() -> None:
    clock = MarketClock(epoch_wall_s=1_700_000_000.0, start_market_s=1_600_000_000.0, speed=37.5)
    assert clock.wall_time_s(clock.now_s(1_700_012_345.0)) == pytest.approx(1_700_012_345.0, abs=1e-5)


def test_the_wall_clock_shows_the_wall_time() -> None:
    assert WALL_CLOCK.now_s(1_700_000_000.25) == 1_700_000_000.25


def test_the_first_process_sets_the_epoch_and_later_ones_read_it(tmp_path: Path) -> None:
    first = ClockFile(tmp_path / "new" / "folder", TERMS).open(1_000.0)
    assert first == MarketClock(epoch_wall_s=1_000.0, start_market_s=1_600_000_000.0, speed=60.0)
    assert ClockFile(tmp_path / "new" / "folder", TERMS).open(9_000.0) == first


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_IN_ANOTHER_PROCESS, str(tmp_path), str(wall_s)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for wall_s in (1_000.0, 2_000.0, 3_000.0, 4_000.0)
    ]
    epochs = {process.communicate(timeout=30)[0] for process in started}
    assert len(epochs) == 1
    assert float(epochs.pop()) in (1_000.0, 2_000.0, 3_000.0, 4_000.0)
    assert [path.name for path in tmp_path.iterdir()] == [ClockFile(tmp_path, TERMS).path.name]


@pytest.mark.parametrize(
    "other",
    [
        replace(TERMS, source="simulated"),
        replace(TERMS, start_market_s=1_600_000_001.0),
        replace(TERMS, speed=61.0),
        replace(TERMS, data_digest="cd" * 32),
    ],
)
def test_another_configuration_has_another_clock(tmp_path: Path, other: ClockTerms) -> None:
    ClockFile(tmp_path, TERMS).open(1_000.0)
    assert ClockFile(tmp_path, other).open(2_000.0).epoch_wall_s == 2_000.0


def test_without_a_start_the_market_begins_at_the_wall_time(tmp_path: Path) -> None:
    clock = ClockFile(tmp_path, replace(TERMS, start_market_s=None)).open(5_000.0)
    assert clock.now_s(5_000.0) == 5_000.0
    assert clock.now_s(5_001.0) == 5_060.0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"clock": {"speed": 1}, "terms": {}}', '{"clock": 3}'])
def test_a_damaged_file_names_itself_and_what_to_do(tmp_path: Path, content: str) -> None:
    file = ClockFile(tmp_path, TERMS)
    file.path.write_text(content)
    with pytest.raises(OperatorNeeded, match=rf"{file.path.name}.*delete it"):
        file.open(1_000.0)


def test_a_file_changed_to_another_market_is_refused(tmp_path: Path) -> None:
    file = ClockFile(tmp_path, TERMS)
    file.open(1_000.0)
    record = json.loads(file.path.read_text())
    record["clock"]["speed"] = 1.0
    file.path.write_text(json.dumps(record))
    with pytest.raises(OperatorNeeded, match="another market"):
        file.open(1_000.0)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    with pytest.raises(OperatorNeeded, match="occupied"):
        ClockFile(tmp_path / "occupied", TERMS).open(1_000.0)
