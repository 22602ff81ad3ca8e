"""JSON from people we do not trust: every key expected, every number finite, each refusal naming the place."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias

from trading.errors import BundleRefused

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def parse_json(text: bytes, where: str) -> object:
    """The value of a JSON document. Raises BundleRefused for bad JSON, repeated keys, NaN and Infinity."""

    def refuse_constant(name: str) -> NoReturn:
        raise BundleRefused(f"{where}: {name} is not a finite number")

    def unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise BundleRefused(f"{where}: a key is given twice")
        return found

    try:
        return json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unrepeated)
    except (ValueError, RecursionError) as error:
        raise BundleRefused(f"{where}: not JSON: {error}") from error


def dump_json(value: Json) -> bytes:
    """Sorted, indented, ASCII: the same value gives the same bytes. Raises ValueError for NaN and infinity."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


class Fields:
    """Takes the fields of one JSON object one by one; `end` refuses what was not taken."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise BundleRefused(f"{where}: expected an object")
        self._left: dict[str, object] = dict(value)
        self.where = where

    def end(self) -> None:
        """Raises BundleRefused when keys are left that nobody asked for."""
        if self._left:
            raise BundleRefused(f"{self.where}: unknown keys {sorted(self._left)}")

    def take(self, key: str) -> object:
        """Any value, None too. Raises BundleRefused when the key is missing."""
        if key not in self._left:
            raise BundleRefused(f"{self.where}: {key} is missing")
        return self._left.pop(key)

    def text(self, key: str) -> str:
        """A string of at least one character."""
        value = self.take(key)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self.refusal(key, "a printable text")
        return value

    def integer(self, key: str, *, at_least: int) -> int:
        """An integer, not a float with no fraction."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
            raise self.refusal(key, f"an integer of at least {at_least}")
        return value

    def boolean(self, key: str) -> bool:
        """True or false, not 1 or 0."""
        value = self.take(key)
        if not isinstance(value, bool):
            raise self.refusal(key, "true or false")
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        return finite(self.take(key), f"{self.where}.{key}")

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        return tuple(finite(value, f"{self.where}.{key}") for value in self.items(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self.items(key)
        texts = tuple(value for value in values if isinstance(value, str) and value)
        if len(texts) != len(values):
            raise self.refusal(key, "a list of texts")
        return texts

    def items(self, key: str) -> list[object]:
        """A list of anything."""
        value = self.take(key)
        if not isinstance(value, list):
            raise self.refusal(key, "a list")
        return value

    def free(self, key: str) -> Mapping[str, Json]:
        """An object of any JSON, as long as its numbers are finite."""
        value = self.take(key)
        if not isinstance(value, dict):
            raise self.refusal(key, "an object")
        return {name: free_json(item, f"{self.where}.{key}.{name}") for name, item in value.items()}

    def refusal(self, key: str, expected: str) -> BundleRefused:
        """The error for a value of the wrong kind, to be raised by the caller."""
        return BundleRefused(f"{self.where}.{key}: expected {expected}")


def finite(value: object, where: str) -> float:
    """The number as a float. Raises BundleRefused for anything else, booleans and 1e999 included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BundleRefused(f"{where}: expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BundleRefused(f"{where}: not a finite number")
    return number


def free_json(value: object, where: str) -> Json:
    """The same value, proven to be JSON with finite numbers only."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        finite(value, where)
        return value
    if isinstance(value, Mapping):
        return {str(name): free_json(item, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [free_json(item, f"{where}[{place}]") for place, item in enumerate(value)]
    raise BundleRefused(f"{where}: {type(value).__name__} is not JSON")
