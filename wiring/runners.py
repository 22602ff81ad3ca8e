"""The runners as the worker calls them when they are processes of their own, and what those processes answer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from rl_models.remote import ask
from rl_models.rule import MODEL, FallbackRule
from rl_models.runner import PolicyRunner, advice_to_dict
from settings import Settings
from trading.errors import PolicyFailed
from trading.exposure import SPOT
from trading.vocabulary import Action, Advice, Reading
from wiring.on_demand import ModelsOnDemand

# FallbackModel.advise of the runner process: reading, exposure.
RuleCall: TypeAlias = Callable[[dict[str, Any], float], Awaitable[object]]


def open_rule(settings: Settings) -> FallbackRule:
    """The rule with the exposures of this venue."""
    return FallbackRule(fallback_exposure=settings.fallback_exposure, lowest_exposure=SPOT.lowest)


def answer_policy(
    models: ModelsOnDemand, digest: str, rows: Mapping[str, Sequence[float]], exposure: float
) -> dict[str, Any]:
    """What the policy's process says about one row; failures are in the answer (see rl_models.runner)."""
    try:
        bundle = models.by_digest(digest).bundle
    except PolicyFailed as error:
        return {"failure": "policy_error", "message": str(error)}
    if bundle is None:
        return {"failure": "policy_error", "message": "this process holds manifests only"}
    return dict(PolicyRunner(bundle).answer(rows, exposure))


async def answer_rule(rule: FallbackRule, reading: Mapping[str, Any], exposure: float) -> dict[str, Any]:
    """What the rule's process says about one reading."""
    figures = Reading(**{**reading, "action": Action(reading["action"])})
    return dict(advice_to_dict(await rule.advise("", figures, exposure, budget_s=0.0)))


class RemoteRule:
    """Keeps trading.ports.Policy over a call to the rule's process."""

    def __init__(self, call: RuleCall) -> None:
        self._call = call

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """See Policy."""
        figures = {
            "confidence": reading.confidence,
            "rsi": reading.rsi,
            "change_percent": reading.change_percent,
            "volume_usd": reading.volume_usd,
            "action": reading.action.value,
        }
        return await ask(self._call(figures, exposure), MODEL, budget_s=budget_s)
