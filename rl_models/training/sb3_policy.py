"""A Stable-Baselines3 policy rebuilt from tensors alone: what the shapes do not say, the importing person does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from sb3_contrib.qrdqn.policies import QRDQNPolicy
from sb3_contrib.tqc.policies import TQCPolicy
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import nn

from rl_models.quoting import brief
from rl_models.training.sb3_zip import Float32s
from trading.errors import BundleRefused

ACTIVATIONS: dict[str, type[nn.Module]] = {
    layer.__name__: layer for layer in (nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU)
}
ActionSpace = spaces.Discrete | spaces.Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The tensors of a policy by name, and what they say about its shape."""

    tensors: dict[str, Float32s]

    def widths(self, prefix: str) -> list[int]:
        """Inputs, then outputs of each linear layer `prefix`.0, .2, .4, ...; empty when there are none.

        Raises BundleRefused for layers of another kind.
        """
        shapes = {
            name.removeprefix(f"{prefix}.").removesuffix(".weight"): tensor.shape
            for name, tensor in self.tensors.items()
            if name.startswith(f"{prefix}.") and name.endswith(".weight")
        }
        if list(shapes) != [str(2 * place) for place in range(len(shapes))] or any(
            len(shape) != 2 for shape in shapes.values()
        ):
            raise BundleRefused(f"{prefix}: not linear layers with an activation between them")
        layers = list(shapes.values())
        return [layers[0][1], *(rows for rows, _ in layers)] if layers else []

    def linear(self, name: str) -> tuple[int, int]:
        """Outputs and inputs of one linear layer. Raises BundleRefused when it is not there."""
        weight = self.tensors.get(f"{name}.weight")
        if weight is None or weight.ndim != 2:
            raise BundleRefused(f"the layer {name} is missing; was it trained with another algorithm?")
        return weight.shape[0], weight.shape[1]

    def count(self, prefix: str) -> int:
        """How many networks `prefix`0, `prefix`1, ... there are."""
        return len({name.split(".")[1] for name in self.tensors if name.startswith(prefix)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What an empty policy is made for."""

    weights: Weights
    actions: ActionSpace
    activation: type[nn.Module]

    def observation(self, inputs: int) -> spaces.Box:
        """A flat observation of this many features."""
        return spaces.Box(-np.inf, np.inf, (inputs,), np.float32)

    def discrete(self, outputs: int) -> spaces.Discrete:
        """The listed actions. Raises BundleRefused when they are a range, or not as many as the network's outputs."""
        if not isinstance(self.actions, spaces.Discrete):
            raise BundleRefused("this network chooses among listed actions, and the actions are given as a range")
        if self.actions.n != outputs:
            raise BundleRefused(f"the network has {outputs} outputs, the actions name {self.actions.n}")
        return self.actions

    def box(self, outputs: int) -> spaces.Box:
        """The range of the one action. Raises BundleRefused when actions are listed or the network has more outputs."""
        if not isinstance(self.actions, spaces.Box):
            raise BundleRefused("this network answers with a number from a range, and the actions are given as a list")
        if outputs != 1:
            raise BundleRefused(f"the network has {outputs} outputs; a bundle decides on one exposure")
        return self.actions


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """How to make an untrained policy that the weights fit, and the activation its MlpPolicy has by default."""

    empty: Callable[[Frame], BasePolicy]
    activation: str


def rebuild(weights: Weights, algorithm: str, actions: ActionSpace, activation: str) -> BasePolicy:
    """The policy with these weights, on the CPU; every tensor is used and none is missing.

    Raises BundleRefused when the algorithm or activation is not supported or the shapes are those of something else.
    """
    if algorithm in REFUSED:
        raise BundleRefused(f"{algorithm}: {REFUSED[algorithm]}")
    if algorithm not in ALGORITHMS or activation not in ACTIVATIONS:
        raise BundleRefused(f"{algorithm} with {activation}: known are {[*ALGORITHMS]} with {[*ACTIVATIONS]}")
    frame = Frame(weights=weights, actions=actions, activation=ACTIVATIONS[activation])
    policy = ALGORITHMS[algorithm].empty(frame)
    state = {name: torch.from_numpy(tensor.copy()) for name, tensor in weights.tensors.items()}
    try:
        policy.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise BundleRefused(f"these are not the tensors of a {algorithm} MlpPolicy: {brief(error)}") from error
    policy.set_training_mode(False)
    return policy


def _still(_: float) -> float:
    return 0.0


def _actor_critic(kind: type[ActorCriticPolicy] | type[MaskableActorCriticPolicy]) -> Callable[[Frame], BasePolicy]:
    def empty(frame: Frame) -> BasePolicy:
        outputs, last = frame.weights.linear("action_net")
        continuous = isinstance(frame.actions, spaces.Box) and kind is ActorCriticPolicy
        actor = frame.weights.widths("mlp_extractor.policy_net") or [last]
        return kind(
            frame.observation(actor[0]),
            frame.box(outputs) if continuous else frame.discrete(outputs),
            _still,
            net_arch={"pi": actor[1:], "vf": frame.weights.widths("mlp_extractor.value_net")[1:]},
            activation_fn=frame.activation,
            ortho_init=False,
        )

    return empty


def _dqn(frame: Frame) -> BasePolicy:
    inputs, *hidden, outputs = _found(frame.weights.widths("q_net.q_net"))
    space = frame.observation(inputs)
    return DQNPolicy(space, frame.discrete(outputs), _still, net_arch=hidden, activation_fn=frame.activation)


def _qrdqn(frame: Frame) -> BasePolicy:
    inputs, *hidden, rows = _found(frame.weights.widths("quantile_net.quantile_net"))
    named = int(frame.actions.n) if isinstance(frame.actions, spaces.Discrete) else rows
    if rows % named:
        raise BundleRefused(f"{rows} quantiles cannot be shared by the {named} actions named")
    return QRDQNPolicy(
        frame.observation(inputs),
        frame.discrete(named),
        _still,
        n_quantiles=rows // named,
        net_arch=hidden,
        activation_fn=frame.activation,
    )


def _sac(frame: Frame) -> BasePolicy:
    outputs, actor, critic = _gaussian(frame.weights)
    return SACPolicy(
        frame.observation(actor[0]),
        frame.box(outputs),
        _still,
        net_arch={"pi": actor[1:], "qf": critic[1:-1]},
        activation_fn=frame.activation,
        n_critics=frame.weights.count("critic.qf"),
    )


def _tqc(frame: Frame) -> BasePolicy:
    outputs, actor, critic = _gaussian(frame.weights)
    return TQCPolicy(
        frame.observation(actor[0]),
        frame.box(outputs),
        _still,
        net_arch={"pi": actor[1:], "qf": critic[1:-1]},
        activation_fn=frame.activation,
        n_quantiles=critic[-1],
        n_critics=frame.weights.count("critic.qf"),
    )


def _gaussian(weights: Weights) -> tuple[int, list[int], list[int]]:
    if "actor.mu.0.weight" in weights.tensors:
        raise BundleRefused("trained with state-dependent exploration (use_sde), which is not imported")
    outputs, last = weights.linear("actor.mu")
    return outputs, weights.widths("actor.latent_pi") or [last], _found(weights.widths("critic.qf0"))


def _td3(frame: Frame) -> BasePolicy:
    inputs, *hidden, outputs = _found(frame.weights.widths("actor.mu"))
    critic = _found(frame.weights.widths("critic.qf0"))
    return TD3Policy(
        frame.observation(inputs),
        frame.box(outputs),
        _still,
        net_arch={"pi": hidden, "qf": critic[1:-1]},
        activation_fn=frame.activation,
        n_critics=frame.weights.count("critic.qf"),
    )


def _found(widths: list[int]) -> list[int]:
    if not widths:
        raise BundleRefused("the network's layers are missing; was it trained with another algorithm?")
    return widths


ALGORITHMS: dict[str, Algorithm] = {
    "PPO": Algorithm(empty=_actor_critic(ActorCriticPolicy), activation="Tanh"),
    "A2C": Algorithm(empty=_actor_critic(ActorCriticPolicy), activation="Tanh"),
    "MaskablePPO": Algorithm(empty=_actor_critic(MaskableActorCriticPolicy), activation="Tanh"),
    "DQN": Algorithm(empty=_dqn, activation="ReLU"),
    "QR-DQN": Algorithm(empty=_qrdqn, activation="ReLU"),
    "SAC": Algorithm(empty=_sac, activation="ReLU"),
    "TQC": Algorithm(empty=_tqc, activation="ReLU"),
    "TD3": Algorithm(empty=_td3, activation="ReLU"),
}
REFUSED = {
    "RecurrentPPO": "a recurrent policy carries a hidden state from bar to bar; a bundle decides on one observation"
}
