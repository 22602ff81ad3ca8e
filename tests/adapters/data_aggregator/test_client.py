"""What is asked of a DataAggregator over HTTP, version by version, and what of its answers is used."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from adapters.data_aggregator.client import (
    PRICE_MAX_AGE_S,
    PRICE_MAX_GAP,
    PRICE_SKEW_S,
    SERVICE,
    DataAggregator,
    require_interval,
    require_listed,
)
from adapters.data_aggregator.refusal import Fault, MarketDataRefused
from adapters.data_aggregator.versions import DIALECTS, PRICES, Version, told_price
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from tests.fakes.market import EPOCH_S, HOUR_S
from tests.fakes.stack.candles import candle, price_at
from tests.fakes.stack.running import Service, running_stack
from trading.errors import (
    InvalidSetting,
    NotSent,
    OutcomeUnknown,
    UpstreamRefused,
    UpstreamUnavailable,
)
from trading.vocabulary import Bar

NOW_S = EPOCH_S + 600.0
LATER_S = float(time.time() // HOUR_S + 1_000) * HOUR_S


@pytest.fixture(scope="module", params=list(Version))
def running(request: pytest.FixtureRequest) -> Iterator[Service]:
    with running_stack(aggregator=request.param.value) as stack:
        yield stack.aggregator


@pytest.fixture
def service(running: Service) -> Service:
    """One of each version in turn, on the market's clock of NOW_S."""
    running.control.reset()
    running.control.up()
    running.control.set(clock_s=NOW_S, candles="true", binance_up=True, prices={})
    return running


@asynccontextmanager
async def aggregator(service: Service, version: Version | None = None) -> AsyncIterator[DataAggregator]:
    upstream = Upstream(SERVICE, service.url, Breakers())
    await upstream.start()
    try:
        # What is slow here is the machine: nothing of this market is a second old.
        yield DataAggregator(upstream, version=version, wall_s=lambda: NOW_S)
    finally:
        await upstream.stop()


def ask(service: Service, question: Callable[[DataAggregator], Awaitable[object]]) -> object:
    async def main() -> object:
        async with aggregator(service, Version(service.version)) as asked:
            return await question(asked)

    return asyncio.run(main())


async def bars(asked: DataAggregator) -> list[Bar]:
    return await asked.closed_bars("BTC", HOUR_S, limit=5, deadline_s=5.0)


async def price(asked: DataAggregator) -> object:
    return await asked.price("BTC", last_close=price_at("BTC", NOW_S), deadline_s=5.0)


def test_closed_bars_are_those_of_the_market(service: Service) -> None:
    rows = [candle("BTC", EPOCH_S - back * HOUR_S, HOUR_S, NOW_S) for back in (4, 3, 2, 1)]
    expected = [
        Bar(
            open_time_s=row[0] // 1000,
            open=float(row[1]),
            high=float(row[2]),
            low=float(row[3]),
            close=float(row[4]),
            volume_base=float(row[5]),
            volume_quote=float(row[7]),
        )
        for row in rows
    ]
    assert ask(service, bars) == expected


def test_a_thousand_rows_come_in_one_answer(service: Service) -> None:
    async def many(asked: DataAggregator) -> int:
        return len(await asked.closed_bars("ETH", HOUR_S, limit=5_000, deadline_s=10.0))

    assert ask(service, many) == 999
    assert len(service.control.calls()) == 1


def test_the_version_is_found_out_once(service: Service) -> None:
    async def main() -> None:
        async with aggregator(service) as asked:
            assert asked.version is None
            assert {len(found) for found in await asyncio.gather(bars(asked), bars(asked))} == {4}
            assert asked.version == service.version

    asyncio.run(main())
    paths = [call["path"] for call in service.control.calls()]
    missed = [] if service.version == Version.V1M else [DIALECTS[Version.V1M].klines_path]
    assert paths == [*missed, *[DIALECTS[Version(service.version)].klines_path] * 3]


