"""Thresholds stay within the service's ranges, and say how old they are."""

import math

import pytest

from trading.thresholds import (
    BOUNDS,
    DEFAULT_THRESHOLDS,
    FRESH_S,
    KnownThresholds,
    ThresholdOrigin,
    Thresholds,
    ThresholdsInForce,
    thresholds_in_force,
)

NOW_S = 1_700_000_000.0
VALUES = Thresholds(confidence=0.9)


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_a_threshold_outside_the_range_of_the_service_is_refused(name: str) -> None:
    lowest, highest = BOUNDS[name]
    assert getattr(Thresholds(**{name: lowest}), name) == lowest
    for wrong in (lowest - 0.01 * abs(lowest), highest + 0.01 * abs(highest), math.nan):
        with pytest.raises(ValueError, match=f"threshold {name}"):
            Thresholds(**{name: wrong})


@pytest.mark.parametrize(
    ("age_s", "origin"),
    [
        (0.0, ThresholdOrigin.SERVICE),
        (FRESH_S, ThresholdOrigin.SERVICE),
        (FRESH_S + 1, ThresholdOrigin.LAST_KNOWN),
        (-FRESH_S - 1, ThresholdOrigin.LAST_KNOWN),
    ],
)
def test_what_the_service_said_is_in_force_and_marked_when_that_is_long_ago(
    age_s: float, origin: ThresholdOrigin
) -> None:
    known = KnownThresholds(values=VALUES, as_of_s=NOW_S - age_s)
    assert thresholds_in_force(known, wall_s=NOW_S) == ThresholdsInForce(
        values=VALUES, origin=origin, as_of_s=NOW_S - age_s
    )


def test_without_a_word_of_the_service_its_defaults_are_in_force_and_marked() -> None:
    in_force = thresholds_in_force(None, wall_s=NOW_S)
    assert in_force == DEFAULT_THRESHOLDS
    assert (in_force.origin, in_force.as_of_s) == (ThresholdOrigin.DEFAULT, None)
