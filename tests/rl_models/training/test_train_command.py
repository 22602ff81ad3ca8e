"""The train command's options mean what they say."""

import pytest

from rl_models.training.train_command import exposure_levels, symbol_and_path, timeframe_label


@pytest.mark.parametrize(("seconds", "label"), [(60, "1m"), (900, "15m"), (3600, "1h"), (14_400, "4h"), (86_400, "1d")])
def test_a_timeframe_is_named_in_its_largest_whole_unit(seconds: int, label: str) -> None:
    assert timeframe_label(seconds) == label


def test_data_is_given_as_symbol_and_file() -> None:
    symbol, path = symbol_and_path("BTC=folder/bars.csv")
    assert (symbol, path.name) == ("BTC", "bars.csv")


@pytest.mark.parametrize("text", ["bars.csv", "=bars.csv", "BTC="])
def test_data_without_symbol_or_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"bars|BTC"):
        symbol_and_path(text)


def test_levels_are_numbers() -> None:
    assert exposure_levels("-1,0,1") == (-1.0, 0.0, 1.0)
