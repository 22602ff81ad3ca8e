"""A value is read back as its types say, or refused with the place where it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pytest

from adapters.store.reading import read_value


class Colour(StrEnum):
    """An enum."""

    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A value within a value."""

    size: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """One field of every kind that is read."""

    name: str
    count: int
    sure: bool
    colour: Colour
    inner: Inner | None
    sizes: tuple[float, ...]
    rows: Mapping[str, bytes] | None


JSON = {
    "name": "n",
    "count": 3,
    "sure": True,
    "colour": "red",
    "inner": {"size": 1},
    "sizes": [1.5, 2],
    "rows": {"a": "AAE="},
}
VALUE = Outer(
    name="n",
    count=3,
    sure=True,
    colour=Colour.RED,
    inner=Inner(size=1.0),
    sizes=(1.5, 2.0),
    rows={"a": b"\x00\x01"},
)


def test_every_kind_of_field_is_read() -> None:
    assert read_value(Outer, JSON) == VALUE


def test_none_is_read_where_it_may_be() -> None:
    read = read_value(Outer, JSON | {"inner": None, "rows": None})
    assert (read.inner, read.rows) == (None, None)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": None}, "Outer.name"),
        ({"count": True}, "Outer.count"),
        ({"count": 1.5}, "Outer.count"),
        ({"sure": 1}, "Outer.sure"),
        ({"colour": "blue"}, "Colour"),
        ({"inner": {"size": "1"}}, r"Outer\.inner\.size"),
        ({"inner": {}}, r"Outer\.inner: missing or unknown: size"),
        ({"sizes": [1.5, None]}, r"Outer\.sizes\[1\]"),
        ({"rows": {"a": 1}}, r"Outer\.rows\.a"),
        ({"rows": {"a": "not base64"}}, "base64"),
        ({"extra": 1}, "Outer: missing or unknown: extra"),
    ],
)
def test_what_does_not_belong_there_is_refused_with_its_place(change: dict[str, object], place: str) -> None:
    with pytest.raises(ValueError, match=place):
        read_value(Outer, JSON | change)
