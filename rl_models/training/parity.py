"""Whether the exported network decides as the policy it was made from: on features of bars, on recorded decisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy

from rl_models.features.batch import observations
from rl_models.features.schema import FeatureSchema
from rl_models.signal_generator import SignalGenerator
from rl_models.strict_json import Json
from rl_models.training.export import policy_network
from rl_models.training.npz import read_arrays
from trading.errors import BundleRefused
from trading.vocabulary import Bar

MOST_DIFFERENCE = 1e-4
LEAST_AGREEMENT = 0.999
SAME_ACTION = 1e-3
EXPOSURES = (0.0, 0.5, 1.0)

ActionSpace = spaces.Discrete | spaces.Box
Numbers = NDArray[np.float64] | NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far two ways to decide on the same `observations` agree.

    `action_agreement` is the share of equal actions (for a range: within 0.1 % of it); `max_abs_diff` the largest
    difference of scores, None where only actions are known.
    """

    source: str
    observations: int
    action_agreement: float
    max_abs_diff: float | None

    def to_json(self) -> dict[str, Json]:
        """One entry of a manifest's `parity`."""
        return {
            "source": self.source,
            "observations": self.observations,
            "action_agreement": self.action_agreement,
            "max_abs_diff": self.max_abs_diff,
        }


def raw_observations(
    schema: FeatureSchema, bars: Sequence[Bar], *, timeframe_s: int, warmup_bars: int
) -> NDArray[np.float64]:
    """float64[m, n] complete observations on these bars, exposures taken in turn from 0, 0.5 and 1.

    Raises BundleRefused when there is none.
    """
    generator = SignalGenerator(timeframe_s)
    rows = observations(
        schema,
        bars,
        [generator.update(bar) for bar in bars],
        list(islice(cycle(EXPOSURES), len(bars))),
        timeframe_s=timeframe_s,
        warmup_bars=warmup_bars,
    )
    complete = rows[np.isfinite(rows).all(axis=1)]
    if len(complete) == 0:
        raise BundleRefused(f"no complete observation in {len(bars)} bars with a warm-up of {warmup_bars}")
    return complete


def onnx_scores(model: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[m, k] of float32[m, n] network inputs. Raises BundleRefused when m, n do not fit the network."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    expected = session.get_inputs()[0].shape[1]
    if inputs.ndim != 2 or inputs.shape[1] != expected:
        raise BundleRefused(f"the network takes {expected} features, the observations have {inputs.shape[1:]}")
    scores: NDArray[np.float32] = session.run(["scores"], {"observation": inputs})[0]
    return scores


def compare(
    policy: BasePolicy, actions: ActionSpace, model: bytes, inputs: NDArray[np.float32], source: str
) -> Agreement:
    """The exported `model` against the policy's own predict and its torch layers, on float32[m, n] network inputs.

    Raises BundleRefused when scores differ by more than 1e-4 of their size, or more than 1 action in 1,000 does.
    """
    scores = onnx_scores(model, inputs)
    with torch.no_grad():
        reference = policy_network(policy)(torch.from_numpy(inputs)).numpy()
    predicted, _ = policy.predict(inputs, deterministic=True)
    equal = share_equal(decided(scores, actions, squashed=policy.squash_output), predicted, actions)
    difference = float(np.abs(scores - reference).max())
    agreement = Agreement(source=source, observations=len(inputs), action_agreement=equal, max_abs_diff=difference)
    allowed = MOST_DIFFERENCE * max(1.0, float(np.abs(reference).max()))
    if not difference <= allowed or equal < LEAST_AGREEMENT:
        raise BundleRefused(f"the exported network does not decide as the policy does: {agreement.to_json()}")
    return agreement


def compare_recorded(path: Path, model: bytes, actions: ActionSpace, *, squashed: bool) -> Agreement:
    """The exported `model` against decisions recorded where the policy was trained.

    The file is an .npz of `observations` [m, ...] as predict got them (normalised, if they were), `actions` [m] or
    [m, 1] as predict(deterministic=True) gave them and, for a masked policy, `action_masks` [m, k]. Raises
    BundleRefused when more than 1 action in 1,000 differs.
    """
    arrays = read_arrays(path)
    if "observations" not in arrays or "actions" not in arrays:
        raise BundleRefused(f"{path.name}: expected the arrays observations and actions")
    inputs, recorded = arrays["observations"].astype(np.float32), arrays["actions"].ravel()
    if inputs.ndim < 2 or len(recorded) == 0 or len(inputs) != len(recorded):
        raise BundleRefused(f"{path.name}: {inputs.shape} observations and {recorded.shape} actions are no pairs")
    scores = onnx_scores(model, inputs.reshape(len(inputs), -1))
    masks = arrays.get("action_masks", np.ones(scores.shape))
    if masks.shape != scores.shape:
        raise BundleRefused(f"{path.name}: action_masks {masks.shape} do not fit {scores.shape} scores")
    allowed = np.where(masks > 0, scores, np.float32(-np.inf))
    equal = share_equal(decided(allowed, actions, squashed=squashed), recorded, actions)
    if equal < LEAST_AGREEMENT:
        raise BundleRefused(
            f"{path.name}: {equal:.1%} of {len(recorded)} recorded actions agree; is the activation, the normalisation "
            "or the order of the features another one?"
        )
    return Agreement(source=path.name, observations=len(recorded), action_agreement=equal, max_abs_diff=None)


def decided(scores: NDArray[np.float32], actions: ActionSpace, *, squashed: bool) -> NDArray[np.float32]:
    """The actions [m] that predict would give for these scores; `squashed` scores are scaled from -1..1 to the Box."""
    if isinstance(actions, spaces.Discrete):
        best: NDArray[np.float32] = scores.argmax(axis=1).astype(np.float32)
        return best
    low, high = float(actions.low[0]), float(actions.high[0])
    column: NDArray[np.float32] = scores[:, 0]
    if squashed:
        column = np.interp(column, (-1.0, 1.0), (low, high)).astype(np.float32)
    return column.clip(low, high)


def share_equal(found: NDArray[np.float32], expected: Numbers, actions: ActionSpace) -> float:
    """The share of equal actions: the same one of a list, or within 0.1 % of the Box."""
    allowed = SAME_ACTION * float(actions.high[0] - actions.low[0]) if isinstance(actions, spaces.Box) else 0.0
    return float((np.abs(found - expected.ravel()) <= allowed).mean())
