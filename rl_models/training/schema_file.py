"""The schema file of an import: which features the policy was trained on, in which order, as YAML or JSON.

Either a list of features, each a name, a name with parameters, or the three fields of FeatureSpec, with an optional
`window` and `max_gap_bars`; or a `template` with its parameters.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from rl_models.features.schema import MAX_GAP_BARS, SCHEMA_VERSION, FeatureSchema
from rl_models.features.templates import finrl_single_stock, gym_anytrading, gym_trading_env
from rl_models.quoting import brief
from rl_models.training.archive import read_file
from trading.errors import BundleRefused

LARGEST_BYTES = 64 * 1024

TEMPLATES: dict[str, tuple[Callable[..., FeatureSchema], dict[str, type]]] = {
    "gym_anytrading": (gym_anytrading, {"window_size": int}),
    "gym_trading_env": (gym_trading_env, {}),
    "finrl_single_stock": (finrl_single_stock, {"initial_amount": float}),
}
_LIST_FIELDS = {"version", "window", "max_gap_bars", "features"}


def read_schema(path: Path) -> FeatureSchema:
    """The schema in a file of at most 64 KiB. Raises BundleRefused, naming what is unknown or missing."""
    content = _parsed(read_file(path, most_bytes=LARGEST_BYTES), path.name)
    if not isinstance(content, Mapping):
        raise BundleRefused(f"{path.name}: expected a list called features, or a template")
    if "template" in content:
        return _from_template(content, path.name)
    unknown = sorted(str(key) for key in content.keys() - _LIST_FIELDS)
    listed = content.get("features")
    if unknown or not isinstance(listed, list):
        problem = f"unknown {brief(', '.join(unknown))}" if unknown else "no list of features"
        raise BundleRefused(f"{path.name}: {problem}")
    return FeatureSchema.from_json(
        {
            "version": content.get("version", SCHEMA_VERSION),
            "window": content.get("window", 1),
            "max_gap_bars": content.get("max_gap_bars", MAX_GAP_BARS),
            "features": [_spec(item, f"{path.name}: feature {place}") for place, item in enumerate(listed)],
        }
    )


def _spec(item: object, where: str) -> object:
    match item:
        case str():
            return {"name": item, "feature": item, "params": {}}
        case {"feature": feature, **others}:
            return {"name": feature, "feature": feature, "params": {}} | others
        case dict() if len(item) == 1:
            [(feature, params)] = item.items()
            if isinstance(feature, str) and isinstance(params, dict):
                return {"name": "_".join([feature, *map(str, params.values())]), "feature": feature, "params": params}
    raise BundleRefused(f"{where}: expected a feature, a feature with its parameters, or name, feature and params")


def _from_template(content: Mapping[object, object], where: str) -> FeatureSchema:
    given = {str(key): value for key, value in content.items() if key != "template"}
    if content["template"] not in TEMPLATES:
        raise BundleRefused(f"{where}: the templates are {', '.join(TEMPLATES)}")
    make, parameters = TEMPLATES[str(content["template"])]
    if given.keys() != parameters.keys():
        raise BundleRefused(f"{where}: this template takes {sorted(parameters)}, not {brief(sorted(given))}")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | parameters[name]):
            raise BundleRefused(f"{where}: {name} must be a number")
    try:
        return make(**given)
    except ValueError as error:
        raise BundleRefused(f"{where}: {error}") from error


def _parsed(content: bytes, where: str) -> object:
    try:
        # An alias repeats what it names: a few of them, nested, are a bomb.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content, Loader=yaml.SafeLoader)):
            raise BundleRefused(f"{where}: YAML aliases are not read")
        return yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BundleRefused(f"{where}: not YAML: {brief(error)}") from error
