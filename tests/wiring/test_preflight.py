"""What is refused before any worker starts, what is only reported, and what stays claimed."""

import resource
import sqlite3
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.store.clocks import open_clock
from tests.conftest import skip_or_fail
from tests.fakes.settings import ohlcv_file, settings
from trading.errors import BundleRefused, OperatorNeeded, StoreRefused
from wiring.markets import MARKETS
from wiring.preflight import allow_files, file_system, preflight
from wiring.stores import find_store, tell

START = datetime(2023, 1, 1, tzinfo=UTC)


def test_the_store_is_made_and_the_folder_stays_claimed(tmp_path: Path) -> None:
    found = settings(tmp_path)
    instance = preflight(found)
    assert (found.data_dir / "store.sqlite").exists()
    with pytest.raises(StoreRefused, match="in use by process"):
        preflight(found)
    instance.release()
    preflight(found).release()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    with pytest.raises(OperatorNeeded, match=r"DATA_DIR .*occupied"):
        preflight(settings(tmp_path, data_dir=tmp_path / "occupied" / "data"))


def test_a_damaged_store_is_refused_with_what_to_do(tmp_path: Path) -> None:
    found = settings(tmp_path)
    found.data_dir.mkdir()
    (found.data_dir / "store.sqlite").write_bytes(b"no database" * 1_000)
    with pytest.raises(StoreRefused, match="move it and its -wal file away"):
        preflight(found)


def test_a_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    found = settings(tmp_path)
    preflight(found).release()
    connection = sqlite3.connect(found.data_dir / "store.sqlite")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreRefused, match=r"another version.*9999"):
        preflight(found)


def test_a_torn_log_is_reported_and_does_not_stop_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = settings(tmp_path)
    preflight(found).release()
    file = find_store(found).file
    assert file is not None
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("INSERT INTO secrets VALUES ('a', '1')")
    wal = file.with_name("store.sqlite-wal")
    left = file.read_bytes(), wal.read_bytes()[:-100]
    connection.close()
    file.write_bytes(left[0])
    wal.write_bytes(left[1])
    preflight(found).release()
    assert "are of no whole transaction" in caplog.text


def test_a_whole_log_is_not_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = settings(tmp_path)
    for _ in range(2):
        preflight(found).release()
    assert "transaction" not in caplog.text


def test_a_folder_in_memory_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    memory = Path("/dev/shm")  # noqa: S108 - the memory that every Linux has, no place for temporary files
    if file_system(memory) != "tmpfs":
        skip_or_fail(f"{memory} is no tmpfs here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        preflight(settings(Path(folder))).release()
    assert "DATA_DIR" in caplog.text
    assert "is in memory" in caplog.text


def test_a_folder_on_a_disk_is_on_none_in_memory() -> None:
    assert file_system(Path(__file__).parent) not in ("", "tmpfs")


@pytest.mark.parametrize(("needed", "told"), [(10, False), (2**62, True)])
def test_as_many_files_as_allowed_may_be_opened_and_too_few_are_reported(
    caplog: pytest.LogCaptureFixture, needed: int, told: bool
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, before[1]), before[1]))
    try:
        allow_files(needed)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert ("MAX_SOCKETS" in caplog.text) is told


def test_a_model_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="nobody"):
        preflight(settings(tmp_path, rl_model="nobody"))


@pytest.mark.parametrize(("ago_s", "ended"), [(0.0, False), (86_400.0, True)])
def test_a_replay_that_has_ended_is_reported_with_how_to_start_it_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ago_s: float, ended: bool
) -> None:
    files = {"BTC": ohlcv_file(tmp_path / "btc.csv", START)}
    late = datetime(2023, 1, 30, tzinfo=UTC)
    found = settings(tmp_path, market_source="replay", replay_files=files, replay_start=late)
    terms = MARKETS[found.market_source](found).terms
    assert terms is not None
    tell(find_store(found), open_clock(terms, wall_s=time.time() - ago_s))
    preflight(found).release()
    assert ("`python -m wiring restart-market` lets it begin again" in caplog.text) is ended
