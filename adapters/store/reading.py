"""From JSON to our values: a frozen dataclass is read back field by field, as its types say."""

from base64 import b64decode
from collections.abc import Hashable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import TypeVar, cast, get_args, get_origin, get_type_hints

Value = TypeVar("Value")

# JSON has no numbers for them: pydantic_core writes these words (`inf_nan_mode="strings"`).
NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def read_value(kind: type[Value], value: object) -> Value:
    """The value of a dataclass that was written as a JSON object of its fields.

    Enums are their values, tuples lists, bytes base64, floats that are not finite words. Every field must be there and
    no other. Raises ValueError with the place for anything else.
    """
    return cast(Value, _read(kind, value, kind.__name__))


def _read(kind: object, value: object, place: str) -> object:
    origin = get_origin(kind)
    if origin is UnionType:
        given, _ = get_args(kind)  # each of ours is `something | None`
        return None if value is None else _read(given, value, place)
    if origin is tuple:
        item, _ = get_args(kind)
        return tuple(_read(item, part, f"{place}[{at}]") for at, part in enumerate(_expect(list, value, place)))
    if origin is Mapping:
        _, item = get_args(kind)
        return {key: _read(item, part, f"{place}.{key}") for key, part in _expect(dict, value, place).items()}
    if kind is bytes:
        return b64decode(_expect(str, value, place), validate=True)
    if kind is float:
        if value in NOT_FINITE:
            return float(value)
        return float(_expect((float, int), value, place))
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_fields(kind, _expect(dict, value, place), place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    return _expect(cast(type[object], kind), value, place)


def _read_fields(kind: type[object], fields: dict[str, object], place: str) -> object:
    kinds = _kinds(cast(Hashable, kind))
    if fields.keys() != kinds.keys():
        names = ", ".join(sorted(fields.keys() ^ kinds.keys()))
        raise ValueError(f"{place}: missing or unknown: {names}")
    return kind(**{name: _read(kinds[name], fields[name], f"{place}.{name}") for name in kinds})


@lru_cache(maxsize=64)
def _kinds(kind: Hashable) -> dict[str, object]:
    return get_type_hints(kind)


def _expect(kind: type[Value] | tuple[type[Value], ...], value: object, place: str) -> Value:
    # True is an int for isinstance, and no number of ours.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{place}: not what belongs here: {type(value).__name__}")
    return value
