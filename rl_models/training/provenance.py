"""Where a bundle trained here comes from, and how it did out of sample: values, and the JSON its manifest keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from rl_models.strict_json import Fields, Json, free_json
from rl_models.training.baselines import RandomBaseline
from rl_models.training.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """One file of bars. `first` and `last` are open times (ISO-8601 UTC), `findings` what its reader reported."""

    symbol: str
    file: str
    origin: str
    sha256: str
    bars: int
    first: str
    last: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """How the networks were made.

    `timesteps` are per network; `seeds` those of the walk-forward, the first also that of the network in the bundle;
    `purge_bars` are left out between training and test; `seconds` is the time of the whole command.
    """

    command: str
    timesteps: int
    seeds: tuple[int, ...]
    fee_bps: float
    half_spread_bps: float
    horizon_bars: int
    purge_bars: int
    episode_bars: int
    seconds: float
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """One symbol's test of one network: the policy and its baselines on the same bars (times are ISO-8601 UTC).

    `actions` are the shares of BUY, SELL and HOLD among the policy's decisions.
    """

    fold: int
    seed: int
    symbol: str
    train_end: str
    test_start: str
    test_end: str
    policy: Metrics
    hold: Metrics
    flat: Metrics
    random: RandomBaseline
    actions: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityCurve:
    """The tests of the first seed one after the other, as multiples of the start, one point every `step_s` seconds."""

    symbol: str
    start: str
    step_s: int
    policy: tuple[float, ...]
    hold: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What `provenance` of a manifest holds for a bundle trained here."""

    data: tuple[DataSource, ...]
    run: TrainingRun
    folds: tuple[FoldResult, ...]
    curves: tuple[EquityCurve, ...]

    def to_json(self) -> dict[str, Json]:
        """The JSON object; `provenance_from_json` gives an equal value."""
        return {name: free_json(part, name) for name, part in asdict(self).items()}


def iso(time_s: int) -> str:
    """Unix seconds as ISO-8601 UTC to the minute."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def provenance_from_json(value: object) -> Provenance:
    """The provenance of a manifest. Raises BundleRefused for one that was not written by `to_json`."""
    fields = Fields(value, "provenance")
    provenance = Provenance(
        data=tuple(_data_source(item) for item in fields.items("data")),
        run=_run(fields.take("run")),
        folds=tuple(_fold_result(item) for item in fields.items("folds")),
        curves=tuple(_curve(item) for item in fields.items("curves")),
    )
    fields.end()
    return provenance


def _data_source(value: object) -> DataSource:
    fields = Fields(value, "provenance.data")
    texts = {name: fields.text(name) for name in ("symbol", "file", "origin", "sha256", "first", "last")}
    source = DataSource(bars=fields.integer("bars", at_least=1), findings=fields.texts("findings"), **texts)
    fields.end()
    return source


def _run(value: object) -> TrainingRun:
    fields = Fields(value, "provenance.run")
    run = TrainingRun(
        command=fields.text("command"),
        timesteps=fields.integer("timesteps", at_least=1),
        seeds=tuple(int(seed) for seed in fields.numbers("seeds")),
        fee_bps=fields.number("fee_bps"),
        half_spread_bps=fields.number("half_spread_bps"),
        horizon_bars=fields.integer("horizon_bars", at_least=1),
        purge_bars=fields.integer("purge_bars", at_least=0),
        episode_bars=fields.integer("episode_bars", at_least=1),
        seconds=fields.number("seconds"),
        versions={name: str(version) for name, version in fields.free("versions").items()},
    )
    fields.end()
    return run


def _fold_result(value: object) -> FoldResult:
    fields = Fields(value, "provenance.folds")
    texts = {name: fields.text(name) for name in ("symbol", "train_end", "test_start", "test_end")}
    actions = Fields(fields.take("actions"), "provenance.folds.actions")
    result = FoldResult(
        fold=fields.integer("fold", at_least=1),
        seed=fields.integer("seed", at_least=0),
        policy=_metrics(fields.take("policy")),
        hold=_metrics(fields.take("hold")),
        flat=_metrics(fields.take("flat")),
        random=_random(fields.take("random")),
        actions={verb: actions.number(verb) for verb in ("BUY", "SELL", "HOLD")},
        **texts,
    )
    fields.end()
    return result


def _metrics(value: object) -> Metrics:
    fields = Fields(value, "provenance.folds.metrics")
    names = ("total_return", "max_drawdown", "turnover_per_day", "cost_paid", "mean_exposure")
    numbers = {name: fields.number(name) for name in names}
    unmoved = isinstance(value, Mapping) and value.get("sharpe") is None
    return Metrics(sharpe=None if unmoved else fields.number("sharpe"), **numbers)


def _random(value: object) -> RandomBaseline:
    fields = Fields(value, "provenance.folds.random")
    numbers = {name: fields.number(name) for name in ("mean_return", "low_return", "high_return", "beaten")}
    return RandomBaseline(draws=fields.integer("draws", at_least=1), **numbers)


def _curve(value: object) -> EquityCurve:
    fields = Fields(value, "provenance.curves")
    curve = EquityCurve(
        symbol=fields.text("symbol"),
        start=fields.text("start"),
        step_s=fields.integer("step_s", at_least=1),
        policy=fields.numbers("policy"),
        hold=fields.numbers("hold"),
    )
    fields.end()
    return curve
