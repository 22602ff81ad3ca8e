"""Files as an attacker writes them: each leaves a canary file when anything in it is executed."""

import base64
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import torch


class Payload:
    """Makes a directory when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = str(canary)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self._canary,)


def by_reduce(canary: Path) -> bytes:
    """A call of os.mkdir, protocol 4 as torch and VecNormalize write."""
    return pickle.dumps(Payload(canary))


def by_global(canary: Path) -> bytes:
    """The same with the GLOBAL instruction of protocol 2."""
    return pickle.dumps(Payload(canary), protocol=2)


def by_text(canary: Path) -> bytes:
    """The INST instruction of protocol 0, which calls while it names."""
    return b"(S'" + str(canary).encode() + b"'\nios\nmkdir\n."


def by_object(canary: Path) -> bytes:
    """The OBJ instruction of protocol 1."""
    return b"(cos\nmkdir\nS'" + str(canary).encode() + b"'\no."


def by_code(canary: Path) -> bytes:
    """A function carried by value, as cloudpickle does for lambdas."""

    class Carried:
        def __reduce__(self) -> tuple[object, tuple[()]]:
            return (lambda: os.mkdir(canary)), ()

    return cloudpickle.dumps(Carried())


def by_numpy(canary: Path) -> bytes:
    """A function of numpy that executes source text: a name inside an expected library."""
    source = f"import os; os.mkdir({str(canary)!r})"
    return b"cnumpy.testing._private.utils\nrunstring\n(X" + _counted(source) + b"}tR."


def after_statistics(canary: Path) -> bytes:
    """A VecNormalize whose state calls os.mkdir on the way."""
    return (
        b"\x80\x02cstable_baselines3.common.vec_env.vec_normalize\nVecNormalize\n)\x81}(X"
        + _counted("clip_obs")
        + by_global(canary).removeprefix(b"\x80\x02").removesuffix(b".")
        + b"ub."
    )


PICKLES: dict[str, Callable[[Path], bytes]] = {
    poison.__name__: poison for poison in (by_reduce, by_global, by_text, by_object, by_code, by_numpy)
}


def poisoned_torch_file(pickled: bytes) -> bytes:
    """What torch.save writes, with another pickle inside."""
    plain = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, plain)
    return replaced(plain.getvalue(), {"archive/data.pkl": pickled})


def poisoned_data(data: bytes, pickled: bytes) -> bytes:
    """The `data` of an SB3 zip with every serialized blob exchanged, and one more."""
    content = json.loads(data)
    blob = base64.b64encode(pickled).decode()
    for value in content.values():
        if isinstance(value, dict) and ":serialized:" in value:
            value[":serialized:"] = blob
    content["policy_kwargs"] = {":type:": "<class 'dict'>", ":serialized:": blob}
    return json.dumps(content).encode()


def replaced(archive: bytes, members: dict[str, bytes]) -> bytes:
    """The zip file with these members exchanged or added."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            if name not in members:
                copy.writestr(name, source.read(name))
        for name, content in members.items():
            copy.writestr(name, content)
    return target.getvalue()


def _counted(text: str) -> bytes:
    return len(text.encode()).to_bytes(4, "little") + text.encode()
