"""The plain network inside a Stable-Baselines3 policy, written as an ONNX graph.

The graph is written layer by layer from a closed list rather than traced: its bytes depend on the weights alone, it
carries no source paths, and an unknown layer is refused instead of approximated.
"""

import copy
from collections.abc import Iterator

import onnx
import torch
from gymnasium import spaces
from onnx import TensorProto, helper, numpy_helper
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.qrdqn.policies import QRDQNPolicy
from sb3_contrib.tqc.policies import TQCPolicy
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import nn

from trading.errors import BundleRefused

OPSET = 20
IR_VERSION = 9


Written = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def policy_network(model: BaseAlgorithm | BasePolicy) -> nn.Sequential:
    """The layers that decide, from observation to scores, without exploration noise: a copy, on the CPU.

    Scores are `logits` or `q_values` (one per action; the quantiles of QR-DQN are averaged here), or `action`: one
    column, clipped to the trained Box by PPO and A2C, in -1..1 (squashed, before scaling to the Box) for SAC, TD3, TQC.
    Raises BundleRefused for recurrent policies, state-dependent exploration and observations that are not flat.
    """
    policy = _policy_of(model)
    if isinstance(policy, RecurrentActorCriticPolicy):
        raise BundleRefused("recurrent policies keep a hidden state between decisions; a bundle has none")
    if getattr(policy, "use_sde", False) or getattr(getattr(policy, "actor", None), "use_sde", False):
        raise BundleRefused("state-dependent exploration (use_sde) is not exported")
    return copy.deepcopy(nn.Sequential(*_layers(policy))).cpu().eval()


def score_kind(model: BaseAlgorithm | BasePolicy) -> str:
    """What the scores of `policy_network` mean: `logits`, `q_values` or `action`."""
    policy = _policy_of(model)
    if isinstance(policy.action_space, spaces.Box):
        return "action"
    return "q_values" if isinstance(policy, DQNPolicy | QRDQNPolicy) else "logits"


def to_onnx(network: nn.Module, n_features: int) -> bytes:
    """One graph: `observation` float32[batch, n_features] to `scores` float32[batch, k], weights inside, opset 20.

    Raises BundleRefused for a layer that has no ONNX form here.
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    tensor = "observation"
    for index, layer in enumerate(_flattened(network)):
        output = f"layer_{index}"
        layer_nodes, layer_weights = _written(layer, tensor, output)
        nodes.extend(layer_nodes)
        weights.extend(layer_weights)
        tensor = output
    nodes.append(helper.make_node("Identity", [tensor], ["scores"]))
    with torch.no_grad():
        n_scores = network(torch.zeros(1, n_features)).shape[1]
    graph = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["batch", n_features])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", n_scores])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _policy_of(model: BaseAlgorithm | BasePolicy) -> BasePolicy:
    return model.policy if isinstance(model, BaseAlgorithm) else model


def _layers(policy: BasePolicy) -> list[nn.Module]:
    match policy:
        case ActorCriticPolicy() | MaskableActorCriticPolicy():
            clip = [_box_clip(policy.action_space)] if isinstance(policy.action_space, spaces.Box) else []
            extractor = _flat(policy.pi_features_extractor)
            return [extractor, policy.mlp_extractor.policy_net, policy.action_net, *clip]
        case DQNPolicy():
            return [_flat(policy.q_net.features_extractor), policy.q_net.q_net]
        case QRDQNPolicy(quantile_net=net):
            return [_flat(net.features_extractor), net.quantile_net[:-1], _mean(net.quantile_net[-1], net.n_quantiles)]
        case SACPolicy(actor=actor) | TQCPolicy(actor=actor):
            return [_flat(actor.features_extractor), actor.latent_pi, actor.mu, nn.Tanh()]
        case TD3Policy(actor=actor):
            return [_flat(actor.features_extractor), actor.mu]
        case _:
            raise BundleRefused(f"no network is known for a {type(policy).__name__}")


def _flat(extractor: nn.Module) -> nn.Module:
    if not isinstance(extractor, FlattenExtractor):
        raise BundleRefused(f"the features extractor {type(extractor).__name__} does not take a flat observation")
    return extractor


def _box_clip(box: spaces.Box) -> nn.Hardtanh:
    if box.shape != (1,):
        raise BundleRefused(f"the action has shape {box.shape}; a bundle decides on one exposure")
    return nn.Hardtanh(float(box.low[0]), float(box.high[0]))


def _mean(quantiles: nn.Module, n_quantiles: int) -> nn.Linear:
    """The mean over quantiles of a linear layer is a linear layer: rows are ordered quantile by quantile."""
    weight, bias = quantiles.get_parameter("weight").double(), quantiles.get_parameter("bias").double()
    n_actions, n_inputs = weight.shape[0] // n_quantiles, weight.shape[1]
    mean = nn.Linear(n_inputs, n_actions)
    with torch.no_grad():
        mean.weight.copy_(weight.view(n_quantiles, n_actions, n_inputs).mean(dim=0))
        mean.bias.copy_(bias.view(n_quantiles, n_actions).mean(dim=0))
    return mean


def _flattened(network: nn.Module) -> Iterator[nn.Module]:
    if isinstance(network, nn.Sequential):
        for layer in network:
            yield from _flattened(layer)
    elif not isinstance(network, nn.Flatten | FlattenExtractor | nn.Identity):
        yield network


def _written(layer: nn.Module, source: str, output: str) -> Written:
    match layer:
        case nn.Linear():
            return _gemm(layer, source, output)
        case nn.Hardtanh():
            return _clip(layer, source, output)
        case nn.SiLU():
            gate = f"{output}.gate"
            sigmoid = helper.make_node("Sigmoid", [source], [gate])
            return [sigmoid, helper.make_node("Mul", [source, gate], [output])], []
        case nn.Tanh():
            return [helper.make_node("Tanh", [source], [output])], []
        case nn.ReLU():
            return [helper.make_node("Relu", [source], [output])], []
        case nn.LeakyReLU():
            return [helper.make_node("LeakyRelu", [source], [output], alpha=layer.negative_slope)], []
        case nn.ELU():
            return [helper.make_node("Elu", [source], [output], alpha=layer.alpha)], []
        case nn.GELU():
            return [helper.make_node("Gelu", [source], [output], approximate=layer.approximate)], []
        case _:
            raise BundleRefused(f"the layer {type(layer).__name__} has no ONNX form here")


def _gemm(layer: nn.Linear, source: str, output: str) -> Written:
    names = [f"{output}.weight", f"{output}.bias"]
    weights = [
        numpy_helper.from_array(tensor.detach().float().numpy(), name)
        for tensor, name in zip((layer.weight, layer.bias), names, strict=True)
    ]
    return [helper.make_node("Gemm", [source, *names], [output], transB=1)], weights


def _clip(layer: nn.Hardtanh, source: str, output: str) -> Written:
    bounds = [
        helper.make_tensor(f"{output}.min", TensorProto.FLOAT, [], [layer.min_val]),
        helper.make_tensor(f"{output}.max", TensorProto.FLOAT, [], [layer.max_val]),
    ]
    return [helper.make_node("Clip", [source, *(bound.name for bound in bounds)], [output])], bounds
