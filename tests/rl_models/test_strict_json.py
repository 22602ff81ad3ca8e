import pytest

from rl_models.strict_json import Fields, dump_json, parse_json
from trading.errors import BundleRefused

BROKEN = [b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1, "a": 2}', b"{", b"\xff", b"[" * 100_000]
NO_NUMBERS = [b"1e999", b"true", b'"1"', b"null", b"1" + b"0" * 400]


@pytest.mark.parametrize("text", BROKEN)
def test_json_that_is_ambiguous_or_broken_is_refused(text: bytes) -> None:
    with pytest.raises(BundleRefused):
        parse_json(text, "here")


@pytest.mark.parametrize("text", [b"{}", *(b'{"a": ' + value + b"}" for value in NO_NUMBERS)])
def test_a_number_is_a_finite_number_and_nothing_else(text: bytes) -> None:
    with pytest.raises(BundleRefused, match=r"here.*a"):
        Fields(parse_json(text, "here"), "here").number("a")


def test_a_key_nobody_asked_for_is_refused_by_name() -> None:
    fields = Fields({"a": 1, "b": 2}, "here")
    fields.number("a")
    with pytest.raises(BundleRefused, match="'b'"):
        fields.end()


def test_a_free_object_keeps_its_values_but_not_infinity() -> None:
    kept = {"seed": 7, "list": [1.5, None, True, {"deep": "text"}]}
    assert Fields({"free": kept}, "here").free("free") == kept
    with pytest.raises(BundleRefused, match="deep"):
        Fields({"free": {"deep": [float("inf")]}}, "here").free("free")


def test_the_same_value_gives_the_same_bytes_whatever_its_order() -> None:
    assert dump_json({"a": 1, "b": [2.5]}) == dump_json({"b": [2.5], "a": 1})
    with pytest.raises(ValueError, match="Out of range"):
        dump_json({"a": float("nan")})
