"""How each kind of value is spelled on the wire."""

from datetime import datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.words import Timeframe, iso_time, spell_timeframe, to_timeframe_s
from tests.fakes.advisers import NOON_S


@pytest.mark.parametrize(
    ("unix_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (NOON_S, "2023-11-14T22:13:20.000Z"),
        (NOON_S + 0.25, "2023-11-14T22:13:20.250Z"),
        (-1.0, "1969-12-31T23:59:59.000Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds_and_z(unix_s: float, text: str) -> None:
    assert iso_time(unix_s) == text


@given(st.integers(0, 4_000_000_000_000))
def test_a_written_time_is_read_back_to_the_millisecond(unix_ms: int) -> None:
    assert datetime.fromisoformat(iso_time(unix_ms / 1000)).timestamp() == pytest.approx(unix_ms / 1000, abs=0.0011)


@pytest.mark.parametrize("text", get_args(Timeframe))
def test_a_length_of_bars_is_written_as_it_is_read(text: Timeframe) -> None:
    assert spell_timeframe(to_timeframe_s(text)) == text
