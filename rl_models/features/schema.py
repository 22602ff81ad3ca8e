"""The observation a policy was trained on: which features, in which order, over how many bars."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rl_models.features.table import FEATURES, Kind
from trading.errors import BundleRefused

SCHEMA_VERSION = 1
MAX_GAP_BARS = 3
LONGEST_WINDOW = 1_000

_SCHEMA_FIELDS = frozenset({"version", "window", "max_gap_bars", "features"})
_SPEC_FIELDS = frozenset({"name", "feature", "params"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """One feature of a schema: its own `name`, its row in FEATURES and every parameter of that row.

    Raises ValueError for an unknown feature or for missing, unknown or out-of-range parameters.
    """

    name: str
    feature: str
    params: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a feature's name must be text, not {self.name!r}")
        if self.feature not in FEATURES:
            raise ValueError(f"unknown feature {self.feature!r}; known: {', '.join(sorted(FEATURES))}")
        object.__setattr__(self, "params", _checked_params(self.feature, self.params))

    @property
    def kind(self) -> Kind:
        """Where the value comes from: the market, the signal or the position."""
        return FEATURES[self.feature].kind


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSchema:
    """An ordered list of features. Elements of the observation come in this order.

    `window` > 1 repeats the market features, which must then be listed first, for the last `window` bars, oldest first;
    signal and position features follow once. A hole of more than `max_gap_bars` missing bars restarts the warm-up.
    Derived: `names` and `size` of the observation's elements, `digest` ("sha256:..." of the canonical JSON) and
    `needs_signal` (True when a feature reads the caller's signal). Raises ValueError when a rule is broken.
    """

    features: tuple[FeatureSpec, ...]
    window: int = 1
    max_gap_bars: int = MAX_GAP_BARS
    version: int = SCHEMA_VERSION
    names: tuple[str, ...] = field(init=False, compare=False, repr=False)
    size: int = field(init=False, compare=False, repr=False)
    digest: str = field(init=False, compare=False, repr=False)
    needs_signal: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check_schema(self)
        names = _element_names(self)
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "size", len(names))
        object.__setattr__(self, "digest", "sha256:" + hashlib.sha256(canonical.encode()).hexdigest())
        object.__setattr__(self, "needs_signal", any(spec.kind == "signal" for spec in self.features))

    def to_json(self) -> dict[str, object]:
        """The schema as JSON values; `from_json` gives an equal schema."""
        return {
            "version": self.version,
            "window": self.window,
            "max_gap_bars": self.max_gap_bars,
            "features": [
                {"name": spec.name, "feature": spec.feature, "params": dict(spec.params)} for spec in self.features
            ],
        }

    @staticmethod
    def from_json(value: object) -> "FeatureSchema":
        """The schema that `to_json` gave. Raises BundleRefused for missing or unknown fields and broken rules."""
        fields = _exact_fields(value, _SCHEMA_FIELDS, "the schema")
        listed = fields["features"]
        if not isinstance(listed, list):
            raise BundleRefused("the schema's features must be a list")
        specs = tuple(_spec_from_json(item, place) for place, item in enumerate(listed))
        numbers = {name: _whole(fields[name], name) for name in ("version", "window", "max_gap_bars")}
        try:
            return FeatureSchema(features=specs, **numbers)
        except ValueError as error:
            raise BundleRefused(f"the schema is refused: {error}") from error


def _checked_params(feature: str, params: Mapping[str, float]) -> dict[str, float]:
    known = FEATURES[feature].parameters
    if params.keys() != known.keys():
        raise ValueError(f"feature {feature!r} takes the parameters {sorted(known)}, not {sorted(params)}")
    checked = {}
    for name, parameter in known.items():
        try:
            checked[name] = parameter.check(params[name])
        except ValueError as error:
            raise ValueError(f"feature {feature!r}, parameter {name}: {error}") from error
    return checked


def _check_schema(schema: FeatureSchema) -> None:
    if schema.version != SCHEMA_VERSION:
        raise ValueError(f"schema version {schema.version} is not {SCHEMA_VERSION}")
    if not 1 <= schema.window <= LONGEST_WINDOW:
        raise ValueError(f"window {schema.window} is outside 1..{LONGEST_WINDOW}")
    if schema.max_gap_bars < 0:
        raise ValueError(f"max_gap_bars {schema.max_gap_bars} is negative")
    kinds = [spec.kind for spec in schema.features]
    if "market" not in kinds:
        raise ValueError("a schema needs at least one market feature")
    if schema.window > 1 and "market" in kinds[kinds.count("market") :]:
        raise ValueError("with a window above 1 the market features must be listed first")
    repeated = [name for name, times in Counter(spec.name for spec in schema.features).items() if times > 1]
    if repeated:
        raise ValueError(f"feature names must be unique; repeated: {', '.join(repeated)}")


def _element_names(schema: FeatureSchema) -> tuple[str, ...]:
    if schema.window == 1:
        return tuple(spec.name for spec in schema.features)
    market = [spec.name for spec in schema.features if spec.kind == "market"]
    rest = [spec.name for spec in schema.features if spec.kind != "market"]
    times = [f"t-{age}" for age in range(schema.window - 1, 0, -1)] + ["t"]
    return (*(f"{name}[{time}]" for time in times for name in market), *rest)


def _exact_fields(value: object, known: frozenset[str], what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise BundleRefused(f"{what} must be an object, not {type(value).__name__}")
    if value.keys() != known:
        raise BundleRefused(f"{what} must have the fields {sorted(known)}, not {sorted(map(str, value))}")
    return value


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BundleRefused(f"the schema's {name} must be a whole number, not {value!r}")
    return value


def _spec_from_json(value: object, place: int) -> FeatureSpec:
    fields = _exact_fields(value, _SPEC_FIELDS, f"feature {place} of the schema")
    name, feature, params = fields["name"], fields["feature"], fields["params"]
    if not isinstance(name, str) or not isinstance(feature, str) or not isinstance(params, Mapping):
        raise BundleRefused(f"feature {place} of the schema needs a text name, a text feature and an object params")
    try:
        return FeatureSpec(name=name, feature=feature, params=params)
    except ValueError as error:
        raise BundleRefused(f"feature {place} of the schema is refused: {error}") from error
