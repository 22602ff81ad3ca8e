"""What is expected of an experiment has a range, and what is outside is refused in words that name the field."""

import math

import pytest

from ab.power_checks import check_expected
from trading.errors import InvalidField

GOOD = {"effect_bps": 5.0, "deviation_bps": 100.0, "users_per_arm": 50}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("effect_bps", (0.0, -0.0, 0.001, -0.001, 10_000.0, -10_000.0)),
        ("deviation_bps", (0.01, 100_000.0)),
        ("users_per_arm", (2, 10_000_000)),
    ],
)
def test_both_ends_of_a_range_belong_to_it(field: str, values: tuple[float, ...]) -> None:
    for value in values:
        check_expected(**GOOD | {field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "values", "problem"),
    [
        ("effect_bps", (1e-300, -0.0009, 10_001.0, math.inf, math.nan), "must be 0, or 0.001..10000 either way"),
        ("deviation_bps", (0.0, -1.0, 0.0099, 1e9, math.inf, math.nan), "must be in 0.01..100000"),
        ("users_per_arm", (1, 0, -5, 10_000_001, 10**40), "must be in 2..10000000"),
    ],
)
def test_what_is_outside_is_refused_with_its_range(field: str, values: tuple[float, ...], problem: str) -> None:
    for value in values:
        with pytest.raises(InvalidField) as refused:
            check_expected(**GOOD | {field: value})  # type: ignore[arg-type]
        assert (refused.value.field, refused.value.problem) == (field, problem)
