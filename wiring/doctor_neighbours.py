"""What the doctor says of the services beside us: it asks each what our service would ask, and orders nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.adaptive_threshold.client import AdaptiveThreshold
from adapters.data_aggregator.client import DataAggregator
from adapters.data_aggregator.klines import INTERVALS
from adapters.data_aggregator.versions import Version as AggregatorDialect
from adapters.trading_service.versions import UNAUTHORIZED, Version, probe
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from adapters.upstream.tokens import SETTING as SECRET_FILE
from adapters.upstream.tokens import Tokens, read_secret
from schemas.words import iso_time
from settings import AggregatorVersion, MarketSource, Settings, TradingVersion
from trading.agents import ExecutionMode
from trading.errors import InvalidSetting, OperatorNeeded, UpstreamRefused, UpstreamUnavailable
from wiring.findings import Finding, failed, note, ok
from wiring.models import look_at_active_model

TRADING, AGGREGATOR, THRESHOLDS = "TRADING_SERVICE_URL", "DATA_AGGREGATOR_URL", "ADAPTIVE_THRESHOLD_URL"
LIVE = "live"
# For one question.
ASK_S = 3.0
# The user that answers are asked about: nobody.
NOBODY = "doctor"
ACCOUNT = "/api/v1/brokers/account"
# The bar that is open now, and the one before it.
TWO_BARS = 2
# What is asked for where the market is not theirs.
ANY_SYMBOL, ANY_TIMEFRAME_S = "BTC", 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found, and the version of TradingService; None where none is known."""

    findings: Sequence[Finding]
    version: Version | None


def look_at_neighbours(settings: Settings) -> Seen:
    """Ask all of them, for a few seconds at most. Not for a running event loop."""
    return asyncio.run(_look(settings))


def look_at_live(settings: Settings, version: Version | None) -> Finding:
    """What live orders still need; `version` is that of the TradingService, None where that is not known."""
    needs = []
    if settings.market_source is not MarketSource.LIVE:
        needs.append("MARKET_SOURCE=live, with DATA_AGGREGATOR_URL")
    if settings.trading_service_url is None:
        needs.append(TRADING)
    elif version is None:
        needs.append("a TradingService that answers")
    if version is Version.V1:
        needs.append("a TradingService that places orders: v1m or v2")
    if version is Version.V2 and settings.trading_jwt_secret_file is None:
        needs.append(SECRET_FILE)
    with suppress(OperatorNeeded):  # said of the bundles already
        manifest = look_at_active_model(settings).manifest
        if manifest.calibration is None or not manifest.calibration.informative:
            needs.append(f"a calibrated model, which {manifest.name}:{manifest.version} is not")
    if settings.execution_mode is not ExecutionMode.LIVE:
        needs.append("EXECUTION_MODE=live")
        return note(LIVE, f"no live orders; they need {'; '.join(needs)}")
    if needs:
        return failed(LIVE, f"no live orders before there is {'; '.join(needs)}")
    return ok(LIVE, f"agents with capital_usd may trade live, at TradingService {version}")


async def _look(settings: Settings) -> Seen:
    trading, aggregator, thresholds = await asyncio.gather(
        _trading_service(settings), _data_aggregator(settings), _adaptive_threshold(settings)
    )
    return Seen(findings=[*trading.findings, *aggregator, *thresholds], version=trading.version)


async def _trading_service(settings: Settings) -> Seen:
    url, stated = settings.trading_service_url, settings.trading_service_version
    if url is None:
        return Seen(findings=[_not_set(TRADING), *_secret(settings)], version=None)
    async with _calling(TRADING, url) as upstream:
        try:
            found = await probe(upstream, deadline_s=ASK_S)
        except UpstreamUnavailable as error:
            return Seen(findings=[_ill(TRADING, url, error), *_secret(settings)], version=None)
        if stated is not TradingVersion.AUTO and stated.value != found.value:
            text = f"{_place(url)} is {found}, and TRADING_SERVICE_VERSION says {stated}: set it to {found} or auto"
            return Seen(findings=[failed(TRADING, text), *_secret(settings)], version=found)
        findings = [ok(TRADING, f"{_place(url)} answers as {found}"), *_secret(settings)]
        if found is Version.V2 and findings[-1].subject == SECRET_FILE and not findings[-1].failed:
            findings.append(await _token(settings, upstream))
        return Seen(findings=findings, version=found)


