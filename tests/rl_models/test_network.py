from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rl_models.network import open_network, probe_network, time_network
from tests.fakes.bundles import constant_onnx, linear_model, linear_onnx
from trading.errors import BundleRefused, PolicyFailed

LINEAR = linear_onnx([[1.0, 0.0], [0.0, 2.0]], [0.0, 0.5])


def written(model: onnx.ModelProto) -> bytes:
    content: bytes = model.SerializeToString()
    return content


def test_scores_are_what_the_network_computes() -> None:
    network = open_network(LINEAR, inputs=2, outputs=2)
    rows = np.array([[1.0, 1.0], [3.0, -1.0]], dtype=np.float32)
    assert network.scores(rows).tolist() == [[1.0, 2.5], [3.0, -1.5]]


def test_four_threads_get_the_scores_of_their_own_rows() -> None:
    network = open_network(LINEAR, inputs=2, outputs=2)
    rows = np.random.default_rng(3).standard_normal((400, 2)).astype(np.float32)
    expected = network.scores(rows)
    with ThreadPoolExecutor(4) as threads:
        answered = list(threads.map(lambda row: network.scores(row[None, :])[0], rows))
    assert np.allclose(answered, expected, atol=1e-6)


def test_scores_given_out_do_not_change_with_the_next_call() -> None:
    network = open_network(LINEAR, inputs=2, outputs=2)
    first = network.scores(np.ones((1, 2), dtype=np.float32))
    network.scores(np.zeros((1, 2), dtype=np.float32))
    assert first.tolist() == [[1.0, 2.5]]


def test_rows_of_another_width_are_a_failure_of_the_policy() -> None:
    with pytest.raises(PolicyFailed, match="onnxruntime"):
        open_network(LINEAR, inputs=2, outputs=2).scores(np.zeros((1, 5), dtype=np.float32))


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 2), (2, 3)])
def test_a_network_of_another_shape_is_refused_with_both_numbers(inputs: int, outputs: int) -> None:
    with pytest.raises(BundleRefused, match=r"has 2 elements, the manifest needs 3"):
        open_network(LINEAR, inputs=inputs, outputs=outputs)


def test_bytes_that_are_no_network_are_refused() -> None:
    with pytest.raises(BundleRefused):
        open_network(b"", inputs=2, outputs=2)
    with pytest.raises(BundleRefused):
        open_network(LINEAR[: len(LINEAR) // 2], inputs=2, outputs=2)


def test_a_second_output_is_refused() -> None:
    model = linear_model([[1.0]], [0.0])
    model.graph.node.append(helper.make_node("Identity", ["scores"], ["more"]))
    model.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["batch", 1]))
    with pytest.raises(BundleRefused, match=r"one output named 'scores', found .*more"):
        open_network(written(model), inputs=1, outputs=1)


def test_a_fixed_batch_size_is_refused() -> None:
    model = linear_model([[1.0]], [0.0])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(BundleRefused, match="batch"):
        open_network(written(model), inputs=1, outputs=1)


def test_double_precision_is_refused() -> None:
    model = linear_model([[1.0]], [0.0])
    model.graph.node.insert(0, helper.make_node("Cast", ["wide"], ["observation"], to=TensorProto.FLOAT))
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("wide", TensorProto.DOUBLE, ["batch", 1]))
    with pytest.raises(BundleRefused):
        open_network(written(model), inputs=1, outputs=1)


@pytest.mark.parametrize("bias", [float("nan"), float("inf")])
def test_a_network_that_answers_nan_is_refused(bias: float) -> None:
    network = open_network(constant_onnx([0.0, bias]), inputs=2, outputs=2)
    with pytest.raises(BundleRefused, match="not finite"):
        probe_network(network, clip=None)


def test_a_network_that_overflows_only_at_the_clip_is_refused() -> None:
    model = linear_model([[1e37]], [0.0])
    network = open_network(written(model), inputs=1, outputs=1)
    probe_network(network, clip=10.0)
    with pytest.raises(BundleRefused, match="not finite"):
        probe_network(network, clip=1000.0)


def test_a_network_that_mixes_rows_is_refused() -> None:
    model = linear_model([[1.0]], [0.0])
    model.graph.node[0].output[0] = "linear"
    model.graph.node.append(helper.make_node("ReduceMean", ["linear"], ["mean"], keepdims=1, axes=[0]))
    model.graph.node.append(helper.make_node("Sub", ["linear", "mean"], ["scores"]))
    with pytest.raises(BundleRefused, match="differently in a batch"):
        probe_network(open_network(written(model), inputs=1, outputs=1), clip=None)


def test_a_network_that_answers_one_row_for_many_is_refused() -> None:
    model = linear_model([[1.0]], [0.0])
    model.graph.node[0].output[0] = "linear"
    model.graph.node.append(helper.make_node("ReduceMean", ["linear"], ["scores"], keepdims=1, axes=[0]))
    with pytest.raises(BundleRefused, match=r"must be \[batch, 1\]"):
        open_network(written(model), inputs=1, outputs=1)


def test_a_slow_network_is_refused_and_a_fast_one_is_measured() -> None:
    network = open_network(LINEAR, inputs=2, outputs=2)
    slow, fast = count(step=0.006), count(step=0.001)
    with pytest.raises(BundleRefused, match=r"p99 of a call is 6\.0 ms"):
        time_network(network, budget_s=0.005, now_s=lambda: next(slow))
    assert time_network(network, budget_s=0.005, now_s=lambda: next(fast)) == pytest.approx(0.001)


def test_a_busy_moment_of_the_machine_does_not_make_a_network_slow() -> None:
    network = open_network(LINEAR, inputs=2, outputs=2)
    busy = [0.01 * reading for reading in range(400)]
    clock = chain(busy, count(start=1000, step=0.0001))
    assert time_network(network, budget_s=0.005, now_s=lambda: next(clock)) == pytest.approx(0.0001)
