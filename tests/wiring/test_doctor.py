"""Each thing the doctor looks at, well and ill, on real folders and a real loopback socket."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from adapters.store.choices import ACTIVE_MODEL, choose
from adapters.store.clocks import open_clock
from adapters.store.connections import StoreConnection
from adapters.store.schema import prepare, steps
from rl_models.bundle import load_bundle, write_bundle
from settings import Settings
from tests.fakes.bundles import constant_onnx, policy_manifest
from tests.fakes.postgres import PASSWORD, cluster
from tests.fakes.settings import ohlcv_file, settings
from tests.fakes.threshold_service import threshold_service
from trading.errors import InvalidSetting
from wiring.doctor import EARLIEST_PLAUSIBLE_S, examine
from wiring.findings import Finding
from wiring.markets import MARKETS, restart_market
from wiring.stores import find_store, tell

START = datetime(2023, 1, 1, tzinfo=UTC)
UPSTREAMS = ["trading_service_url", "data_aggregator_url", "adaptive_threshold_url"]
SUBJECTS = [name.upper() for name in UPSTREAMS]


def findings(found: Settings, subject: str, *, wall_s: float | None = None) -> list[Finding]:
    """What the doctor says about one subject."""
    clock = time.time if wall_s is None else lambda: wall_s
    return [finding for finding in examine(lambda: found, clock) if finding.subject == subject]


def only(found: Settings, subject: str, *, wall_s: float | None = None) -> Finding:
    (finding,) = findings(found, subject, wall_s=wall_s)
    return finding


def replay(folder: Path, **changes: object) -> Settings:
    """A replay of 700 hourly BTC bars, changed where told."""
    files = {"BTC": ohlcv_file(folder / "btc.csv", START)}
    return settings(folder, **({"market_source": "replay", "replay_files": files} | changes))


def with_bundle(folder: Path, name: str = "mine", **changes: object) -> Settings:
    """The simulated market and a bundle of our own, changed where told."""
    write_bundle(folder / "bundles", policy_manifest(name), constant_onnx([0.0, 0.0, 1.0]))
    return settings(folder, **({"rl_models_path": folder / "bundles", "rl_model": "mine"} | changes))


def verdict(found: Settings) -> Finding:
    """What the doctor says of the model that would serve, after the notes on others."""
    return findings(found, "bundles")[-1]


@pytest.fixture
def deaf() -> Iterator[int]:
    """A loopback port that is taken and accepts nothing."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_nothing_is_wrong_with_the_defaults(tmp_path: Path) -> None:
    found = list(examine(lambda: settings(tmp_path)))
    assert [finding.subject for finding in found if finding.failed] == []
    assert [finding.subject for finding in found] == [
        "settings",
        "store",
        "store",
        "clock",
        "market",
        "bundles",
        *SUBJECTS,
        "live",
    ]


def test_the_settings_say_where_it_will_listen(tmp_path: Path) -> None:
    finding = only(settings(tmp_path, host="127.0.0.1", port=9000, workers=3, placement="process"), "settings")
    assert (finding.mark, finding.text) == ("ok", "3 workers on 127.0.0.1:9000, process placement")


def test_bad_settings_are_all_that_is_said() -> None:
    def read() -> Settings:
        raise InvalidSetting("PORT: bad\nWORKERS: bad")

    assert list(examine(read)) == [Finding(mark="FAILED", subject="settings", text="PORT: bad; WORKERS: bad")]


