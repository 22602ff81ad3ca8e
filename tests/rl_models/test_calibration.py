from dataclasses import replace

import numpy as np
import pytest

from rl_models.calibration import Calibration, calibration_from_json
from rl_models.strict_json import dump_json, parse_json
from tests.fakes.bundles import CALIBRATION
from trading.errors import BundleRefused

KNOTS = ((-0.5, 0.1), (0.2, 0.1), (0.4, 0.3), (0.9, 0.8))
STEPPED = replace(CALIBRATION, knots=KNOTS)


def test_probabilities_are_linear_between_knots_and_constant_outside() -> None:
    scores = np.linspace(-1.0, 1.5, 101)
    expected = np.interp(scores, [score for score, _ in KNOTS], [fitted for _, fitted in KNOTS])
    assert [STEPPED.probability(score) for score in scores.tolist()] == pytest.approx(expected.tolist())


def test_the_highest_confidence_is_that_of_the_last_knot() -> None:
    assert STEPPED.highest == 0.8


def test_one_knot_gives_one_probability() -> None:
    single = replace(CALIBRATION, knots=((0.5, 0.44),), informative=False)
    assert [single.probability(score) for score in (-9.0, 0.5, 9.0)] == [0.44] * 3


def test_a_calibration_survives_json() -> None:
    assert calibration_from_json(parse_json(dump_json(STEPPED.to_json()), "here"), "here") == STEPPED


@pytest.mark.parametrize(
    "broken",
    [
        replace(CALIBRATION, knots=((0.4, 0.3), (0.4, 0.5))),
        replace(CALIBRATION, knots=((0.4, 0.5), (0.6, 0.3))),
        replace(CALIBRATION, knots=((0.4, 0.5), (0.6, 1.1))),
        replace(CALIBRATION, n=0),
        replace(CALIBRATION, brier=-0.1),
        replace(CALIBRATION, symbols=()),
        replace(CALIBRATION, symbols=("BTC", "BTC")),
        replace(CALIBRATION, brier=0.2496, base_rate=0.48),
        replace(CALIBRATION, knots=((0.5, 0.44),)),
    ],
)
def test_a_curve_that_is_no_monotone_probability_or_says_less_than_it_claims_is_refused(broken: Calibration) -> None:
    with pytest.raises(BundleRefused):
        calibration_from_json(broken.to_json(), "here")


def test_a_calibration_no_better_than_the_base_rate_keeps_its_figures() -> None:
    useless = replace(CALIBRATION, brier=0.26, informative=False)
    assert calibration_from_json(useless.to_json(), "here") == useless
    assert useless.base_rate_brier == pytest.approx(0.48 * 0.52)


@pytest.mark.parametrize("key", ["informative", "symbols"])
def test_what_a_calibration_is_good_for_must_be_said(key: str) -> None:
    silent = {name: value for name, value in CALIBRATION.to_json().items() if name != key}
    with pytest.raises(BundleRefused, match=key):
        calibration_from_json(silent, "here")


def test_informative_is_true_or_false() -> None:
    with pytest.raises(BundleRefused, match="true or false"):
        calibration_from_json({**CALIBRATION.to_json(), "informative": 1}, "here")


def test_a_highest_that_the_knots_do_not_have_is_refused() -> None:
    with pytest.raises(BundleRefused, match="highest"):
        calibration_from_json({**CALIBRATION.to_json(), "highest": 0.99}, "here")
