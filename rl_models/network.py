"""A network as it is served: one ONNX session, verified before it may answer."""

import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from rl_models.onnx_scan import scan_onnx
from rl_models.quoting import brief
from trading.errors import BundleRefused, PolicyFailed

Float32s: TypeAlias = NDArray[np.float32]
Float64s: TypeAlias = NDArray[np.float64]

INPUT, OUTPUT = "observation", "scores"
# A policy in the worker cannot be interrupted: one slower than this would hold up everybody (docs: placement).
INLINE_P99_S = 0.005

_ORT_ERRORS = (
    ort_state.EPFail,
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NoModel,
    ort_state.NoSuchFile,
    ort_state.NotFound,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    RuntimeError,
    ValueError,
)
_TIMED_CALLS = 200
# A first call this many times slower than the budget is not measured further.
_HOPELESS = 10
_TIMED_ROUNDS = 3
_RANDOM_PROBES = 64


class Network:
    """Maps float32[m, `inputs`] to float32[m, `outputs`]. Safe to call from several threads.

    A single row goes through memory bound to the session once.
    """

    def __init__(self, session: ort.InferenceSession, *, inputs: int, outputs: int) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._session = session
        self._row = np.zeros((1, inputs), dtype=np.float32)
        self._row_scores = np.zeros((1, outputs), dtype=np.float32)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(INPUT, ort.OrtValue.ortvalue_from_numpy(self._row))
        self._binding.bind_ortvalue_output(OUTPUT, ort.OrtValue.ortvalue_from_numpy(self._row_scores))
        self._row_lock = threading.Lock()

    def scores(self, observations: Float32s) -> Float32s:
        """The raw outputs, unchecked: a NaN that goes in may come out as a finite number. Raises PolicyFailed."""
        try:
            if observations.shape == self._row.shape:
                return self._scores_of_row(observations)
            scores: Float32s = self._session.run([OUTPUT], {INPUT: observations})[0]
        except _ORT_ERRORS as error:
            raise PolicyFailed(f"onnxruntime: {brief(error)}") from error
        return scores

    def _scores_of_row(self, observation: Float32s) -> Float32s:
        with self._row_lock:
            self._row[:] = observation
            self._session.run_with_iobinding(self._binding)
            return self._row_scores.copy()


def open_network(model: bytes, *, inputs: int, outputs: int) -> Network:
    """The network of an ONNX file with the wanted shape. Raises BundleRefused."""
    scan_onnx(model)
    try:
        session = ort.InferenceSession(model, sess_options=_options(), providers=["CPUExecutionProvider"])
    except _ORT_ERRORS as error:
        raise BundleRefused(f"policy.onnx: onnxruntime does not open it: {brief(error)}") from error
    _check_port("input", session.get_inputs(), INPUT, inputs)
    _check_port("output", session.get_outputs(), OUTPUT, outputs)
    return Network(session, inputs=inputs, outputs=outputs)


def probe_network(network: Network, *, clip: float | None, seed: int = 0) -> None:
    """Asks the network about extreme and random inputs. Raises BundleRefused unless every answer can be used.

    Rows are zeros, +-1, +-clip (10 without one) and seeded standard normal ones. Answers must be finite, of the
    declared shape, and the same for a row alone as for the row in a batch.
    """
    limit = 10.0 if clip is None else clip
    constants = np.array([[0.0], [1.0], [-1.0], [limit], [-limit]]) * np.ones(network.inputs)
    random = np.random.default_rng(seed).standard_normal((_RANDOM_PROBES, network.inputs)).clip(-limit, limit)
    rows = np.concatenate([constants, random]).astype(np.float32)
    try:
        together = network.scores(rows)
        alone = [network.scores(row[None, :]) for row in rows]
    except PolicyFailed as error:
        raise BundleRefused(f"policy.onnx: it fails on a probe: {error}") from error
    if together.shape != (len(rows), network.outputs) or any(one.shape != (1, network.outputs) for one in alone):
        raise BundleRefused(f"policy.onnx: answers have shape {together.shape}, not (rows, {network.outputs})")
    if not np.isfinite(together).all():
        raise BundleRefused("policy.onnx: an answer to a probe is not finite")
    if not np.allclose(together, np.concatenate(alone), rtol=1e-4, atol=1e-5):
        raise BundleRefused("policy.onnx: a row is answered differently in a batch")


def time_network(network: Network, *, budget_s: float, now_s: Callable[[], float] = time.perf_counter) -> float:
    """The 99th percentile of single calls in seconds. Raises BundleRefused when it is not below `budget_s`.

    A busy machine makes a fast network look slow, never the other way round: the best of three rounds counts.
    """
    row = np.zeros((1, network.inputs), dtype=np.float32)
    best_s = float("inf")
    hopeless_s = budget_s * _HOPELESS
    for _ in range(_TIMED_ROUNDS):
        took_s = []
        for _ in range(_TIMED_CALLS):
            started_s = now_s()
            network.scores(row)
            took_s.append(now_s() - started_s)
            if min(took_s) > hopeless_s:
                break
        best_s = min(best_s, float(np.quantile(took_s, 0.99)))
        if best_s < budget_s:
            return best_s
    raise BundleRefused(
        f"policy.onnx: p99 of a call is {best_s * 1e3:.1f} ms, an inline policy must stay below {budget_s * 1e3:.1f} ms"
    )


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _check_port(side: str, ports: list[ort.NodeArg], name: str, size: int) -> None:
    if [port.name for port in ports] != [name]:
        raise BundleRefused(f"policy.onnx: expected one {side} named {name!r}, found {[port.name for port in ports]}")
    port = ports[0]
    if port.type != "tensor(float)":
        raise BundleRefused(f"policy.onnx: {side} {name!r} must be float32, found {port.type}")
    if len(port.shape) != 2 or isinstance(port.shape[0], int):
        raise BundleRefused(f"policy.onnx: {side} {name!r} must be [batch, {size}], found {port.shape}")
    if isinstance(port.shape[1], int) and port.shape[1] != size:
        raise BundleRefused(f"policy.onnx: {side} {name!r} has {port.shape[1]} elements, the manifest needs {size}")
