"""An ONNX network from elsewhere, as the one that a bundle holds: checked before it is opened, and renamed."""

from dataclasses import dataclass

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from onnx import TensorProto

from rl_models.onnx_scan import scan_onnx
from rl_models.quoting import brief
from trading.errors import BundleRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFile:
    """A network that takes `observation` float32[batch, n_features] and gives `scores`."""

    model: bytes
    n_features: int


def read_onnx(content: bytes) -> OnnxFile:
    """The network with its input and output renamed, without its texts. Raises BundleRefused.

    It must have one input of floats, [batch, n_features] with an open batch size, and one output, and may not name
    other files, operators from outside ai.onnx, functions of its own or control flow.
    """
    scan_onnx(content)
    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model, full_check=True)
    except (DecodeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise BundleRefused(f"not a valid ONNX network: {brief(error)}") from error
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise BundleRefused(f"the network has {len(inputs)} inputs and {len(model.graph.output)} outputs, not one each")
    n_features = _n_features(inputs[0])
    _rename(model.graph, {inputs[0].name: "observation", model.graph.output[0].name: "scores"})
    model.ClearField("doc_string")
    del model.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    return OnnxFile(model=bytes(model.SerializeToString(deterministic=True)), n_features=n_features)


def _n_features(value: onnx.ValueInfoProto) -> int:
    tensor = value.type.tensor_type
    sizes = [dimension.dim_value for dimension in tensor.shape.dim]
    if tensor.elem_type != TensorProto.FLOAT or len(sizes) != 2 or sizes[0] != 0 or sizes[1] == 0:
        raise BundleRefused("the input must be float32[batch, n_features] with an open batch size")
    return int(sizes[1])


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Names in use already get a prefix, so that no two tensors become one."""
    renamed = {taken: f"own_{taken}" for taken in names.values() if taken not in names} | names
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = renamed.get(value.name, value.name)
    for node in graph.node:
        for tensors in (node.input, node.output):
            for place, name in enumerate(tensors):
                tensors[place] = renamed.get(name, name)
