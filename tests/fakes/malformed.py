"""Seeded malformed predict requests, each with the statuses it may be answered with. Every value carries a marker."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.fakes.served import REQUEST

MARKER = "leakme"
JSON = "application/json"

Malformed = tuple[bytes, str, int]

_BAD_NUMBERS: tuple[Any, ...] = (
    MARKER, "0.5", True, None, [], {}, float("nan"), float("inf"), -float("inf"), -1e9, 1e30, [0.5], {"a": MARKER},
)  # fmt: skip
_BAD_TEXTS: tuple[Any, ...] = (
    None,
    1,
    1.5,
    True,
    [],
    {},
    "",
    "x" * 300,
    f"{MARKER} {MARKER}",
    "a\n" + MARKER,
    "\u0000",
    "é",
)
_BAD_ACTIONS: tuple[Any, ...] = ("buy", "Hold", "", MARKER, 1, None, [], "BUY ", {"action": "BUY"})
_BAD_TIMES: tuple[Any, ...] = (
    0,
    1.7e9,
    "1700000000",
    "12:30",
    "2026-01-01",
    "2026-01-01T00:00:00",
    MARKER,
    "",
    [],
    True,
)
_BAD_QUOTES: tuple[Any, ...] = (
    MARKER, [], {}, {"price": 0}, {"price": -1}, {"price": "1"}, {"bid": 1.0}, {"price": 1.0, MARKER: 1},
    {"price": 1.0, "bid": 2.0, "ask": 1.0}, {"price": float("nan")}, {"price": 1.0, "timestamp": MARKER},
)  # fmt: skip


def malformed_requests(count: int, seed: int) -> Iterator[Malformed]:
    """`count` triples of body, content type and the status it must get."""
    chance = random.Random(seed)
    for _ in range(count):
        yield chance.choice(_KINDS)(chance)


def _encode(content: Any) -> bytes:
    return json.dumps(content).encode()


def _changed(chance: random.Random, path: tuple[str, ...], values: tuple[Any, ...]) -> Malformed:
    content: Any = copy.deepcopy(REQUEST)
    target = content
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = chance.choice(values)
    return _encode(content), JSON, 422


def _bad_number(chance: random.Random) -> Malformed:
    name = chance.choice(("confidence", "rsi", "change_percent", "volume"))
    values = tuple(v for v in _BAD_NUMBERS if not (name == "volume" and v == 1e9))
    return _changed(chance, ("signal_data", name), values)


def _bad_text(chance: random.Random) -> Malformed:
    return _changed(chance, (chance.choice(("user_id", "symbol")),), _BAD_TEXTS)


def _bad_action(chance: random.Random) -> Malformed:
    return _changed(chance, ("signal_data", "action"), _BAD_ACTIONS)


def _bad_option(chance: random.Random) -> Malformed:
    name, values = chance.choice(
        (
            ("timestamp", _BAD_TIMES),
            ("market_data", _BAD_QUOTES),
            ("priority", (0, 4, 1.5, "1", True, [], None)),
            ("timeout_seconds", (0, -1, 30.1, "5", True, [], float("inf"))),
        )
    )
    return _changed(chance, (name,), values)


def _unknown_field(chance: random.Random) -> Malformed:
    name = chance.choice((MARKER, "confidence ", "__proto__", "x" * 500, "a\r\nb", "\u2028", "user_id "))
    content: Any = copy.deepcopy(REQUEST)
    chance.choice((content, content["signal_data"]))[name] = MARKER
    return _encode(content), JSON, 422


def _missing_field(chance: random.Random) -> Malformed:
    content: Any = copy.deepcopy(REQUEST)
    target = chance.choice((content, content["signal_data"]))
    del target[chance.choice(sorted(target))]
    return _encode(content), JSON, 422


def _not_an_object(chance: random.Random) -> Malformed:
    content = chance.choice((None, 1, MARKER, [], [REQUEST], True, 1.5, [[]] * 100))
    return _encode(content), JSON, 422


def _broken_json(chance: random.Random) -> Malformed:
    body = bytearray(_encode(REQUEST))
    kind = chance.randrange(5)
    if kind == 0:
        body = body[: chance.randrange(len(body))]
    elif kind == 1:
        body += bytes([chance.choice(b"}],x")])
    elif kind == 2:
        body = bytearray(chance.randbytes(chance.randrange(1, 200))).replace(b"0", b"\xff") + b"\xff"
    elif kind == 3:
        body = bytearray(b"[" * chance.randrange(300, 5000))
    else:
        body = body.replace(b'"', b"'")
    return bytes(body), JSON, 400


_WRONG_TYPES = (
    "",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/vnd.bentoml+pickle",
    "application/json; charset=utf-16",
    "application/jsonx",
)


def _wrong_type(chance: random.Random) -> Malformed:
    return _encode(REQUEST), chance.choice(_WRONG_TYPES), 415


def _too_large(chance: random.Random) -> Malformed:
    padding = " " * (64 * 1024 + chance.randrange(1, 2000))
    return _encode(REQUEST) + padding.encode(), JSON, 413


def _unknown_symbol(chance: random.Random) -> Malformed:
    content = REQUEST | {"symbol": chance.choice(("NOPE", "btc", "BTCUSDT", "DOGE"))}
    return _encode(content), JSON, 404


_KINDS: tuple[Callable[[random.Random], Malformed], ...] = (
    _bad_number, _bad_text, _bad_action, _bad_option, _unknown_field, _missing_field, _not_an_object, _broken_json,
    _wrong_type, _too_large, _unknown_symbol,
)  # fmt: skip
