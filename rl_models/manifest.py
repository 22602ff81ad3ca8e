"""What a bundle says about itself: the manifest as a value and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rl_models.calibration import Calibration
from rl_models.features.schema import FeatureSchema
from rl_models.semantics import ActionSemantics, action_to_json
from rl_models.strict_json import Json, free_json

FORMAT = 1
POLICY, ENSEMBLE = "policy", "ensemble"


class Output(StrEnum):
    """What the scores are: unnormalised log probabilities, values of actions, the action itself, or shares of votes."""

    LOGITS = "logits"
    Q_VALUES = "q_values"
    ACTION = "action"
    VOTES = "votes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """How raw features become network inputs: clip((x - mean) / sqrt(std^2 + epsilon), -clip, clip).

    `mean` and `std` have one element per feature; `clip` None means no clipping. VecNormalize's statistics fit as they
    are: std = sqrt(var), its epsilon, its clip_obs.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    epsilon: float
    clip: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One voter of an ensemble, pinned by the digest of its bundle."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """What a file of the bundle must be: hexadecimal SHA-256 and size in bytes."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything needed to serve a policy beside its network, and where it comes from.

    `kind` is a key of rl_models.catalogue.POLICIES. `created_at` is ISO-8601 with a time zone. `symbols` are those it
    was trained on; the calibration names its own. `schema` and `normalisation` are None for an ensemble, whose members
    have their own.
    `warmup_bars` is how many closed bars the features need. `files` is filled in by `write_bundle`.
    """

    kind: str
    name: str
    version: str
    created_at: str
    algorithm: str
    symbols: tuple[str, ...]
    timeframe_s: int
    schema: FeatureSchema | None
    normalisation: Normalisation | None
    warmup_bars: int
    action: ActionSemantics
    output: Output
    mask: str = "none"
    calibration: Calibration | None = None
    provenance: Mapping[str, Json] = field(default_factory=dict)
    parity: Mapping[str, Json] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    @property
    def schema_digest(self) -> str | None:
        """The digest of the schema, None for an ensemble."""
        return None if self.schema is None else self.schema.digest

    def to_json(self) -> dict[str, Json]:
        """The content of manifest.json."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
            "created_at": self.created_at,
            "algorithm": self.algorithm,
            "symbols": list(self.symbols),
            "timeframe_s": self.timeframe_s,
            "schema": None if self.schema is None else free_json(self.schema.to_json(), "schema"),
            "schema_digest": self.schema_digest,
            "normalisation": None if self.normalisation is None else _normalisation_to_json(self.normalisation),
            "warmup_bars": self.warmup_bars,
            "action": action_to_json(self.action),
            "output": self.output.value,
            "mask": self.mask,
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "provenance": self.provenance,
            "parity": self.parity,
            "members": [{"name": m.name, "version": m.version, "digest": m.digest} for m in self.members],
            "files": {name: {"sha256": f.sha256, "bytes": f.size_bytes} for name, f in self.files.items()},
        }


def _normalisation_to_json(normalisation: Normalisation) -> dict[str, Json]:
    return {
        "mean": list(normalisation.mean),
        "std": list(normalisation.std),
        "epsilon": normalisation.epsilon,
        "clip": normalisation.clip,
    }
