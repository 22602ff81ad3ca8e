"""The policies that answer for the models that serve, in this process or in one of their own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from rl_models.advice_cache import AdviceCache
from rl_models.live import LiveFeatures
from rl_models.policy import BundlePolicy
from rl_models.remote import RemotePolicy
from rl_models.served import ServedModels
from trading.agents import ENSEMBLE
from trading.errors import PolicyFailed
from trading.ports import Policy
from trading.vocabulary import Advice, Reading
from wiring.models import Model

# RLPolicy.advise of the runner process: bundle digest, raw observations by schema digest, exposure.
PolicyCall: TypeAlias = Callable[[str, dict[str, list[float]], float], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyProcess:
    """How the policies' own process is asked, and the cache in front of it."""

    call: PolicyCall
    cache: AdviceCache


class ServedPolicies:
    """Implements trading.desk.Policies with the models that serve; `process` answers for them in `process` placement.

    Serves none before the first `switch`. For the thread of the event loop, as `live` is.
    """

    def __init__(self, live: LiveFeatures, models: ServedModels[Model], process: PolicyProcess | None) -> None:
        self._live = live
        self._models = models
        self._process = process
        self._by_digest: dict[str, Policy] = {}
        self._named: dict[str | None, Policy] = {}

    def of(self, model_type: str | None) -> Policy | None:
        """See Policies. A model that was refused answers with PolicyFailed."""
        policy = self._named.get(model_type)
        if policy is None and (refusal := self._models.refusals.get(model_type or "")) is not None:
            return RefusedPolicy(refusal)
        return policy

    async def switch(self) -> None:
        """Serve the models that are held now, once their features are warm."""
        models = self._models
        active, others = models.current, dict(models.others)
        if active.is_ensemble:
            others[ENSEMBLE] = active
        held = {model.digest: model for model in (active, *others.values())}
        await self._live.track([network for model in held.values() for network in model.networks])
        self._by_digest = {digest: self._by_digest.get(digest) or self._make(model) for digest, model in held.items()}
        self._named = {name: self._by_digest[model.digest] for name, model in others.items()}
        self._named[None] = self._by_digest[active.digest]

    def _make(self, model: Model) -> Policy:
        if self._process is not None:
            call, digest = self._process.call, model.digest
            return RemotePolicy(
                self._live, model, lambda rows, exposure: call(digest, rows, exposure), self._process.cache
            )
        if model.bundle is None:
            raise PolicyFailed("a model of this process was opened without its networks")
        return BundlePolicy(self._live, model.bundle)


class RefusedPolicy:
    """Implements trading.ports.Policy for a model that was refused: it never answers."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """Raises PolicyFailed."""
        raise PolicyFailed(self._why)
