"""One network as a policy: raw observations in, choices out, the same code for a single row and for a batch."""

import math
from collections.abc import Mapping, Sequence

from rl_models.answers import Answer, Parts
from rl_models.choice import Chooser
from rl_models.features.schema import FeatureSchema
from rl_models.manifest import Manifest, Output
from rl_models.network import Float32s, Float64s, Network, open_network, probe_network, time_network
from rl_models.normaliser import Normaliser, check_normalisation
from rl_models.semantics import ContinuousExposure
from trading.errors import BundleRefused, FeaturesMissing, PolicyAnsweredNaN, PolicyFailed


class OnnxPolicy:
    """Implements rl_models.answers.Answering with one ONNX network."""

    def __init__(self, manifest: Manifest, schema: FeatureSchema, network: Network) -> None:
        self.manifest = manifest
        self._digest = schema.digest
        self._network = network
        self._normaliser = Normaliser(manifest.normalisation)
        self.choose = Chooser(manifest).choose

    def answers(self, observations: Mapping[str, Float64s], exposures: Sequence[float]) -> list[Answer]:
        """See Answering."""
        rows = self.scores(self.inputs(observations, len(exposures)))
        choices = [self.choose(raw, exposure) for raw, exposure in zip(rows, exposures, strict=True)]
        return [
            Answer(choice.target, choice.score, tuple(raw), keeps=choice.keeps)
            for raw, choice in zip(rows, choices, strict=True)
        ]

    def describe(self, answer: Answer, exposure: float) -> str:
        """See Answering."""
        score = f"score {answer.score:.3g}"
        return f"{self.manifest.algorithm} wants exposure {answer.target:g} from {exposure:g} ({score})"

    def inputs(self, observations: Mapping[str, Float64s], m: int) -> Float32s:
        """The network's inputs float32[m, n], picked from the observations by schema. Raises as `answers`."""
        rows = observations.get(self._digest)
        if rows is None:
            raise PolicyFailed(f"{self.manifest.name}: no observation of its schema")
        if rows.shape != (m, self._network.inputs):
            raise PolicyFailed(f"{self.manifest.name}: observation {rows.shape}, not ({m}, {self._network.inputs})")
        for row in rows.tolist():
            if not math.isfinite(sum(row)):
                raise FeaturesMissing(f"{self.manifest.name}: an observation is not finite")
        return self._normaliser.apply(rows)

    def scores(self, inputs: Float32s) -> list[list[float]]:
        """The raw scores of each row, all finite. Raises as `answers`."""
        scores = self._network.scores(inputs)
        if scores.shape != (len(inputs), self._network.outputs):
            raise PolicyFailed(f"{self.manifest.name}: answered with shape {scores.shape}")
        rows: list[list[float]] = scores.tolist()
        for raw in rows:
            if not math.isfinite(sum(raw)):
                raise PolicyAnsweredNaN(f"{self.manifest.name}: answered with a number that is not finite")
        return rows

    def sees_the_same(self, other: "OnnxPolicy") -> bool:
        """True when `inputs` of both are equal for all observations."""
        mine, its = self.manifest, other.manifest
        return mine.schema == its.schema and mine.normalisation == its.normalisation


def open_onnx_policy(parts: Parts) -> OnnxPolicy:
    """The policy of a bundle with one network, probed and timed. Raises BundleRefused."""
    manifest = parts.manifest
    schema = _check(manifest)
    if parts.model is None:
        raise BundleRefused(f"{manifest.name}: no policy.onnx")
    network = open_network(parts.model, inputs=schema.size, outputs=manifest.action.outputs)
    probe_network(network, clip=None if manifest.normalisation is None else manifest.normalisation.clip)
    if parts.inline_p99_s is not None:
        time_network(network, budget_s=parts.inline_p99_s)
    return OnnxPolicy(manifest, schema, network)


def _check(manifest: Manifest) -> FeatureSchema:
    schema = manifest.schema
    if schema is None or manifest.members:
        raise BundleRefused(f"{manifest.name}: a policy has a schema and no members")
    continuous = isinstance(manifest.action, ContinuousExposure)
    wanted = (Output.ACTION,) if continuous else (Output.LOGITS, Output.Q_VALUES)
    if manifest.output not in wanted:
        raise BundleRefused(f"manifest.output: this action needs one of {[word.value for word in wanted]}")
    if continuous and manifest.mask != "none":
        raise BundleRefused("manifest.mask: a continuous action cannot be masked")
    if manifest.warmup_bars < schema.window:
        raise BundleRefused(f"manifest.warmup_bars: shorter than the window of {schema.window} bars")
    if manifest.normalisation is not None:
        check_normalisation(manifest.normalisation, schema.size)
    return schema
