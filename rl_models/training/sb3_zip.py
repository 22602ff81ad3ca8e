"""What a Stable-Baselines3 zip holds: the policy's tensors and a few hints, read without running anything in it.

Neither pickle nor torch.load is used: `policy.pth` is itself a zip of raw storages and a pickle that says how they make
up tensors, which is read as inert nodes. Of `data` only plain JSON is looked at; a `:serialized:` blob is not decoded.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rl_models.quoting import MOST_DIMENSIONS, brief, brief_shape
from rl_models.training.archive import read_members
from rl_models.training.inert_pickle import Call, Name, Node, Persistent, read_inert
from trading.errors import BundleRefused

Float32s: TypeAlias = NDArray[np.float32]

POLICY = "policy.pth"
DATA = "data"
VERSION = "_stable_baselines3_version"

STORAGES: dict[str, type[np.float16 | np.float32 | np.float64]] = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
}
MOST_WEIGHTS = 16_000_000
_STATE_DICT = Name(module="collections", name="OrderedDict")
_TENSOR = Name(module="torch._utils", name="_rebuild_tensor_v2")
_ALLOWED = {_STATE_DICT, _TENSOR} | {Name(module="torch", name=storage) for storage in STORAGES}
_ACTIVATION = re.compile(r"<class 'torch\.nn\.modules\.activation\.(\w{1,32})'>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sb3Zip:
    """Tensors of the policy by name, float32. The rest is hearsay from the archive's texts, None when it does not say.

    `activation` is the name of a torch.nn class.
    """

    tensors: dict[str, Float32s]
    activation: str | None
    use_sde: bool
    sb3_version: str | None


def read_sb3_zip(content: bytes, where: str) -> Sb3Zip:
    """What a zip written by `model.save` holds; `where` names it in refusals. Raises BundleRefused with the reason."""
    members = read_members(content, lambda name: name in {POLICY, DATA, VERSION}, where)
    if POLICY not in members:
        raise BundleRefused(f"{where}: no {POLICY} in it; is it a zip written by model.save?")
    hints = _hints(members.get(DATA, b"{}"), f"{where}: {DATA}")
    arguments = hints.get("policy_kwargs")
    named = _ACTIVATION.fullmatch(str(arguments.get("activation_fn"))) if isinstance(arguments, dict) else None
    return Sb3Zip(
        tensors=read_tensors(members[POLICY], f"{where}: {POLICY}"),
        activation=named.group(1) if named else None,
        use_sde=hints.get("use_sde") is True,
        sb3_version=_version(members.get(VERSION, b"")),
    )


def read_tensors(content: bytes, where: str) -> dict[str, Float32s]:
    """The tensors of a state dict written by torch.save (torch 1.6 or later). Raises BundleRefused."""
    members = read_members(content, lambda name: True, where)
    roots = [name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise BundleRefused(f"{where}: not a state dict of torch 1.6 or later")
    root = roots[0]
    if members.get(f"{root}byteorder", b"little") != b"little":
        raise BundleRefused(f"{where}: the tensors are big-endian")
    storages = {name.removeprefix(f"{root}data/"): raw for name, raw in members.items()}
    state = read_inert(members[f"{root}data.pkl"], allowed=_ALLOWED.__contains__, where=where)
    if not isinstance(state, Call) or state.function != _STATE_DICT:
        raise BundleRefused(f"{where}: not a state dict")
    tensors: dict[str, Float32s] = {}
    for name, node in state.items:
        if not isinstance(name, str) or name in tensors:
            raise BundleRefused(f"{where}: tensors need distinct names")
        tensors[name] = _tensor(node, storages, f"{where}: {brief(name)}")
        if sum(tensor.size for tensor in tensors.values()) > MOST_WEIGHTS:
            raise BundleRefused(f"{where}: more than {MOST_WEIGHTS} weights")
    return tensors


def _tensor(node: Node, storages: dict[str, bytes], where: str) -> Float32s:
    match node:
        case Call(function=Name() as function, arguments=(Persistent(identifier=stored), int(offset), *view)) if (
            function == _TENSOR and offset >= 0
        ):
            values = _storage(stored, storages, where)[offset:]
            sizes = _row_by_row(view, where)
        case _:
            raise BundleRefused(f"{where}: not a plain tensor of floats")
    if math.prod(sizes) > len(values):
        raise BundleRefused(f"{where}: shape {brief_shape(sizes)} is larger than what is stored")
    tensor = values[: math.prod(sizes)].reshape(sizes).astype(np.float32)
    if not np.isfinite(tensor).all():
        raise BundleRefused(f"{where}: a weight is not finite")
    return tensor


def _storage(stored: Node, storages: dict[str, bytes], where: str) -> NDArray[np.float16 | np.float32 | np.float64]:
    match stored:
        case ("storage", Name(name=kind), str(key), str(), int()) if kind in STORAGES and key in storages:
            dtype = np.dtype(STORAGES[kind])
            raw = storages[key]
            return np.frombuffer(raw[: len(raw) - len(raw) % dtype.itemsize], dtype)
        case _:
            raise BundleRefused(f"{where}: its storage is missing or holds no floats")


def _row_by_row(view: list[Node], where: str) -> tuple[int, ...]:
    """The sizes of a view of (sizes, strides, ...) that repeats and skips nothing."""
    match view:
        case [tuple(shape), tuple(strides), *_]:
            sizes = tuple(size for size in shape if isinstance(size, int) and 0 < size <= MOST_WEIGHTS)
            steps = [math.prod(sizes[place + 1 :]) for place in range(len(sizes))]
            sound = len(sizes) == len(shape) == len(strides) <= MOST_DIMENSIONS
            if sound and all(
                size == 1 or stride == step for size, stride, step in zip(sizes, strides, steps, strict=True)
            ):
                return sizes
    raise BundleRefused(f"{where}: its values are not stored row by row")


def _hints(content: bytes, where: str) -> dict[str, object]:
    try:
        hints = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleRefused(f"{where}: not JSON") from error
    return hints if isinstance(hints, dict) else {}


def _version(content: bytes) -> str | None:
    match = re.fullmatch(rb"[0-9][0-9A-Za-z.+]{0,31}\s*", content)
    return match.group().decode().strip() if match else None
