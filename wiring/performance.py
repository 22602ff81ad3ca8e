"""How the models and arms of the last days did: from the journal, the market's bars and what the workers measured."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from ab.account import Marking
from ab.hits import Subject, reliability
from ab.metrics import METRICS, LatencyBucket, Record
from ab.outcomes import DAY_S
from ab.standings import Answered, Comparison, Run, Standing, compare
from adapters.store.model_exposures import AnsweredRun, ModelExposure, answered_runs, stream_model_exposures
from rl_models.calibration import DEFAULT_HORIZON_BARS
from rl_models.shelf import Shelf
from schemas.words import iso_time
from settings import Settings
from trading.errors import BundleRefused
from trading.ports import Market
from trading.vocabulary import Arm
from wiring.allotments import allotment_for, read_agents
from wiring.closes import closes_since
from wiring.latencies import Latencies, latencies_of_arm
from wiring.models import find_models, select_model
from wiring.stores import OpenStore, find_store, read_active_model
from wiring.unit_days import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Of the decisions of the last `days` before `wall_s` (wall time, Unix seconds).

    `latencies` are of the whole deployment since it began; of a model that is not in them nobody said.
    """

    days: int
    wall_s: float
    latencies: Latencies


class Horizons:
    """How many bars a target is held until it is judged: as its bundle's calibration says, if that is on the shelf.

    A target of the rule, or of a bundle that has none, is judged after as long as one of the active bundle.
    """

    def __init__(self, shelf: Shelf, active: str) -> None:
        self._known = {
            (found.manifest.name, found.manifest.version): found.manifest.calibration.horizon_bars
            for found in shelf.candidates
            if found.manifest.calibration is not None
        }
        try:
            manifest = select_model(shelf, active, None).manifest
            self.active = self._known.get((manifest.name, manifest.version), DEFAULT_HORIZON_BARS)
        except BundleRefused:
            self.active = DEFAULT_HORIZON_BARS

    def of(self, subject: Subject) -> int:
        """That of one model."""
        return self._known.get((subject.model, subject.version), self.active)


def find_horizons(settings: Settings) -> Horizons:
    """Those of the bundles that can be activated now. Raises InvalidSetting, StoreRefused."""
    active = read_active_model(find_store(settings)) or settings.rl_model
    return Horizons(find_models(settings), active)


def performance(
    store: OpenStore, market: Market, terms: Terms, horizons: Horizons, asked: Asked
) -> Mapping[str, object]:
    """The models that answered and the arms, in the words of the wire. Raises StoreRefused, ValueError."""
    at_s, since_s = market.now_s(), asked.wall_s - asked.days * DAY_S
    runs = store.read(answered_runs(since_s=since_s))
    marking = marking_since(min((run.first_bar_s for run in runs), default=at_s), store, market, terms, until_s=at_s)
    compared = compare(
        [_run(store, run, since_s, last=run is runs[-1]) for run in runs],
        marking,
        horizon_s=lambda subject: float(horizons.of(subject) * market.timeframe_s),
    )
    return {
        "as_of": iso_time(at_s),
        "days": asked.days,
        "horizon_bars": horizons.active,
        "market": {"source": market.source, "speed": market.speed},
        "models": list(_models(compared, horizons, asked.latencies)),
        "arms": {
            arm: _figures(standing, latencies_of_arm(arm, asked.latencies)) for arm, standing in compared.arms.items()
        },
    }


def marking_since(first_s: float, store: OpenStore, market: Market, terms: Terms, *, until_s: float) -> Marking:
    """By what decisions from one market time until another (Unix seconds) are marked. Raises StoreRefused."""
    agents, symbols = read_agents(store), len(market.symbols())
    return Marking(
        costs=terms.costs,
        dead_band=terms.dead_band,
        prices=closes_since(market, store, first_s, at_s=until_s),
        allotment_of=lambda user_id: allotment_for(agents.get(user_id), symbols),
        until_s=until_s,
    )


def answers_of(store: OpenStore, run: AnsweredRun, *, since_s: float) -> Iterator[Answered]:
    """The decisions of a run since a wall time (Unix seconds) of which the journal still has the model."""
    return _answered(store.stream(lambda opened: stream_model_exposures(opened, run, since_s=since_s)))


def _models(compared: Comparison, horizons: Horizons, latencies: Latencies) -> Iterator[Mapping[str, object]]:
    for subject in sorted(compared.models, key=lambda one: (one.arm, one.model, one.version)):
        figures = _figures(compared.models[subject], latencies.get(subject, ()))
        yield {**asdict(subject), "horizon_bars": horizons.of(subject), **figures}


def _figures(standing: Standing, latencies: Sequence[LatencyBucket]) -> Mapping[str, object]:
    record = Record(days=standing.days, hits=standing.hits, served=standing.served, latencies=latencies)
    return {
        "decisions": standing.decisions,
        "users": len({unit.user_id for unit in standing.days}),
        "judged": standing.hits.judged,
        **{name: metric(record) for name, metric in METRICS.items()},
        "calibration": {
            "decisions": len(standing.hits.events),
            "bins": [asdict(each) for each in reliability(standing.hits)],
        },
    }


def _run(store: OpenStore, run: AnsweredRun, since_s: float, *, last: bool) -> Run:
    return Run(answered=answers_of(store, run, since_s=since_s), end_s=None if last else float(run.last_bar_s))


def _answered(pages: Iterator[Sequence[ModelExposure]]) -> Iterator[Answered]:
    subjects: dict[tuple[str, str, Arm], Subject] = {}
    for page in pages:
        for one in page:
            names = one.model, one.model_version, one.served_arm
            if names not in subjects:
                subjects[names] = Subject(model=one.model, version=one.model_version, arm=one.served_arm)
            yield Answered(
                decision_id=one.decision_id,
                user_id=one.user_id,
                symbol=one.symbol,
                market_at_s=float(one.bar_close_s),
                price=one.price,
                position=one.position_exposure,
                target=one.target_exposure,
                assigned=one.assigned_arm,
                by=subjects[names],
                confidence=one.confidence,
                failed=one.failed,
            )
