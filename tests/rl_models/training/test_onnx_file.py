"""An ONNX network from elsewhere becomes the one graph a bundle holds, or is refused."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from rl_models.training.onnx_file import read_onnx
from tests.fakes.bundles import linear_model
from trading.errors import BundleRefused

WEIGHTS = [[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]]


def foreign() -> onnx.ModelProto:
    model = linear_model(WEIGHTS, [0.25, 0.0])
    model.graph.input[0].name = "obs"
    model.graph.output[0].name = "observation"
    model.graph.node[0].input[0] = "obs"
    model.graph.node[0].output[0] = "observation"
    model.graph.node[0].doc_string = "/home/somebody/train.py"
    helper.set_model_props(model, {"author": "somebody"})
    return model


def test_input_and_output_are_renamed_and_the_answers_stay() -> None:
    found = read_onnx(foreign().SerializeToString())
    assert found.n_features == 3
    rows = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
    [scores] = onnxruntime.InferenceSession(found.model).run(["scores"], {"observation": rows})
    np.testing.assert_allclose(scores, rows @ np.array(WEIGHTS) + [0.25, 0.0])


def test_texts_do_not_travel_along() -> None:
    assert b"somebody" not in read_onnx(foreign().SerializeToString()).model


def fixed_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def doubles(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def second_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(model.graph.output[0])


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.stranger"


def unusual_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NonMaxSuppression"


def external_data(model: onnx.ModelProto) -> None:
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../secret")


def dangling(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[1] = "nowhere"


@pytest.mark.parametrize(
    "damage",
    [fixed_batch, doubles, second_input, second_output, foreign_operator, unusual_operator, external_data, dangling],
)
def test_what_a_bundle_cannot_hold_is_refused(damage: Callable[[onnx.ModelProto], None]) -> None:
    model = foreign()
    damage(model)
    with pytest.raises(BundleRefused):
        read_onnx(model.SerializeToString())


@pytest.mark.parametrize("content", [b"", b"no network", bytes(100)])
def test_what_is_no_network_is_refused(content: bytes) -> None:
    with pytest.raises(BundleRefused):
        read_onnx(content)
