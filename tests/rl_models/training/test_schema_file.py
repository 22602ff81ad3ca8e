"""The schema file says in a few lines what a policy was trained on."""

from pathlib import Path

import pytest

from rl_models.features.schema import FeatureSchema, FeatureSpec
from rl_models.features.templates import finrl_single_stock, gym_anytrading, gym_trading_env
from rl_models.training.schema_file import read_schema
from trading.errors import BundleRefused


def schema(tmp_path: Path, text: str) -> FeatureSchema:
    path = tmp_path / "schema.yaml"
    path.write_text(text)
    return read_schema(path)


def test_features_are_named_alone_with_parameters_or_in_full(tmp_path: Path) -> None:
    found = schema(
        tmp_path,
        """
        window: 2
        max_gap_bars: 0
        features:
          - hour_sin
          - rsi: {n: 14}
          - {name: slow, feature: rsi, params: {n: 28}}
          - position_exposure
        """,
    )
    assert found == FeatureSchema(
        features=(
            FeatureSpec(name="hour_sin", feature="hour_sin"),
            FeatureSpec(name="rsi_14", feature="rsi", params={"n": 14}),
            FeatureSpec(name="slow", feature="rsi", params={"n": 28}),
            FeatureSpec(name="position_exposure", feature="position_exposure"),
        ),
        window=2,
        max_gap_bars=0,
    )


def test_json_is_read_too(tmp_path: Path) -> None:
    assert schema(tmp_path, '{"features": ["close", {"rsi": {"n": 14}}]}').names == ("close", "rsi_14")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{template: gym_anytrading, window_size: 10}", gym_anytrading(10)),
        ("{template: gym_trading_env}", gym_trading_env()),
        ("{template: finrl_single_stock, initial_amount: 10000}", finrl_single_stock(10_000)),
    ],
)
def test_templates_are_taken_by_name(text: str, expected: FeatureSchema, tmp_path: Path) -> None:
    assert schema(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("features: [rsy]", "unknown feature 'rsy'"),
        ("features: [rsi]", "takes the parameters"),
        ("features: [{rsi: {n: 14.5}}]", "not a whole number"),
        ("features: [{rsi: 14}]", "feature 0: expected"),
        ("features: [{rsi: {n: 14}, sma: {n: 3}}]", "feature 0: expected"),
        ("features: [{feature: close, colour: red}]", "must have the fields"),
        ("features: [close, close]", "must be unique"),
        ("features: close", "no list of features"),
        ("{features: [close], colour: red}", "unknown colour"),
        ("{features: [close], window: many}", "whole number"),
        ("{template: other}", "the templates are"),
        ("{template: gym_anytrading}", "this template takes"),
        ("{template: gym_anytrading, window_size: true}", "must be a number"),
        ("{template: gym_anytrading, window_size: 0}", "window"),
        ("close", "expected a list called features"),
        ("features: [close", "not YAML"),
        ("[" * 5_000, "not YAML"),
        ("features: !!python/name:os.system [close]", "not YAML"),
        ("{a: &a [close], features: *a}", "aliases"),
        ("\x00", "not YAML"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=reason):
        schema(tmp_path, text)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="larger than"):
        schema(tmp_path, "# " + "x" * 70_000)
