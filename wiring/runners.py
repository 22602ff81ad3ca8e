"""The runners as the worker calls them when they are processes of their own, and what those processes answer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from adapters.store.reading import read_value
from rl_models.remote import ask
from rl_models.rule import MODEL, FallbackRule, Rules
from rl_models.runner import PolicyRunner, advice_to_dict
from settings import Settings
from trading.errors import PolicyFailed
from trading.exposure import SPOT
from trading.ports import Policy
from trading.thresholds import ThresholdsInForce
from trading.vocabulary import Action, Advice, Reading
from wiring.on_demand import ModelsOnDemand
from wiring.policies import PolicyCall

# FallbackModel.advise of the runner process: reading, exposure, thresholds.
RuleCall: TypeAlias = Callable[[dict[str, Any], float, dict[str, Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerCalls:
    """How to reach the runners when they are processes of their own."""

    policy: PolicyCall
    rule: RuleCall


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


async def answer_rule(
    rule: FallbackRule, reading: Mapping[str, Any], exposure: float, thresholds: Mapping[str, Any]
) -> dict[str, Any]:
    """What the rule's process says about one reading, compared with these thresholds."""
    rule = rule.under(read_value(ThresholdsInForce, thresholds))
    figures = Reading(**{**reading, "action": Action(reading["action"])})
    return dict(advice_to_dict(await rule.advise("", figures, exposure, budget_s=0.0)))


class RemoteRule:
    """Keeps trading.ports.Policy over a call to the rule's process."""

    def __init__(self, call: RuleCall, thresholds: ThresholdsInForce) -> None:
        self._call = call
        self._thresholds = thresholds

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """See Policy."""
        figures = {
            "confidence": reading.confidence,
            "rsi": reading.rsi,
            "change_percent": reading.change_percent,
            "volume_usd": reading.volume_usd,
            "action": reading.action.value,
        }
        call = self._call(figures, exposure, asdict(self._thresholds))
        return replace(await ask(call, MODEL, budget_s=budget_s), thresholds=self._thresholds)


class UserRules:
    """Keeps trading.desk.Fallback: the rule's process where there is one, then the rule here."""

    def __init__(self, rules: Rules, call: RuleCall | None) -> None:
        self._rules = rules
        self._call = call

    def of(self, user_id: str, symbol: str) -> Sequence[Policy]:
        """See Fallback."""
        rule = self._rules.of(user_id, symbol)
        return (rule,) if self._call is None else (RemoteRule(self._call, rule.thresholds), rule)
