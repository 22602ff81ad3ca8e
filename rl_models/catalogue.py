"""How each kind of bundle becomes something that answers: to add a kind, add a file and a line here."""

from collections.abc import Callable

from rl_models.answers import Answering, Parts
from rl_models.ensemble import open_ensemble
from rl_models.manifest import ENSEMBLE, POLICY
from rl_models.onnx_policy import open_onnx_policy

POLICIES: dict[str, Callable[[Parts], Answering]] = {
    POLICY: open_onnx_policy,
    ENSEMBLE: open_ensemble,
}
