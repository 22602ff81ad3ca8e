"""What an ONNX file asks for, read from its bytes before any library opens it.

Walks the protobuf wire format along the few fields that matter (field numbers from onnx/onnx.proto), so that a file
that names other files, foreign operators or control flow is refused without being loaded.
"""

from collections.abc import Callable, Iterator

from trading.errors import BundleRefused

ALLOWED_DOMAINS = ("", "ai.onnx")
# What feed-forward networks are made of. Not here: chance, which would make two answers differ, and what makes a large
# tensor of a small file.
OPERATORS = frozenset(
    {"Add", "Cast", "Clip", "Concat", "Constant", "Div", "Erf", "Flatten", "Gather", "Gemm", "Identity", "MatMul"}
    | {"Mul", "Neg", "Pow", "ReduceMean", "Reshape", "Shape", "Slice", "Sqrt", "Squeeze", "Sub", "Transpose"}
    | {"Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "LogSoftmax", "Relu", "Selu", "Sigmoid", "Softmax"}
    | {"BatchNormalization", "Dropout", "LayerNormalization", "Softplus", "Tanh", "Unsqueeze"}
)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_INSIDE = 0
_LARGEST_KEY = (1 << 32) - 1
_WHERE = "policy.onnx"


def scan_onnx(model: bytes) -> None:
    """Raises BundleRefused for external data, operators not in OPERATORS, local functions and control flow."""
    for number, value in _message(memoryview(model)):
        if number == 7:
            _scan_graph(_submessage(value))
        elif number in (20, 25):
            raise BundleRefused(f"{_WHERE}: local functions and training graphs are not served")


def _scan_graph(graph: memoryview) -> None:
    for number, value in _message(graph):
        scan = _GRAPH_FIELDS.get(number)
        if scan is not None:
            scan(_submessage(value))


def _scan_node(node: memoryview) -> None:
    for number, value in _message(node):
        if number == 4 and (operator := bytes(_submessage(value)).decode("ascii", "replace")) not in OPERATORS:
            raise BundleRefused(f"{_WHERE}: the operator {operator[:40]!r} is not served")
        if number == 7 and bytes(_submessage(value)).decode("utf-8", "replace") not in ALLOWED_DOMAINS:
            raise BundleRefused(f"{_WHERE}: an operator from outside ai.onnx")
        if number == 5:
            _scan_attribute(_submessage(value))


def _scan_attribute(attribute: memoryview) -> None:
    for number, value in _message(attribute):
        if number in (6, 11):
            raise BundleRefused(f"{_WHERE}: control flow (a graph inside an operator) is not served")
        if number in (5, 10):
            _scan_tensor(_submessage(value))
        elif number in (22, 23):
            _scan_sparse_tensor(_submessage(value))


def _scan_sparse_tensor(sparse: memoryview) -> None:
    for number, value in _message(sparse):
        if number in (1, 2):
            _scan_tensor(_submessage(value))


def _scan_tensor(tensor: memoryview) -> None:
    for number, value in _message(tensor):
        if number == 13 or (number == 14 and value != _INSIDE):
            raise BundleRefused(f"{_WHERE}: external data is not allowed")


_GRAPH_FIELDS: dict[int, Callable[[memoryview], None]] = {1: _scan_node, 5: _scan_tensor, 15: _scan_sparse_tensor}


def _submessage(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise BundleRefused(f"{_WHERE}: not an ONNX file")
    return value


def _message(buffer: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    place = 0
    while place < len(buffer):
        key, place = _varint(buffer, place)
        if key > _LARGEST_KEY:
            raise BundleRefused(f"{_WHERE}: not an ONNX file")
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            integer, place = _varint(buffer, place)
            yield number, integer
            continue
        if wire == _BYTES:
            length, place = _varint(buffer, place)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise BundleRefused(f"{_WHERE}: not an ONNX file")
        if place + length > len(buffer):
            raise BundleRefused(f"{_WHERE}: cut short")
        yield number, buffer[place : place + length]
        place += length


def _varint(buffer: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if place >= len(buffer):
            break
        byte = buffer[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise BundleRefused(f"{_WHERE}: not an ONNX file")