def test_another_version_in_its_place_is_noticed(service: Service) -> None:
    async def main() -> None:
        async with aggregator(service) as asked:
            asked._found = next(version for version in Version if version != service.version)
            with pytest.raises(UpstreamRefused):
                await bars(asked)
            assert len(await bars(asked)) == 4
            assert asked.version == service.version

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["hang_before_accept", "error_500", "html_502"])
def test_no_version_is_found_while_it_is_away(service: Service, fault: str) -> None:
    async def main() -> None:
        async with aggregator(service) as asked:
            with pytest.raises(UpstreamUnavailable):
                await asked.closed_bars("BTC", HOUR_S, limit=5, deadline_s=0.3)
            assert asked.version is None
            service.control.heal()
            assert len(await bars(asked)) == 4

    service.control.fault(fault)
    asyncio.run(main())


def test_nothing_that_is_asked_carries_a_token(service: Service) -> None:
    async def main() -> None:
        async with aggregator(service) as asked:
            await bars(asked)
            await price(asked)

    asyncio.run(main())
    assert service.control.authorized() == 0
    assert len(service.control.calls()) > 1


def test_finding_the_version_and_asking_share_one_deadline(service: Service) -> None:
    async def main() -> None:
        ticks = iter([0.0, 0.0, 6.0, 6.0, 6.0])
        upstream = Upstream(SERVICE, service.url, Breakers())
        await upstream.start()
        asked = DataAggregator(upstream, version=None, wall_s=lambda: NOW_S, monotonic_s=lambda: next(ticks))
        with pytest.raises((NotSent, UpstreamRefused)):
            await bars(asked)
        await upstream.stop()

    asyncio.run(main())
    assert len(service.control.calls()) == 1


@pytest.mark.parametrize(
    ("lie", "fault"),
    [
        ("empty", Fault.EMPTY),
        ("stale", Fault.STALE),
        ("nan", Fault.NOT_A_NUMBER),
        ("crossed", Fault.IMPOSSIBLE),
        ("unsorted", Fault.UNSORTED),
        ("duplicate", Fault.DUPLICATE),
        ("future", Fault.FUTURE),
        ("off_grid", Fault.OFF_GRID),
    ],
)
def test_lies_are_refused_by_their_name(service: Service, lie: str, fault: Fault) -> None:
    async def many(asked: DataAggregator) -> list[Bar]:
        return await asked.closed_bars("BTC", HOUR_S, limit=30, deadline_s=5.0)

    service.control.set(candles=lie)
    with pytest.raises(MarketDataRefused) as refusal:
        ask(service, many)
    assert refusal.value.fault is fault


def test_without_a_market_behind_it_there_are_no_bars(service: Service) -> None:
    service.control.set(binance_up=False)
    with pytest.raises(OutcomeUnknown):
        ask(service, bars)


def test_the_last_candle_waits_for_the_date_in_the_header_too(service: Service) -> None:
    # By our clock its hour is over; by the date in the header it has just begun.
    async def main() -> list[Bar]:
        upstream = Upstream(SERVICE, service.url, Breakers())
        await upstream.start()
        asked = DataAggregator(upstream, version=Version(service.version), wall_s=lambda: LATER_S + HOUR_S + 60)
        found = await bars(asked)
        await upstream.stop()
        return found

    service.control.set(clock_s=LATER_S + 60)
    assert asyncio.run(main())[-1].open_time_s == LATER_S - HOUR_S


def test_a_price_says_who_told_it_and_when(service: Service) -> None:
    told = ask(service, price)
    assert told.price == pytest.approx(price_at("BTC", NOW_S), rel=1e-3)  # type: ignore[attr-defined]
    assert told.source == "binance"  # type: ignore[attr-defined]
    assert abs(told.at_s - NOW_S) < PRICE_MAX_AGE_S  # type: ignore[attr-defined]
    assert told.received_at_s == NOW_S  # type: ignore[attr-defined]


