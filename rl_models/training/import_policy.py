"""The import command: from a stranger's policy file to a bundle, without running anything in it."""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rl_models.bundle import load_bundle, write_bundle
from rl_models.calibration import Calibration
from rl_models.features.schema import FeatureSchema
from rl_models.features.warmup import minimal_warmup
from rl_models.manifest import POLICY, Manifest
from rl_models.normaliser import Normaliser
from rl_models.semantics import MASKS
from rl_models.strict_json import Json
from rl_models.training.action_text import SQUASHED, ActionText
from rl_models.training.bar_file import BarFile
from rl_models.training.calibrate import Outcome, calibrate
from rl_models.training.history import Series
from rl_models.training.imported_network import IMPORTED, Network, PolicyFile, import_network
from rl_models.training.options import OWN_BUNDLES, exposure, timeframe_s
from rl_models.training.outcome_options import add_outcome_arguments, read_outcome
from rl_models.training.parity import compare_recorded, raw_observations
from rl_models.training.rollout import roll_out_all
from rl_models.training.sb3_policy import ACTIVATIONS
from rl_models.training.schema_file import read_schema
from rl_models.training.vecnormalize import read_statistics
from trading.errors import BundleRefused
from trading.vocabulary import Bar

LIBRARIES = ("torch", "stable-baselines3", "sb3-contrib", "onnx", "onnxruntime", "numpy")
MASKED = "MaskablePPO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to import, as which bundle. `mask` None means none, and is refused for a policy trained with masks."""

    file: PolicyFile
    schema: Path
    actions: ActionText
    timeframe_s: int
    symbols: tuple[str, ...]
    name: str
    version: str
    mask: str | None
    vecnormalize: Path | None
    recorded: Path | None
    outcome: Outcome
    out: Path


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the import command; `timeframe` becomes seconds, `bars` stays a path for the caller to read."""
    add = parser.add_argument
    add("policy", type=Path, help="zip written by model.save, or an .onnx network")
    add("--algorithm", required=True, help=f"one of {', '.join(IMPORTED)}")
    add("--schema", required=True, type=Path, help="YAML or JSON: the features in the order the policy saw them")
    add("--actions", required=True, help='"0,0.5,1" exposures, "HOLD,BUY,SELL" verbs, or a range "0..1"')
    add("--timeframe", required=True, type=timeframe_s, help="length of a bar: 15m, 1h, 1d")
    add("--symbol", required=True, action="append", help="trained on; may be repeated")
    add("--name", required=True)
    add("--version", default="1")
    add("--box", default="-1..1", help="range of the trained action when --actions is a range")
    add("--buy-exposure", type=exposure, default=1.0)
    add("--sell-exposure", type=exposure, default=0.0)
    add("--mask", choices=sorted(MASKS))
    add("--activation", choices=sorted(ACTIVATIONS))
    add("--output", choices=("logits", "q_values", "action"), help="what an ONNX network answers")
    add("--vecnormalize", type=Path, help="statistics: .npz, .json, or the pickle of VecNormalize.save")
    add("--recorded", type=Path, help=".npz of observations and actions recorded where it was trained")
    add("--bars", type=Path, help="OHLCV file of the first symbol that the policy was not trained on, to calibrate")
    add_outcome_arguments(parser)
    add("--out", type=Path, default=OWN_BUNDLES, help="default: where the service finds them with its own default")


def run_import(args: argparse.Namespace, *, simulated: Sequence[Bar], unseen: BarFile | None) -> Path:
    """The bundle that parsed arguments ask for; see `import_policy`. `unseen` are the bars of `args.bars`."""
    request = Request(
        file=PolicyFile(path=args.policy, algorithm=args.algorithm, activation=args.activation, output=args.output),
        schema=args.schema,
        actions=ActionText(
            actions=args.actions,
            box=args.box,
            buy_exposure=args.buy_exposure,
            sell_exposure=args.sell_exposure,
        ),
        timeframe_s=args.timeframe,
        symbols=tuple(dict.fromkeys(args.symbol)),
        name=args.name,
        version=args.version,
        mask=args.mask,
        vecnormalize=args.vecnormalize,
        recorded=args.recorded,
        outcome=read_outcome(args),
        out=args.out,
    )
    return import_policy(request, simulated=simulated, unseen=unseen)


def import_policy(request: Request, *, simulated: Sequence[Bar], unseen: BarFile | None = None) -> Path:
    """The directory of the bundle. Raises BundleRefused with the reason, and leaves nothing behind then.

    `simulated` bars measure the warm-up and give the observations on which the exported network is compared with the
    imported one. `unseen` are bars of the first symbol that the policy was not trained on, as the importing person
    declares: they fit its calibration for that symbol, which stays out when they hold too few decisions.
    """
    schema = read_schema(request.schema)
    actions = request.actions.read(request.file.algorithm)
    normalisation = None if request.vecnormalize is None else read_statistics(request.vecnormalize)
    if normalisation is not None and len(normalisation.mean) != schema.size:
        raise BundleRefused(f"the statistics are of {len(normalisation.mean)} features, the schema has {schema.size}")
    warmup_bars = _warmup_bars(schema, simulated, request.timeframe_s)
    rows = raw_observations(schema, simulated, timeframe_s=request.timeframe_s, warmup_bars=warmup_bars)
    network = import_network(request.file, actions, Normaliser(normalisation).apply(rows))
    manifest = Manifest(
        kind=POLICY,
        name=request.name,
        version=request.version,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        algorithm=request.file.algorithm,
        symbols=request.symbols,
        timeframe_s=request.timeframe_s,
        schema=schema,
        normalisation=normalisation,
        warmup_bars=warmup_bars,
        action=actions.meaning,
        output=network.output,
        mask=_mask(request),
        provenance=_provenance(network),
        parity={**network.parity, **_recorded(request, network)},
    )
    calibration = None if unseen is None else _calibration(manifest, network.model, request.outcome, unseen.series)
    if unseen is not None and calibration is not None:
        provenance = {**manifest.provenance, "calibrated_on": unseen.calibrated_on()}
        manifest = replace(manifest, calibration=calibration, provenance=provenance)
    return write_bundle(request.out, manifest, network.model)


def _warmup_bars(schema: FeatureSchema, bars: Sequence[Bar], timeframe_s: int) -> int:
    try:
        return minimal_warmup(schema, bars, timeframe_s=timeframe_s)
    except ValueError as error:
        raise BundleRefused(f"the schema's warm-up cannot be measured: {error}") from error


def _mask(request: Request) -> str:
    if request.mask is None and request.file.algorithm == MASKED:
        raise BundleRefused(f"{MASKED} was trained with masks: name the rule with --mask, one of {sorted(MASKS)}")
    return request.mask or "none"


def _recorded(request: Request, network: Network) -> Mapping[str, Json]:
    if request.recorded is None:
        return {}
    algorithm = request.file.algorithm
    space = request.actions.read(algorithm).space
    agreement = compare_recorded(request.recorded, network.model, space, squashed=algorithm in SQUASHED)
    return {"recorded": agreement.to_json()}


def _provenance(network: Network) -> Mapping[str, Json]:
    return {"imported_from": network.origin, "versions": {library: version(library) for library in LIBRARIES}}


def _calibration(manifest: Manifest, model: bytes, outcome: Outcome, unseen: Series) -> Calibration | None:
    with tempfile.TemporaryDirectory() as folder:
        bundle = load_bundle(write_bundle(Path(folder), manifest, model), inline_p99_s=None)
        return calibrate([roll_out_all(bundle, unseen)], outcome, manifest.timeframe_s)
