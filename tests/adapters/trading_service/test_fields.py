"""Fields of foreign answers: read as what they are, refused when they are something else."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from adapters.trading_service.fields import Fields, count, decimal, fields, flag, number, rows, text, time_s
from trading.errors import OutcomeUnknown

Read = Callable[[Fields, str], object]


@pytest.mark.parametrize(
    ("read", "value", "meant"),
    [
        (decimal, "0.10", Decimal("0.10")),
        (decimal, 0.1, Decimal("0.1")),
        (decimal, 3, Decimal(3)),
        (number, "1e3", 1000.0),
        (count, 7, 7),
        (text, "x", "x"),
        (text, 12345678901, "12345678901"),
        (text, "", None),
        (flag, False, False),
        (time_s, "2026-01-01T00:00:00.500Z", 1767225600.5),
        (time_s, "2026-01-01T01:00:00+01:00", 1767225600.0),
        (time_s, 1767225600500, 1767225600.5),
    ],
)
def test_a_field_is_read_as_its_type(read: Read, value: object, meant: object) -> None:
    assert read({"it": value}, "it") == meant


@pytest.mark.parametrize("read", [decimal, number, count, text, flag, time_s])
def test_a_field_that_is_missing_or_null_is_none(read: Read) -> None:
    assert read({}, "it") is None
    assert read({"it": None}, "it") is None


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (decimal, "NaN"),
        (decimal, "Infinity"),
        (decimal, "abc"),
        (decimal, ""),
        (decimal, True),
        (decimal, [1]),
        (number, "1e999"),
        (count, 1.5),
        (count, -1),
        (text, 1.5),
        (text, True),
        (text, {}),
        (flag, 1),
        (flag, "true"),
        (time_s, "2026-01-01T00:00:00"),  # naive: which offset it means nobody knows
        (time_s, "Thu Sep 25 2025"),
        # No calendar and no screen has room for these.
        (time_s, 1e300),
        (time_s, -1),
        (time_s, "0001-01-01T00:00:00+14:00"),
        (decimal, "1e999999"),
        (decimal, "1e-999999"),
        (decimal, "0e999999"),
    ],
)
def test_a_field_of_another_kind_is_refused(read: Read, value: object) -> None:
    with pytest.raises(OutcomeUnknown):
        read({"it": value}, "it")


def test_an_answer_of_another_shape_is_refused() -> None:
    for read, value in ((fields, []), (rows, {}), (rows, [1])):
        with pytest.raises(OutcomeUnknown):
            read(value, "it")