def test_a_price_without_a_market_behind_it_is_refused(service: Service) -> None:
    service.control.set(binance_up=False)
    with pytest.raises(MarketDataRefused) as refusal:
        ask(service, price)
    made_up, nothing = Fault.MADE_UP, Fault.EMPTY
    assert refusal.value.fault is (made_up if service.version == Version.V1M else nothing)


@pytest.mark.parametrize("factor", [1 + 1.1 * PRICE_MAX_GAP, 1 - 1.1 * PRICE_MAX_GAP])
def test_a_price_far_from_the_last_close_is_refused(service: Service, factor: float) -> None:
    service.control.set(prices={"BTC": str(price_at("BTC", NOW_S) * factor)})
    with pytest.raises(MarketDataRefused) as refusal:
        ask(service, price)
    assert refusal.value.fault is Fault.FAR_FROM_CLOSE


@pytest.mark.parametrize(
    ("shift_s", "fault"), [(-PRICE_MAX_AGE_S - 30, Fault.STALE), (PRICE_SKEW_S + 30, Fault.FUTURE)]
)
def test_a_price_of_another_time_is_refused_where_it_says_its_time(
    service: Service, shift_s: float, fault: Fault
) -> None:
    service.control.set(clock_s=NOW_S + shift_s)
    if service.version == Version.V1:
        ask(service, price)
        return
    with pytest.raises(MarketDataRefused) as refusal:
        ask(service, price)
    assert refusal.value.fault is fault


ROW = {"symbol": "BTC", "price": 60_000.0, "source": "binance", "timestamp": "2020-09-13T12:00:00.000Z"}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ([ROW], Fault.SHAPE),
        ({"data": None}, Fault.SHAPE),
        ({"data": []}, Fault.EMPTY),
        ({"data": [ROW | {"symbol": "ETH"}]}, Fault.EMPTY),
        ({"data": [ROW, ROW]}, Fault.EMPTY),
        ({"data": [ROW | {"source": "fallback"}]}, Fault.MADE_UP),
        ({"data": [ROW | {"source": None}]}, Fault.MADE_UP),
        ({"data": [ROW | {"price": None}]}, Fault.NOT_A_NUMBER),
        ({"data": [ROW | {"price": 0}]}, Fault.IMPOSSIBLE),
    ],
)
def test_an_unsound_price_is_refused_by_its_name(body: object, fault: Fault) -> None:
    with pytest.raises(MarketDataRefused) as refusal:
        told_price(body, "BTC")
    assert refusal.value.fault is fault


@pytest.mark.parametrize("said", ["2020-09-13T12:00:00", "yesterday", 1_600_000_000, None])
def test_a_time_that_is_nobodys_is_none(said: object) -> None:
    assert told_price({"data": [ROW | {"timestamp": said}]}, "BTC").at_s is None
    assert told_price({"data": [ROW]}, "BTC").at_s == EPOCH_S


@pytest.mark.parametrize(("field", "value"), [("symbol", "ETHUSDT"), ("interval", "1m"), ("source", "fallback")])
def test_candles_of_another_market_are_refused(field: str, value: str) -> None:
    body = {"success": True, "data": [], "symbol": "BTCUSDT", "interval": "1h"}
    assert DIALECTS[Version.V1M].rows(body, "BTC", "1h") == []
    with pytest.raises(MarketDataRefused):
        DIALECTS[Version.V1M].rows(body | {field: value}, "BTC", "1h")


def test_symbols_and_timeframes_it_does_not_have_stop_the_start() -> None:
    require_interval(HOUR_S)
    require_listed(("BTC", "ETH"))
    with pytest.raises(InvalidSetting, match="MARKET_TIMEFRAME_S"):
        require_interval(2_400)
    with pytest.raises(InvalidSetting, match=r"MARKET_SYMBOLS: .*NOPE"):
        require_listed(("BTC", "NOPE"))


def test_the_prices_of_both_versions_are_at_one_place(service: Service) -> None:
    ask(service, price)
    assert [call["path"] for call in service.control.calls()] == [PRICES]
