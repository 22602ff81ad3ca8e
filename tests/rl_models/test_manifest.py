from dataclasses import replace

import pytest

from rl_models.manifest import Manifest, Member
from rl_models.manifest_json import check_manifest, manifest_from_json
from rl_models.strict_json import dump_json, parse_json
from tests.fakes.bundles import CALIBRATION, ensemble_manifest, policy_manifest
from trading.errors import BundleRefused

MEMBERS = [Member(name=name, version="1", digest="sha256:" + "0" * 64) for name in ("one", "two")]
WRITTEN = policy_manifest().to_json()


@pytest.mark.parametrize("manifest", [policy_manifest(), ensemble_manifest(MEMBERS)], ids=["policy", "ensemble"])
def test_a_manifest_survives_json(manifest: Manifest) -> None:
    assert manifest_from_json(parse_json(dump_json(manifest.to_json()), "here")) == manifest


@pytest.mark.parametrize("key", sorted(WRITTEN))
def test_every_key_is_required(key: str) -> None:
    with pytest.raises(BundleRefused, match=rf"{key} is missing"):
        manifest_from_json({name: value for name, value in WRITTEN.items() if name != key})


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(BundleRefused, match="surprise"):
        manifest_from_json({**WRITTEN, "surprise": 1})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("name", "Up/../per"),
        ("version", ""),
        ("created_at", "yesterday"),
        ("created_at", "2026-01-01T00:00:00"),
        ("symbols", []),
        ("symbols", ["BTC", 7]),
        ("timeframe_s", 0),
        ("timeframe_s", 3600.0),
        ("warmup_bars", -1),
        ("output", "quantiles"),
        ("mask", "sometimes"),
        ("schema", []),
        ("schema", {"version": 1}),
        ("schema_digest", "sha256:" + "1" * 64),
        ("schema_digest", None),
        ("normalisation", {"mean": [0.0], "std": [1.0], "epsilon": 0.0}),
        ("provenance", {"loss": 1e999}),
        ("provenance", [1]),
        ("members", [{"name": "x", "version": "1", "digest": "sha256:short"}]),
        ("members", [{"name": "..", "version": "1", "digest": "sha256:" + "0" * 64}]),
        ("files", {"policy.onnx": {"sha256": "00", "bytes": 0}}),
        ("calibration", {}),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(BundleRefused, match=key):
        manifest_from_json({**WRITTEN, key: value})


def test_provenance_that_is_no_json_is_refused_before_it_is_written() -> None:
    with pytest.raises(BundleRefused, match="provenance"):
        check_manifest(replace(policy_manifest(), provenance={"loss": float("nan")}))


@pytest.mark.parametrize("bars", [0, 20_001])
def test_a_warm_up_that_no_worker_could_serve_is_refused(bars: int) -> None:
    with pytest.raises(BundleRefused, match="warmup_bars"):
        check_manifest(replace(policy_manifest(), warmup_bars=bars))


@pytest.mark.parametrize("name", ["hold", "adaptive_threshold"])
def test_a_bundle_cannot_take_the_name_of_what_answers_without_one(name: str) -> None:
    with pytest.raises(BundleRefused, match=name):
        check_manifest(replace(policy_manifest(), name=name))


@pytest.mark.parametrize("text", ["PPO\ud800", "<script>", "A" * 33, "a\nb", ""])
def test_an_algorithm_that_could_not_be_shown_is_refused(text: str) -> None:
    with pytest.raises(BundleRefused, match="algorithm"):
        manifest_from_json({**WRITTEN, "algorithm": text})


@pytest.mark.parametrize("symbol", ["\ud800", "BTC USD", "x" * 33, "\u202eCTB"])
def test_a_symbol_no_market_could_list_is_refused(symbol: str) -> None:
    with pytest.raises(BundleRefused, match="symbol"):
        manifest_from_json({**WRITTEN, "symbols": [symbol]})


@pytest.mark.parametrize(
    "action",
    [
        {"kind": "discrete_exposure", "levels": [0.0, 1e308, -1e308]},
        {"kind": "continuous_exposure", "low": -1e308, "high": 1e308, "output_low": -1.0, "output_high": 1.0},
        {"kind": "continuous_exposure", "low": 0.0, "high": 1.0, "output_low": -1e308, "output_high": 1e308},
        {"kind": "verbs", "verbs": ["BUY", "SELL"], "buy_exposure": 1e9, "sell_exposure": 0.0},
    ],
)
def test_exposures_nobody_can_hold_are_refused(action: dict[str, object]) -> None:
    with pytest.raises(BundleRefused, match=r"manifest\.action"):
        manifest_from_json({**WRITTEN, "action": action})


def test_a_calibration_on_symbols_it_was_not_trained_on_is_refused() -> None:
    manifest = replace(policy_manifest(), calibration=replace(CALIBRATION, symbols=("BTC", "ETH")))
    with pytest.raises(BundleRefused, match=r"calibration\.symbols"):
        check_manifest(manifest)