def _secret(settings: Settings) -> list[Finding]:
    file = settings.trading_jwt_secret_file
    if file is None:
        return []
    try:
        read_secret(file)
    except InvalidSetting as error:
        return [failed(SECRET_FILE, str(error).removeprefix(f"{SECRET_FILE}: "))]
    return [ok(SECRET_FILE, f"{file} holds a secret")]


async def _token(settings: Settings, upstream: Upstream) -> Finding:
    assert settings.trading_jwt_secret_file is not None  # noqa: S101 - its finding says so
    token = Tokens(read_secret(settings.trading_jwt_secret_file)).mint(NOBODY)
    try:
        await upstream.get(ACCOUNT, deadline_s=ASK_S, route="read", token=token)
    except UpstreamRefused as error:
        if error.status == UNAUTHORIZED:
            return failed(SECRET_FILE, "TradingService does not take our tokens: give both sides the same secret")
    except UpstreamUnavailable as error:
        return note(SECRET_FILE, f"not known whether TradingService takes our tokens: {type(error).__name__}")
    return ok(SECRET_FILE, "TradingService takes our tokens")


async def _data_aggregator(settings: Settings) -> list[Finding]:
    url, stated = settings.data_aggregator_url, settings.data_aggregator_version
    if url is None:
        return [_not_set(AGGREGATOR)]
    version = None if stated is AggregatorVersion.AUTO else AggregatorDialect(stated.value)
    symbols: Sequence[str] = (ANY_SYMBOL,)
    timeframe_s = ANY_TIMEFRAME_S
    if settings.market_source is MarketSource.LIVE and settings.market_timeframe_s in INTERVALS:
        symbols, timeframe_s = settings.market_symbols, settings.market_timeframe_s
    newest, problems = [], []
    async with _calling(AGGREGATOR, url) as upstream:
        aggregator = DataAggregator(upstream, version=version)
        for symbol in symbols:
            try:
                bars = await aggregator.closed_bars(symbol, timeframe_s, limit=TWO_BARS, deadline_s=ASK_S)
            except UpstreamUnavailable as error:
                problems.append(_ill(AGGREGATOR, url, error, of=f" {symbol}"))
                if aggregator.version is None:
                    break  # the others would say the same
            else:
                newest.append(f"{symbol} {iso_time(bars[-1].open_time_s + timeframe_s)}")
    if not newest:
        return problems
    text = f"{_place(url)} answers as {aggregator.version}; newest bars closed: {', '.join(newest)}"
    return [ok(AGGREGATOR, text), *problems]


async def _adaptive_threshold(settings: Settings) -> list[Finding]:
    # Its own /health is a 503 also when it works.
    url = settings.adaptive_threshold_url
    if url is None:
        return [_not_set(THRESHOLDS)]
    async with _calling(THRESHOLDS, url) as upstream:
        try:
            await AdaptiveThreshold(upstream).thresholds(NOBODY, settings.market_symbols[0], deadline_s=ASK_S)
        except UpstreamUnavailable as error:
            return [_ill(THRESHOLDS, url, error)]
        return [ok(THRESHOLDS, f"{_place(url)} tells thresholds")]


@asynccontextmanager
async def _calling(name: str, url: str) -> AsyncIterator[Upstream]:
    upstream = Upstream(name, url, Breakers())
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.stop()


def _not_set(name: str) -> Finding:
    return note(name, "not set: the service works without it")


def _place(url: str) -> str:
    return urlsplit(url).netloc


def _ill(name: str, url: str, error: UpstreamUnavailable, *, of: str = "") -> Finding:
    # What follows the host may be nobody's business, and a service may repeat it.
    said, parts = str(error).removeprefix(f"{name}: "), urlsplit(url)
    for part in (parts.path.strip("/"), parts.query):
        said = said.replace(part, "…") if part else said
    text = f"{_place(url)}{of}: {said or type(error).__name__}; check the address, the network and the service"
    return failed(name, text)
