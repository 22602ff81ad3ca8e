"""Figures of walk-forward results as SVG text: the same results give the same bytes."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from rl_models.manifest import Manifest
from rl_models.training.metrics import drawdown
from rl_models.training.provenance import EquityCurve, Provenance, provenance_from_json

HOLD_COLOUR = "0.6"
ACTION_COLOURS = {"BUY": "tab:green", "SELL": "tab:red", "HOLD": "0.85"}


def compare_equity(manifests: Sequence[Manifest]) -> str:
    """Equity of the first seed of every bundle against holding, one panel per symbol, logarithmic."""
    provenances = [provenance_from_json(manifest.provenance) for manifest in manifests]
    symbols = [curve.symbol for curve in provenances[0].curves]
    with _style():
        figure = Figure(figsize=(9, 4 * len(symbols)), layout="constrained")
        for axes, symbol in zip(np.ravel(figure.subplots(len(symbols), 1, squeeze=False)), symbols, strict=True):
            for manifest, provenance in zip(manifests, provenances, strict=True):
                for curve in provenance.curves:
                    if curve.symbol == symbol:
                        axes.plot(_days(curve, curve.policy), curve.policy, label=manifest.name, linewidth=1)
            known = next(curve for curve in provenances[0].curves if curve.symbol == symbol)
            axes.plot(_days(known, known.hold), known.hold, label="hold", color=HOLD_COLOUR, linewidth=1)
            axes.set(title=f"{symbol}: equity over all tests, after costs", ylabel="multiple of start")
            _logarithmic(axes)
            axes.legend(frameon=False, ncols=3)
        return _svg(figure)


def describe_bundle(manifest: Manifest) -> str:
    """Equity, drawdown, action mix by test and reliability of one bundle."""
    provenance = provenance_from_json(manifest.provenance)
    with _style():
        figure = Figure(figsize=(11, 7), layout="constrained")
        equity, fall, actions, reliability = np.ravel(figure.subplots(2, 2))
        for curve in provenance.curves:
            _draw_curve(equity, fall, curve)
        equity.set(title="equity after costs, first seed", ylabel="multiple of start")
        fall.set(title="drawdown", ylabel="below the highest so far, %")
        _logarithmic(equity)
        equity.legend(frameon=False)
        fall.legend(frameon=False)
        _draw_actions(actions, provenance)
        _draw_reliability(reliability, manifest)
        return _svg(figure)


def _draw_curve(equity: Axes, fall: Axes, curve: EquityCurve) -> None:
    lines = ((f"{curve.symbol} policy", curve.policy, None), (f"{curve.symbol} hold", curve.hold, HOLD_COLOUR))
    for label, values, colour in lines:
        equity.plot(_days(curve, values), values, label=label, color=colour, linewidth=1)
        fall.plot(_days(curve, values), -100.0 * drawdown(np.array(values)), label=label, color=colour, linewidth=1)


def _logarithmic(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_actions(axes: Axes, provenance: Provenance) -> None:
    places = np.arange(len(provenance.folds))
    below = np.zeros(len(places))
    for verb, colour in ACTION_COLOURS.items():
        shares = np.array([100.0 * fold.actions[verb] for fold in provenance.folds])
        axes.bar(places, shares, bottom=below, label=verb, color=colour)
        below += shares
    labels = [f"{fold.fold}/{fold.seed}" for fold in provenance.folds]
    axes.set_xticks(places, labels, fontsize=7)
    axes.set(title="actions by test / seed", ylabel="% of decisions")
    axes.legend(ncols=3, loc="upper right")


def _draw_reliability(axes: Axes, manifest: Manifest) -> None:
    axes.set(title="reliability out of sample", xlabel="confidence said", ylabel="share that paid")
    axes.plot([0, 1], [0, 1], color=HOLD_COLOUR, linewidth=1)
    calibration = manifest.calibration
    if calibration is None:
        axes.text(0.5, 0.5, "too few decisions to calibrate", ha="center")
        return
    points = calibration.curve
    axes.axhline(calibration.base_rate, color="tab:orange", linewidth=1, linestyle=":", label="base rate")
    axes.scatter(
        [point.score for point in points],
        [point.observed for point in points],
        s=[max(200.0 * point.n / calibration.n, 8.0) for point in points],
        label=f"n {calibration.n}",
    )
    axes.legend(frameon=False)


def _days(curve: EquityCurve, values: Sequence[float]) -> "np.ndarray[tuple[int], np.dtype[np.datetime64]]":
    start = np.datetime64(datetime.fromisoformat(curve.start).replace(tzinfo=None), "s")
    return start + np.arange(len(values)) * np.timedelta64(curve.step_s, "s")


def _style() -> AbstractContextManager[None]:
    # Fixed ids and no date, so that a figure in a repository changes only when its results do.
    return mpl.rc_context(
        {"svg.hashsalt": "rl_models", "svg.fonttype": "none", "font.size": 9, "date.converter": "concise"}
    )


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
