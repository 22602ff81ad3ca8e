"""Walk-forward results as one self-contained HTML page: figures inline, nothing fetched."""

from collections.abc import Sequence
from html import escape

from rl_models.manifest import Manifest
from rl_models.training.plots import compare_equity, describe_bundle
from rl_models.training.provenance import FoldResult, provenance_from_json

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0 }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
svg { max-width: 100%; height: auto } code { overflow-wrap: anywhere }
"""
HEADINGS = ("test", "seed", "policy", "hold", "random 5 %", "random 95 %", "beaten", "Sharpe", "max drawdown", "a day")


def write_page(manifests: Sequence[Manifest]) -> str:
    """The page for these bundles, trained by one command."""
    run = provenance_from_json(manifests[0].provenance).run
    sections = "".join(_section(manifest) for manifest in manifests)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Walk-forward results</title>'
        f"<style>{STYLE}</style><h1>Walk-forward results</h1><p><code>{escape(run.command)}</code></p>"
        f"<p>Returns after {run.fee_bps:g} + {run.half_spread_bps:g} bps of costs, on bars after those trained on; "
        "the account of each test starts flat. Turnover a day is in multiples of equity.</p>"
        f"{_inline(compare_equity(manifests))}{sections}</html>\n"
    )


def _section(manifest: Manifest) -> str:
    rows = "".join(_row(fold) for fold in provenance_from_json(manifest.provenance).folds)
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    return (
        f"<h2>{escape(manifest.name)} {escape(manifest.version)}</h2><p>{escape(_confidence(manifest))}</p>"
        f"{_inline(describe_bundle(manifest))}<table><tr>{head}</tr>{rows}</table>"
    )


def _confidence(manifest: Manifest) -> str:
    calibration = manifest.calibration
    if calibration is None:
        return "No confidence: there were too few decisions to calibrate it."
    served = "Served." if calibration.informative else "Not served: it is no better than the base rate."
    return (
        f"Confidence: {calibration.event}. {served} Out of sample n {calibration.n}, base rate "
        f"{calibration.base_rate:.3f}, Brier {calibration.brier:.3f} ({calibration.base_rate_brier:.3f} for the base "
        f"rate), ECE {calibration.ece:.3f}, highest {calibration.highest:.3f}."
    )


def _row(fold: FoldResult) -> str:
    cells = (
        f"{escape(fold.symbol)} {fold.test_start[:10]}..{fold.test_end[:10]}",
        str(fold.seed),
        f"{fold.policy.total_return:+.1%}",
        f"{fold.hold.total_return:+.1%}",
        f"{fold.random.low_return:+.1%}",
        f"{fold.random.high_return:+.1%}",
        f"{fold.random.beaten:.0%}",
        "none" if fold.policy.sharpe is None else f"{fold.policy.sharpe:.2f}",
        f"{fold.policy.max_drawdown:.1%}",
        f"{fold.policy.turnover_per_day:.2f}",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _inline(svg: str) -> str:
    return svg[svg.index("<svg") :]
