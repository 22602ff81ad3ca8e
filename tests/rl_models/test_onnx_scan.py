import onnx
import pytest
from onnx import TensorProto, helper

from rl_models.onnx_scan import scan_onnx
from tests.fakes.bundles import linear_model
from trading.errors import BundleRefused


def model() -> onnx.ModelProto:
    return linear_model([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])


def refused(damaged: onnx.ModelProto, reason: str) -> None:
    with pytest.raises(BundleRefused, match=reason):
        scan_onnx(damaged.SerializeToString())


def test_a_plain_network_passes() -> None:
    scan_onnx(model().SerializeToString())


def test_a_tensor_that_names_another_file_is_refused() -> None:
    damaged = model()
    damaged.graph.initializer[0].data_location = TensorProto.EXTERNAL
    entry = damaged.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"
    refused(damaged, "external data")


def test_a_tensor_inside_a_constant_may_not_name_another_file_either() -> None:
    damaged = model()
    tensor = TensorProto(name="hidden", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    damaged.graph.node.append(helper.make_node("Constant", [], ["hidden"], value=tensor))
    refused(damaged, "external data")


def test_a_sparse_tensor_may_not_name_another_file_either() -> None:
    damaged = model()
    damaged.graph.sparse_initializer.add().values.data_location = TensorProto.EXTERNAL
    refused(damaged, "external data")


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.ml", "custom"])
def test_an_operator_of_another_domain_is_refused(domain: str) -> None:
    damaged = model()
    damaged.graph.node[0].domain = domain
    refused(damaged, "outside ai.onnx")


def test_control_flow_is_refused() -> None:
    damaged = model()
    body = helper.make_graph([], "body", [], [])
    damaged.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))
    refused(damaged, "'Loop' is not served")


@pytest.mark.parametrize("operator", ["RandomUniformLike", "ConstantOfShape", "Expand", "Tile"])
def test_operators_of_chance_and_of_large_tensors_are_refused(operator: str) -> None:
    damaged = model()
    damaged.graph.node.append(helper.make_node(operator, ["scores"], ["more"]))
    refused(damaged, f"'{operator}' is not served")


def test_local_functions_are_refused() -> None:
    damaged = model()
    damaged.functions.add(name="f", domain="custom")
    refused(damaged, "local functions")


def test_every_truncation_and_random_bytes_are_refused_or_harmless() -> None:
    whole = model().SerializeToString()
    for length in range(len(whole)):
        try:
            scan_onnx(whole[:length])
        except BundleRefused:
            continue
    with pytest.raises(BundleRefused):
        scan_onnx(b"\xff" * 64)


def test_an_external_location_hidden_in_the_high_bits_of_a_varint_is_refused() -> None:
    tensor = b"\x70" + b"\x81\x80\x80\x80\x10"
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    with pytest.raises(BundleRefused, match="external data"):
        scan_onnx(b"\x3a" + bytes([len(graph)]) + graph)
