"""A pickle is read as a description; nothing is imported or called."""

import pickle
import random
from collections import OrderedDict
from pathlib import PurePosixPath

import pytest

from rl_models.training.inert_pickle import MOST_OPCODES, Call, Entries, Name, Node, entry, read_inert
from trading.errors import BundleRefused


def read(content: bytes) -> Node:
    return read_inert(content, allowed=lambda name: name.module in {"collections", "pathlib"}, where="x.pkl")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "value", [None, True, -7, 2**70, 0.5, "text", (), (1,), (1, 2, 3, 4), [1, [2]], [list(range(9))]]
)
def test_plain_values_are_read_as_they_are(protocol: int, value: object) -> None:
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_bytes_are_read_as_they_are(protocol: int) -> None:
    assert read(pickle.dumps([b"raw", b"x" * 300], protocol)) == [b"raw", b"x" * 300]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_an_object_is_a_call_that_was_not_made(protocol: int) -> None:
    found = read(pickle.dumps(OrderedDict(a=1), protocol))
    assert isinstance(found, Call)
    assert found.function == Name(module="collections", name="OrderedDict")
    assert found.items == [("a", 1)]


def test_entries_are_found_by_name_in_dicts_and_in_states() -> None:
    held = read(pickle.dumps({"a": {"b": 2}}))
    assert isinstance(held, Entries)
    assert entry(entry(held, "a"), "b") == 2
    assert entry(held, "c") is None
    assert entry("text", "c") is None


def test_a_shared_object_stays_shared() -> None:
    inner = [1]
    found = read(pickle.dumps([inner, inner]))
    assert isinstance(found, list)
    assert found[0] is found[1]


def test_a_name_that_is_not_allowed_is_refused_by_name() -> None:
    with pytest.raises(BundleRefused, match=r"x\.pkl: it asks for builtins\.complex"):
        read(pickle.dumps(1j))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"\x80\x04N",
        b"\x80\x04.",
        b"\x80\x04h\x05.",
        b"\x80\x04t.",
        b"\x80\x04Ne.",
        b"\x80\x04NNs.",
        b"\x80\x04(.",
        b"\x80\x04NNb.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x04r\xff\xff\xff\xff.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02NP.",
        b"\x80\x04NN\x93.",
    ],
)
def test_broken_or_unusual_pickles_are_refused(content: bytes) -> None:
    with pytest.raises(BundleRefused):
        read(content)


def test_a_pickle_with_too_many_instructions_is_refused() -> None:
    with pytest.raises(BundleRefused, match="more than"):
        read(b"\x80\x04]" + b"Na" * MOST_OPCODES + b".")


def test_a_path_is_described_and_not_made() -> None:
    found = read(pickle.dumps(PurePosixPath("/home/x"), 4))
    assert isinstance(found, Call)
    assert found.arguments == ("/", "home", "x")


def test_random_damage_ends_in_a_value_or_a_refusal() -> None:
    rng = random.Random(11)
    honest = pickle.dumps({"a": [1.0, b"bytes", OrderedDict(b=(None, "text"))]}, 4)
    refused = 0
    for _ in range(3_000):
        damaged = bytearray(honest)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            read(bytes(damaged))
        except BundleRefused:
            refused += 1
    assert refused > 1_000
