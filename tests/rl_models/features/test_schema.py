"""A schema says exactly what an observation holds, and refuses what it cannot say."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from rl_models.features.schema import FeatureSchema, FeatureSpec
from trading.errors import BundleRefused

RSI = FeatureSpec(name="rsi_14", feature="rsi", params={"n": 14})
CLOSE = FeatureSpec(name="close", feature="close")
ACTION = FeatureSpec(name="action", feature="signal_action")
POSITION = FeatureSpec(name="position", feature="position_exposure")
SCHEMA = FeatureSchema(features=(RSI, CLOSE, ACTION, POSITION), window=2)


def test_market_features_are_named_once_per_bar_oldest_first_and_the_others_once() -> None:
    assert SCHEMA.names == ("rsi_14[t-1]", "close[t-1]", "rsi_14[t]", "close[t]", "action", "position")
    assert SCHEMA.size == 6


def test_with_a_window_of_one_the_order_is_the_listed_one() -> None:
    assert FeatureSchema(features=(POSITION, CLOSE, ACTION, RSI)).names == ("position", "close", "action", "rsi_14")


def test_only_a_signal_feature_makes_a_schema_need_the_signal() -> None:
    assert SCHEMA.needs_signal
    assert not FeatureSchema(features=(RSI, POSITION)).needs_signal


def test_a_schema_survives_json_with_the_same_digest() -> None:
    again = FeatureSchema.from_json(json.loads(json.dumps(SCHEMA.to_json())))
    assert again == SCHEMA
    assert again.digest == SCHEMA.digest
    assert again.digest.startswith("sha256:")


@pytest.mark.parametrize(
    "other",
    [
        FeatureSchema(features=(CLOSE, RSI, ACTION, POSITION), window=2),
        FeatureSchema(features=(RSI, CLOSE, ACTION, POSITION), window=3),
        FeatureSchema(features=(RSI, CLOSE, ACTION, POSITION), window=2, max_gap_bars=4),
        FeatureSchema(
            features=(FeatureSpec(name="rsi_14", feature="rsi", params={"n": 15}), CLOSE, ACTION, POSITION), window=2
        ),
    ],
)
def test_another_order_window_gap_or_parameter_is_another_digest(other: FeatureSchema) -> None:
    assert other.digest != SCHEMA.digest


def test_a_parameter_written_as_a_float_is_the_same_schema() -> None:
    loose = FeatureSpec(name="rsi_14", feature="rsi", params={"n": 14.0})
    assert FeatureSchema(features=(loose,)).digest == FeatureSchema(features=(RSI,)).digest


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FeatureSpec(name="x", feature="crystal_ball"), "unknown feature 'crystal_ball'"),
        (lambda: FeatureSpec(name="x", feature="rsi"), "takes the parameters"),
        (lambda: FeatureSpec(name="x", feature="rsi", params={"n": 14, "m": 2}), "takes the parameters"),
        (lambda: FeatureSpec(name="x", feature="rsi", params={"n": 1}), "outside 2..5000"),
        (lambda: FeatureSpec(name="", feature="close"), "name"),
        (lambda: FeatureSchema(features=()), "at least one market feature"),
        (lambda: FeatureSchema(features=(POSITION,)), "at least one market feature"),
        (lambda: FeatureSchema(features=(CLOSE, CLOSE)), "unique; repeated: close"),
        (lambda: FeatureSchema(features=(POSITION, CLOSE), window=2), "listed first"),
        (lambda: FeatureSchema(features=(CLOSE,), window=0), "window 0"),
        (lambda: FeatureSchema(features=(CLOSE,), max_gap_bars=-1), "negative"),
        (lambda: FeatureSchema(features=(CLOSE,), version=2), "version 2"),
    ],
)
def test_a_broken_rule_is_refused_in_words(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def edited(change: Callable[[dict[str, Any]], object]) -> object:
    value = json.loads(json.dumps(SCHEMA.to_json()))
    replaced = change(value)
    return value if replaced is None else replaced


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: [], "must be an object"),
        (lambda value: value.update(colour="red"), "must have the fields"),
        (lambda value: dict(list(value.items())[1:]), "must have the fields"),
        (lambda value: value.update(window="2"), "window must be a whole number"),
        (lambda value: value.update(window=True), "window must be a whole number"),
        (lambda value: value.update(version=9), "version 9"),
        (lambda value: value.update(features={}), "must be a list"),
        (lambda value: value["features"].append("rsi"), "feature 4 of the schema must be an object"),
        (lambda value: value["features"][0].update(note="x"), "feature 0 of the schema must have the fields"),
        (lambda value: value["features"][0].update(name=3), "text name"),
        (lambda value: value["features"][0].update(params=[14]), "object params"),
        (lambda value: value["features"][0].update(feature="nope"), "unknown feature 'nope'"),
        (lambda value: value["features"][0].update(params={"n": "14"}), "'14' is not a number"),
        (lambda value: value["features"][0].update(params={"n": float("nan")}), "nan"),
    ],
)
def test_foreign_json_is_refused_in_words(change: Callable[[dict[str, Any]], object], words: str) -> None:
    with pytest.raises(BundleRefused, match=words):
        FeatureSchema.from_json(edited(change))
