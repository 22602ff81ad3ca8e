"""From settings to a market: each source with its own knobs."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.replay_market import OPENING_BARS
from adapters.store.agent_bars import Taken, take
from adapters.store.schema import prepare
from settings import MarketSource, Settings
from tests.fakes.jobs import HandClock
from tests.fakes.settings import ohlcv_file, settings
from tests.fakes.stores import postgresql, running
from trading.acting import AgentBar
from trading.errors import DatasetRefused, InvalidSetting
from trading.ports import Market
from wiring.markets import MARKETS, look_at_market, market_notes, open_market, restart_market
from wiring.stores import find_store

START = datetime(2023, 1, 1, tzinfo=UTC)


def replay(folder: Path, **changes: object) -> Settings:
    """A replay of 700 hourly BTC bars from START, changed where told."""
    files = {"BTC": ohlcv_file(folder / "btc.csv", START)}
    return settings(folder, **({"market_source": "replay", "replay_files": files} | changes))


def begun(found: Settings) -> Market:
    """The market as a worker opens it."""

    async def scenario() -> Market:
        async with running(find_store(found)) as store:
            return await open_market(found, store)

    prepared(found)
    return asyncio.run(scenario())


def prepared(found: Settings) -> None:
    found.data_dir.mkdir(exist_ok=True)
    prepare(find_store(found))


def last_bar_of(market: Market) -> float:
    return market.closed_bars("BTC", after_s=None, limit=1)[0].close


def test_every_source_has_a_market() -> None:
    assert set(MARKETS) == set(MarketSource)


def test_the_simulated_market_has_the_symbols_and_bars_that_were_asked_for(tmp_path: Path) -> None:
    market = begun(settings(tmp_path, market_symbols=("XRP", "ADA"), market_timeframe_s=900))
    assert (market.source, market.symbols(), market.timeframe_s) == ("simulated", ("ADA", "XRP"), 900)


def test_the_simulated_market_runs_at_the_speed_that_was_asked_for(tmp_path: Path) -> None:
    market = begun(settings(tmp_path, market_speed=50_000.0))
    before_s = market.now_s()
    time.sleep(0.01)
    assert market.speed == 50_000.0
    assert market.now_s() - before_s >= 500.0


def test_another_seed_is_another_market(tmp_path: Path) -> None:
    closes = {last_bar_of(begun(settings(tmp_path, market_seed=seed))) for seed in (1, 1, 2)}
    assert len(closes) == 2


def test_a_replay_has_the_bars_of_its_files(tmp_path: Path) -> None:
    market = begun(replay(tmp_path))
    assert (market.source, market.symbols(), market.timeframe_s) == ("replay", ("BTC",), 3600)


def test_a_replay_starts_where_it_was_asked_to(tmp_path: Path) -> None:
    start = datetime(2023, 1, 3, tzinfo=UTC)
    assert begun(replay(tmp_path, replay_start=start)).now_s() == pytest.approx(start.timestamp(), abs=60)


def test_a_replay_without_a_start_begins_with_enough_bars_for_a_policy(tmp_path: Path) -> None:
    assert len(begun(replay(tmp_path)).closed_bars("BTC", after_s=None, limit=1000)) == OPENING_BARS


def test_two_processes_of_one_replay_share_its_clock(tmp_path: Path) -> None:
    first = begun(replay(tmp_path, market_speed=1000.0))
    time.sleep(0.05)
    second = begun(replay(tmp_path, market_speed=1000.0))
    assert second.wall_time_s(second.now_s()) == pytest.approx(first.wall_time_s(second.now_s()))


@pytest.mark.parametrize("source", MarketSource)
def test_who_only_looks_at_a_market_writes_nothing(tmp_path: Path, source: MarketSource) -> None:
    found = replay(tmp_path, market_source=source, market_speed=1000.0, data_aggregator_url="http://127.0.0.1:1")
    before = sorted(tmp_path.rglob("*"))
    look_at_market(found)
    assert sorted(tmp_path.rglob("*")) == before


def test_who_only_looks_at_a_market_does_not_start_its_clock(tmp_path: Path) -> None:
    found = replay(tmp_path, market_speed=40_000.0)
    prepared(found)
    looked = look_at_market(found)
    time.sleep(0.2)
    assert begun(found).now_s() < looked.now_s()


def test_who_looks_at_a_running_market_sees_its_clock(tmp_path: Path) -> None:
    found = replay(tmp_path, market_speed=1000.0)
    running_one = begun(found)
    time.sleep(0.05)
    looked = look_at_market(found)
    assert looked.wall_time_s(looked.now_s()) == pytest.approx(running_one.wall_time_s(looked.now_s()))


def test_a_market_that_is_restarted_begins_anew(tmp_path: Path) -> None:
    found = replay(tmp_path, market_speed=40_000.0)
    first = begun(found)
    assert restart_market(found) is True
    time.sleep(0.05)
    assert begun(found).now_s() < first.now_s()


@pytest.mark.parametrize("speed", [1.0, 50_000.0])
def test_bars_that_another_market_had_are_open_to_agents_again(tmp_path: Path, speed: float) -> None:
    # One that ran ahead, and then one on the wall clock, or one that begins there.
    ahead = AgentBar(user_id="amy", symbol="BTC", bar_close_s=int(time.time()) // 3600 * 3600 + 30 * 86_400)
    found = settings(tmp_path, market_speed=speed)

    async def takes(owner: str) -> Sequence[Taken]:
        async with running(find_store(found)) as store:
            return (await store.write(take({ahead: "f" * 32}, owner, HandClock()))).taken

    prepared(found)
    assert asyncio.run(takes("before")) != []
    assert asyncio.run(takes("another")) == []
    begun(found)
    assert asyncio.run(takes("after")) != []


def test_a_market_that_never_began_and_one_on_the_wall_clock_have_nothing_to_restart(tmp_path: Path) -> None:
    assert restart_market(replay(tmp_path)) is False
    assert restart_market(settings(tmp_path)) is False


def test_a_market_on_postgresql_is_shared_between_data_folders(tmp_path: Path) -> None:
    url = SecretStr(postgresql(tmp_path).url.set(drivername="postgresql").render_as_string(hide_password=False))
    first = begun(replay(tmp_path, market_speed=1000.0, database_url=url))
    other = begun(replay(tmp_path, market_speed=1000.0, database_url=url, data_dir=tmp_path / "other"))
    assert other.wall_time_s(0.0) == first.wall_time_s(0.0)


@pytest.mark.parametrize(("unit", "quote_volume"), [("base", 1000.0), ("quote", 10.0)])
def test_a_single_volume_counts_what_the_settings_say(tmp_path: Path, unit: str, quote_volume: float) -> None:
    (bar,) = begun(replay(tmp_path, replay_volume=unit)).closed_bars("BTC", after_s=None, limit=1)
    assert (bar.close, bar.volume_quote) == (100.0, quote_volume)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused, match=r"none\.csv"):
        begun(replay(tmp_path, replay_files={"BTC": tmp_path / "none.csv"}))


def test_a_start_outside_the_bars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="outside the bars"):
        begun(replay(tmp_path, replay_start=datetime(2030, 1, 1, tzinfo=UTC)))


def test_a_simulated_market_has_nothing_to_note(tmp_path: Path) -> None:
    assert market_notes(begun(settings(tmp_path))) == []


def test_what_was_found_in_a_replayed_file_is_noted_with_its_symbol(tmp_path: Path) -> None:
    files = {"BTC": ohlcv_file(tmp_path / "holes.csv", START, without=(50, 51))}
    notes = market_notes(begun(replay(tmp_path, replay_files=files)))
    assert [note for note in notes if note.startswith("BTC: ") and "holes where bars are missing" in note]
