"""Options of the policy commands mean what they say, and say what is wrong."""

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from rl_models.training.options import (
    basis_points,
    exposure_levels,
    symbol_and_path,
    timeframe_label,
    timeframe_s,
    whole,
)


@pytest.mark.parametrize(("seconds", "label"), [(60, "1m"), (900, "15m"), (3600, "1h"), (14_400, "4h"), (86_400, "1d")])
def test_a_timeframe_is_named_in_its_largest_whole_unit_and_read_back(seconds: int, label: str) -> None:
    assert timeframe_label(seconds) == label
    assert timeframe_s(label) == seconds


def test_data_is_given_as_symbol_and_file() -> None:
    symbol, path = symbol_and_path("BTC=folder/bars.csv")
    assert (symbol, path.name) == ("BTC", "bars.csv")


def test_levels_are_numbers_in_any_order() -> None:
    assert exposure_levels("1,-1,0") == (1.0, -1.0, 0.0)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((symbol_and_path, text) for text in ("bars.csv", "=bars.csv", "BTC=")),
        *((timeframe_s, text) for text in ("1", "h", "0h", "-1h", "1.5h", "1w", "", "9" * 5_000 + "h")),
        *((exposure_levels, text) for text in ("a,b", "0", "0,0", "0,nan", "", "0,inf")),
        *((basis_points, text) for text in ("-1", "nan", "1e9", "x")),
        *((whole(at_least=1, at_most=9), text) for text in ("0", "10", "1.0", "-1", "x", "9" * 5_000)),
    ],
)
def test_what_cannot_be_meant_is_refused(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        read(text)