def test_a_folder_without_a_store_is_well_and_left_empty(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert [finding.mark for finding in findings(found, "store")] == ["ok", "note"]
    assert list(found.data_dir.iterdir()) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings with an empty database of each kind."""
    (tmp_path / "data").mkdir()
    url = SecretStr(cluster().url(cluster().new_database())) if request.param == "postgresql" else None
    return settings(tmp_path, database_url=url)


def database(found: Settings) -> Finding:
    """What the doctor says of the database, after the folder."""
    return findings(found, "store")[-1]


def test_a_database_with_the_tables_of_this_version_is_well(stored: Settings) -> None:
    prepare(find_store(stored))
    assert database(stored).mark == "ok"
    assert steps()[0] in database(stored).text


def test_a_database_of_another_version_is_told(stored: Settings) -> None:
    async def foreign(connection: StoreConnection) -> None:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    tell(find_store(stored), foreign)
    assert database(stored).failed
    assert "9999" in database(stored).text


def test_an_empty_postgresql_is_a_note(tmp_path: Path) -> None:
    found = settings(tmp_path, database_url=SecretStr(cluster().url(cluster().new_database())))
    assert database(found).mark == "note"


def test_a_postgresql_that_is_not_there_is_told_without_its_password(tmp_path: Path, deaf: int) -> None:
    found = settings(tmp_path, database_url=SecretStr(cluster().url("rl", port=deaf)))
    assert database(found).failed
    assert "check that the server runs" in database(found).text
    assert PASSWORD not in "".join(finding.text for finding in examine(lambda: found))


def test_a_database_url_that_is_none_is_told(tmp_path: Path) -> None:
    finding = database(settings(tmp_path, database_url=SecretStr("mysql://rl:hunter2@host/rl")))
    assert finding.failed
    assert "DATABASE_URL" in finding.text
    assert "hunter2" not in finding.text


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    found = settings(tmp_path)
    found.data_dir.mkdir()
    (found.data_dir / "store.sqlite").write_bytes(b"no database" * 1_000)
    assert database(found).failed
    assert "move it and its -wal file away" in database(found).text


def test_a_store_below_a_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finding = only(settings(tmp_path, data_dir=tmp_path / "file" / "data"), "store")
    assert finding.failed
    assert str(tmp_path / "file" / "data") in finding.text
    assert "give a folder" in finding.text


def test_a_store_that_takes_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data" / ".doctor").mkdir(parents=True)
    assert only(settings(tmp_path), "store").failed


@pytest.mark.parametrize(("late_s", "failed"), [(-1, True), (0, False)])
def test_a_clock_that_was_never_set_is_told(tmp_path: Path, late_s: float, failed: bool) -> None:
    assert only(settings(tmp_path), "clock", wall_s=EARLIEST_PLAUSIBLE_S + late_s).failed is failed


def test_the_market_is_named_with_its_symbols_and_bars(tmp_path: Path) -> None:
    finding = only(settings(tmp_path, market_symbols=("XRP", "ADA")), "market")
    assert (finding.mark, finding.text) == ("ok", "simulated: ADA, XRP, bars of 3600 s")


def test_a_replay_without_its_file_is_told_and_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    found = list(examine(lambda: replay(tmp_path, replay_files={"BTC": tmp_path / "none.csv"})))
    (market,) = [finding for finding in found if finding.subject == "market"]
    assert market.failed
    assert "none.csv" in market.text
    assert [finding.subject for finding in found][-4:] == [*SUBJECTS, "live"]


def test_defects_of_a_replayed_file_are_noted_and_fail_nothing(tmp_path: Path) -> None:
    files = {"BTC": ohlcv_file(tmp_path / "holes.csv", START, without=(50, 51))}
    found = findings(replay(tmp_path, replay_files=files), "market")
    assert {finding.mark for finding in found} == {"ok", "note"}
    assert [finding for finding in found if "holes where bars are missing" in finding.text]


@pytest.mark.parametrize(("ago_s", "ended"), [(0.0, False), (86_400.0, True)])
def test_a_replay_that_has_ended_is_told_with_how_to_start_it_again(tmp_path: Path, ago_s: float, ended: bool) -> None:
    found = replay(tmp_path, replay_start=datetime(2023, 1, 30, tzinfo=UTC))
    terms = MARKETS[found.market_source](found).terms
    assert terms is not None
    tell(find_store(found), open_clock(terms, wall_s=time.time() - ago_s))
    failed = [finding.text for finding in findings(found, "market") if finding.failed]
    assert failed == ["this replay has ended; `python -m wiring restart-market` lets it begin again"] * ended


def test_a_replay_does_not_begin_because_the_doctor_looked(tmp_path: Path) -> None:
    found = replay(tmp_path)
    assert not findings(found, "market")[0].failed
    assert not restart_market(found)


def test_the_active_bundle_is_verified_and_named_by_its_digest(tmp_path: Path) -> None:
    finding = verdict(with_bundle(tmp_path))
    assert finding.mark == "ok"
    assert finding.text == f"mine:1 verified, {load_bundle(tmp_path / 'bundles' / 'mine' / '1').digest}"


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    finding = verdict(with_bundle(tmp_path, rl_model="nobody"))
    assert finding.failed
    assert "no bundle 'nobody'" in finding.text


def test_a_model_for_other_bars_than_the_markets_is_told(tmp_path: Path) -> None:
    finding = verdict(with_bundle(tmp_path, market_timeframe_s=60))
    assert finding.failed
    assert "decides on bars of 3600 s, the market has bars of 60 s" in finding.text


def test_a_damaged_record_of_the_active_model_is_told(tmp_path: Path) -> None:
    found = with_bundle(tmp_path)
    tell(find_store(found), choose(ACTIVE_MODEL, "{"))
    finding = verdict(found)
    assert finding.failed
    assert "activate a bundle again" in finding.text


def test_a_damaged_bundle_that_does_not_serve_is_a_note(tmp_path: Path) -> None:
    with_bundle(tmp_path, "broken")
    path = tmp_path / "bundles" / "broken" / "1"
    (path / "policy.onnx").write_bytes(b"flipped")
    *notes, active = findings(with_bundle(tmp_path), "bundles")
    assert active.mark == "ok"
    assert [note.mark for note in notes if str(path) in note.text] == ["note"]


@pytest.mark.parametrize("name", UPSTREAMS)
def test_an_upstream_that_is_not_set_is_a_note(tmp_path: Path, name: str) -> None:
    assert only(settings(tmp_path), name.upper()).mark == "note"


@pytest.mark.parametrize("name", UPSTREAMS)
def test_an_upstream_that_refuses_is_told_with_what_to_check(tmp_path: Path, deaf: int, name: str) -> None:
    finding = only(settings(tmp_path, **{name: f"http://127.0.0.1:{deaf}"}), name.upper())
    assert finding.failed
    assert f"127.0.0.1:{deaf}" in finding.text
    assert "check the address" in finding.text


def test_an_upstream_whose_name_is_unknown_is_told(tmp_path: Path) -> None:
    assert only(settings(tmp_path, trading_service_url="http://nowhere.invalid"), "TRADING_SERVICE_URL").failed


def test_what_follows_the_host_of_an_upstream_is_not_shown(tmp_path: Path, deaf: int) -> None:
    with threshold_service() as service:
        for port in (urlsplit(service.url).port, deaf):
            url = f"http://127.0.0.1:{port}/hunter2?key=hunter2"
            assert "hunter2" not in only(settings(tmp_path, trading_service_url=url), "TRADING_SERVICE_URL").text
