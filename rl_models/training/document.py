"""Walk-forward results as Markdown, every figure and every judgement computed from the bundles' manifests."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import prod

from rl_models.calibration import Calibration
from rl_models.manifest import Manifest
from rl_models.training.provenance import FoldResult, Provenance, provenance_from_json

INTRODUCTION = """# Walk-forward results

How the bundles in `rl_models/bundles` did on bars that came after those they were trained on, after costs.
Written by `python -m rl_models report --document docs/walk-forward.md` from the manifests of the bundles; nothing here
is typed by hand.

Each test trains new networks on everything before it (less a purge), then follows them bar by bar through the same
features, ONNX network and code that serve. The networks in the bundles are trained the same way on all bars, the tests'
included, so these figures are about the recipe; no figure exists for the shipped weights themselves. The recipes
(`rl_models/training/algorithms.py`) were chosen by how they fit the bars they were trained on; no test chose between
them. A few tests on one symbol say little about another market or time.

Baselines on the same bars with the same costs: *hold* buys at the first close, *flat* never trades (always 0), *random*
follows the policy's own targets turned by a random number of bars: equal time in the market and equal turnover, the
timing taken away. *Beaten* is the share of random accounts that the policy ended above: 50 % is what chance gives.
"""

OWN_POSITION = (
    "Each decision was judged from the position that the policy's own account had at that time, not from flat:\n"
    "reaching the target often cost it little or nothing, and costs more to somebody who starts from flat.\n"
)
SERVED = (
    "Confidence is served only when the score passed a trial among the decisions it was fitted on, and its Brier\n"
    "score on the later ones, those of the table, is below that of their own base rate:"
)


def write_document(manifests: Sequence[Manifest], figure: str) -> str:
    """The page for these bundles, trained by one command; `figure` is the file name of the equity plot beside it."""
    provenances = [provenance_from_json(manifest.provenance) for manifest in manifests]
    return "\n".join(
        [
            INTRODUCTION,
            *_origin(provenances),
            "\n## All tests in a row\n",
            f"![Equity over all tests]({figure})\n",
            *_summary(manifests, provenances),
            "\n## Confidence\n",
            *_confidence(manifests),
            *(line for pair in zip(manifests, provenances, strict=True) for line in _tests(*pair)),
            "",
        ]
    )


def _origin(provenances: Sequence[Provenance]) -> Iterable[str]:
    run = provenances[0].run
    yield f"## How\n\n```\n{run.command}\n```\n"
    yield "| symbol | file | published at | sha256 | bars | first | last |\n|---|---|---|---|---|---|---|"
    for source in provenances[0].data:
        cells = (source.symbol, source.file, source.origin, source.sha256, source.bars, source.first, source.last)
        yield _row(cells)
    yield ""
    yield from (f"- {finding}" for source in provenances[0].data for finding in source.findings)
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    yield (
        f"- costs: fee {run.fee_bps:g} bps and half spread {run.half_spread_bps:g} bps of every change of exposure\n"
        f"- purge {run.purge_bars} bars, episodes of {run.episode_bars} bars, seeds {', '.join(map(str, run.seeds))}; "
        f"the first seed also made what ships\n"
        f"- {run.seconds / 60:.1f} minutes for all networks on one core; {versions}"
    )


def _summary(manifests: Sequence[Manifest], provenances: Sequence[Provenance]) -> Iterable[str]:
    for manifest, provenance in zip(manifests, provenances, strict=True):
        folds = provenance.folds
        above_hold = sum(fold.policy.total_return > fold.hold.total_return for fold in folds)
        gained = sum(fold.policy.total_return > 0.0 for fold in folds)
        skilled = sum(fold.random.beaten >= 0.95 for fold in folds)
        yield (
            f"- **{manifest.name}** ended above hold in {above_hold} of {len(folds)} tests, above flat in {gained}, "
            f"above 95 % of random accounts in {skilled}."
        )
    yield "\n| bundle | symbol | seed | policy | hold | flat | random, mean |\n|---|---|---|---|---|---|---|"
    for manifest, provenance in zip(manifests, provenances, strict=True):
        ordered = sorted(provenance.folds, key=lambda fold: (fold.symbol, fold.seed, fold.fold))
        for (symbol, seed), group in groupby(ordered, key=lambda fold: (fold.symbol, fold.seed)):
            tests = list(group)
            returns = (
                _percent(_compounded(fold.policy.total_return for fold in tests)),
                _percent(_compounded(fold.hold.total_return for fold in tests)),
                _percent(_compounded(fold.flat.total_return for fold in tests)),
                _percent(_compounded(fold.random.mean_return for fold in tests)),
            )
            yield _row((manifest.name, symbol, seed, *returns))


def _confidence(manifests: Sequence[Manifest]) -> Iterable[str]:
    calibrated = [(each.name, each.calibration) for each in manifests if each.calibration is not None]
    for event in dict.fromkeys(calibration.event for _, calibration in calibrated):
        yield f"The event: {event}."
    yield OWN_POSITION
    yield "Fitted on the tests' decisions of the first seed, of which neighbours share most of their horizon:\n"
    yield from (f"- {name}: {calibration.method}" for name, calibration in calibrated)
    yield ""
    yield "| bundle | n | base rate | Brier | Brier of the base rate | ECE | highest | verdict |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, calibration in calibrated:
        yield _calibration_row(name, calibration)
    yield f"\n{SERVED}\n"
    yield from (f"- {manifest.name}: {_served(manifest.calibration)}" for manifest in manifests)


def _served(calibration: Calibration | None) -> str:
    if calibration is None:
        return "gives no confidence (`uncalibrated`): there were too few decisions."
    if not calibration.informative:
        return "gives no confidence (`uncalibrated`): it is no better than the base rate."
    return f"gives confidence for {', '.join(calibration.symbols)}."


def _calibration_row(name: str, calibration: Calibration) -> str:
    verdict = "better than the base rate" if calibration.informative else "no better than the base rate"
    chance = calibration.base_rate_brier
    figures = (calibration.base_rate, calibration.brier, chance, calibration.ece, calibration.highest)
    return _row((name, calibration.n, *(f"{figure:.3f}" for figure in figures), verdict))


def _tests(manifest: Manifest, provenance: Provenance) -> Iterable[str]:
    yield f"\n## {manifest.name}\n\n{manifest.algorithm}, {provenance.run.timesteps:,} environment steps per test.\n"
    yield (
        "| test | seed | policy | hold | flat | random 5..95 % | beaten | Sharpe | Sharpe of hold | max drawdown | "
        "of hold | turnover a day | cost paid | BUY / SELL / HOLD |"
    )
    yield "|" + "---|" * 14
    yield from (_test_row(fold) for fold in provenance.folds)


def _test_row(fold: FoldResult) -> str:
    policy, hold = fold.policy, fold.hold
    return _row(
        (
            f"{fold.symbol} {fold.test_start[:10]}..{fold.test_end[:10]}",
            fold.seed,
            _percent(policy.total_return),
            _percent(hold.total_return),
            _percent(fold.flat.total_return),
            f"{_percent(fold.random.low_return)}..{_percent(fold.random.high_return)}",
            f"{fold.random.beaten:.0%}",
            _ratio(policy.sharpe),
            _ratio(hold.sharpe),
            f"{policy.max_drawdown:.0%}",
            f"{hold.max_drawdown:.0%}",
            f"{policy.turnover_per_day:.2f}",
            f"{policy.cost_paid:.0%}",
            " / ".join(f"{fold.actions[verb]:.0%}" for verb in ("BUY", "SELL", "HOLD")),
        )
    )


def _compounded(returns: Iterable[float]) -> float:
    return prod(1.0 + each for each in returns) - 1.0


def _percent(share: float) -> str:
    return f"{share:+.0%}" if share else "0%"


def _ratio(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
