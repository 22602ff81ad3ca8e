"""Several policies as one: they vote on exposure levels."""

import math
from collections.abc import Mapping, Sequence

from rl_models.answers import Answer, Parts
from rl_models.choice import Choice
from rl_models.manifest import Manifest, Output
from rl_models.network import Float64s
from rl_models.onnx_policy import OnnxPolicy
from rl_models.semantics import ContinuousExposure, DiscreteExposure
from trading.errors import BundleRefused

# Votes closer than this are a tie, which the level nearest to the present exposure wins: no trade without a majority.
_TIE = 1e-9


class Ensemble:
    """Implements rl_models.answers.Answering with the mean vote of its members.

    A member that gives probabilities (logits) spreads its vote by them; the others give it whole to their target. A
    vote for an exposure that is no level of the ensemble, HOLD's included, counts for the nearest level. `raw` is the
    mean vote per level, the confidence score the mean vote of the chosen level, agreement the share of members whose
    own target is nearest to it, entropy that of the mean vote in nats.
    """

    def __init__(self, manifest: Manifest, levels: Sequence[float], members: Sequence[OnnxPolicy]) -> None:
        self.manifest = manifest
        self._members = tuple(members)
        self._viewers: list[OnnxPolicy] = []
        self._views = [self._view(member) for member in members]
        self._levels = tuple(levels)
        self._places = {level: place for place, level in enumerate(levels)}

    def answers(self, observations: Mapping[str, Float64s], exposures: Sequence[float]) -> list[Answer]:
        """See Answering."""
        inputs = [member.inputs(observations, len(exposures)) for member in self._viewers]
        scores = [member.scores(inputs[view]) for member, view in zip(self._members, self._views, strict=True)]
        return [
            self._count(
                [member.choose(raw, exposure) for member, raw in zip(self._members, row, strict=True)], exposure
            )
            for row, exposure in zip(zip(*scores, strict=True), exposures, strict=True)
        ]

    def describe(self, answer: Answer, exposure: float) -> str:
        """See Answering."""
        agreeing = round((answer.agreement or 0.0) * len(self._members))
        shares = zip(self._levels, answer.raw, strict=True)
        votes = ", ".join([f"{share:.2f} for {level:g}" for level, share in shares])
        return (
            f"{agreeing} of {len(self._members)} policies want exposure {answer.target:g} "
            f"from {exposure:g} (votes: {votes})"
        )

    def _view(self, member: OnnxPolicy) -> int:
        for view, viewer in enumerate(self._viewers):
            if member.sees_the_same(viewer):
                return view
        self._viewers.append(member)
        return len(self._viewers) - 1

    def _count(self, choices: Sequence[Choice], exposure: float) -> Answer:
        share = 1.0 / len(choices)
        votes = [0.0] * len(self._levels)
        for member, choice in zip(self._members, choices, strict=True):
            for level, vote in self._vote(member.manifest, choice, exposure):
                votes[level] += share * vote
        chosen = self._winner(votes, exposure)
        agreeing = sum(self._nearest(choice.target) == chosen for choice in choices)
        return Answer(
            target=self._levels[chosen],
            score=votes[chosen],
            raw=tuple(votes),
            agreement=agreeing * share,
            entropy=-sum([vote * math.log(vote) for vote in votes if vote > 0.0]) + 0.0,
        )

    def _vote(self, member: Manifest, choice: Choice, exposure: float) -> list[tuple[int, float]]:
        action = member.action
        if choice.probabilities is None or isinstance(action, ContinuousExposure):
            return [(self._nearest(choice.target), 1.0)]
        return [
            (self._nearest(action.target(place, exposure)), probability)
            for place, probability in enumerate(choice.probabilities)
        ]

    def _winner(self, votes: Sequence[float], exposure: float) -> int:
        enough = max(votes) - _TIE
        tied = [level for level, vote in enumerate(votes) if vote >= enough]
        return min(tied, key=lambda level: abs(self._levels[level] - exposure))

    def _nearest(self, exposure: float) -> int:
        place = self._places.get(exposure)
        if place is not None:
            return place
        distances = [abs(level - exposure) for level in self._levels]
        return distances.index(min(distances))


def open_ensemble(parts: Parts) -> Ensemble:
    """The ensemble of a bundle with members and no network of its own. Raises BundleRefused."""
    manifest, action = parts.manifest, parts.manifest.action
    if manifest.schema is not None or manifest.normalisation is not None or parts.model is not None:
        raise BundleRefused(f"{manifest.name}: an ensemble has no schema, normalisation or network of its own")
    if not isinstance(action, DiscreteExposure) or manifest.output is not Output.VOTES or manifest.mask != "none":
        raise BundleRefused(f"{manifest.name}: an ensemble votes on discrete exposures, without a mask")
    members = [member for member in parts.members if isinstance(member, OnnxPolicy)]
    if len(members) < 2 or len(members) != len(parts.members):
        raise BundleRefused(f"{manifest.name}: an ensemble has two or more members, each a policy with a network")
    for member in members:
        if member.manifest.timeframe_s != manifest.timeframe_s:
            raise BundleRefused(
                f"{manifest.name}: bars of {manifest.timeframe_s} s, but {member.manifest.name} decides on bars of "
                f"{member.manifest.timeframe_s} s"
            )
    return Ensemble(manifest, action.levels, members)
