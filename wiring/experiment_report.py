"""The page of an experiment, made from its evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ab.hits import reliability
from ab.metrics import Served, latency_ms
from ab.report.page import page
from ab.report.values import Market as MarketWords
from ab.report.values import Reliability, Report, Serving
from ab.standings import judge
from ab.waiting import waits
from adapters.replay_market import ReplayMarket
from adapters.store.experiments import event_documents
from adapters.store.model_exposures import answered_runs
from schemas.words import iso_time
from settings import Settings
from trading.agents import ExecutionMode
from trading.ports import Market
from trading.vocabulary import SIMULATED, Arm
from wiring.analysis import find, money_days
from wiring.evidence import Evidence
from wiring.experiment_log import event_from
from wiring.latencies import Latencies, latencies_of_arm
from wiring.performance import Horizons, answers_of, marking_since
from wiring.stores import OpenStore
from wiring.unit_days import Terms
from wiring.version import VERSION

# The shares of answers that were at most as slow.
MEDIAN, SLOWEST = 0.5, 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Where and when a page is made; `wall_s` is a wall time (Unix seconds).

    `latencies` are of the whole deployment since it began; of a model that is not in them nobody said.
    """

    settings: Settings
    store: OpenStore
    market: Market
    terms: Terms
    horizons: Horizons
    latencies: Latencies
    wall_s: float


def report_page(evidence: Evidence, made: Made) -> str:
    """The page as HTML. Raises StoreRefused."""
    state, findings = evidence.question.state, find(evidence)
    texts = made.store.read(event_documents(state.plan.key, state.version))
    report = Report(
        state=state,
        findings=findings,
        waiting_for=waits(state, findings, evidence.question.at_s),
        events=[event_from(text) for text in texts],
        money_days=money_days(evidence),
        calibration=_calibration(evidence, made),
        serving=_serving(evidence.served, made.latencies),
        market=_words(made.market, made.settings),
        generated_at_s=made.wall_s,
        version=VERSION,
    )
    return page(report)


def _calibration(evidence: Evidence, made: Made) -> Sequence[Reliability]:
    # Of everybody whom a model answered in this run, compared or not: what it says does not depend on the arms.
    state, store, market = evidence.question.state, made.store, made.market
    runs = store.read(answered_runs(since_s=0.0))
    run = next((run for run in runs if (run.experiment, run.run) == (state.plan.key, state.run)), None)
    if run is None:
        return ()
    hits = judge(
        answers_of(store, run, since_s=0.0),
        marking_since(run.first_bar_s, store, market, made.terms, until_s=evidence.until_s),
        horizon_s=lambda subject: float(made.horizons.of(subject) * market.timeframe_s),
    )
    subjects = sorted(hits, key=lambda one: (one.model, one.version))
    return [Reliability(model=one.model, version=one.version, bins=reliability(hits[one])) for one in subjects]


def _serving(served: Mapping[Arm, Served], latencies: Latencies) -> Mapping[Arm, Serving]:
    return {
        arm: Serving(
            decisions=one.exposures,
            latency_p50_ms=latency_ms(latencies_of_arm(arm, latencies), MEDIAN),
            latency_p99_ms=latency_ms(latencies_of_arm(arm, latencies), SLOWEST),
            fallback_rate=one.failed / one.exposures if one.exposures else None,
        )
        for arm, one in served.items()
    }


def _words(market: Market, settings: Settings) -> MarketWords:
    return MarketWords(
        source=f"{', '.join(market.symbols())}, {_origin(market)}, bars of {market.timeframe_s:,} s",
        simulated=market.source == SIMULATED,
        paper=settings.execution_mode is not ExecutionMode.LIVE,
    )


def _origin(market: Market) -> str:
    if not isinstance(market, ReplayMarket):
        return market.source
    first_s = min(dataset.first_close_s for dataset in market.datasets.values())
    last_s = max(dataset.last_close_s for dataset in market.datasets.values())
    return f"replay of {iso_time(first_s)} to {iso_time(last_s)} at {market.speed:g} times the speed"
