"""A policy in another process, as a policy."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from rl_models.answers import where_calibrated
from rl_models.bundle import needed_digests
from rl_models.live import LiveFeatures
from rl_models.manifest import Manifest
from rl_models.runner import advice_from_dict
from trading.errors import PolicyFailed, PolicyTimedOut
from trading.vocabulary import Advice, Reading

# PolicyRunner.answer of the other process: raw observations by schema digest and the exposure, to plain JSON.
Call: TypeAlias = Callable[[dict[str, list[float]], float], Awaitable[object]]


class RemotePolicy:
    """Implements trading.ports.Policy over a call to the process that holds the bundle.

    `manifest` is that of the bundle, `networks` those of the policies that need observations (see read_manifests).
    """

    def __init__(self, live: LiveFeatures, manifest: Manifest, networks: Sequence[Manifest], call: Call) -> None:
        self._live = live
        self._manifest = manifest
        self._digests = needed_digests(networks)
        self._call = call

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """See Policy. Whatever the call raises on its way becomes PolicyFailed, lateness PolicyTimedOut."""
        observe = self._live.observe
        observations = {digest: observe(symbol, digest, reading, exposure).tolist() for digest in self._digests}
        advised = await ask(self._call(observations, exposure), self._manifest.name, budget_s=budget_s)
        if (advised.model, advised.version) != (self._manifest.name, self._manifest.version):
            raise PolicyFailed(f"{advised.model}:{advised.version} answered for {self._manifest.name}")
        return where_calibrated(advised, self._manifest, symbol=symbol, source=self._live.source)


async def ask(call: Awaitable[object], who: str, *, budget_s: float) -> Advice:
    """The advice that another process answers a call with. Raises PolicyTimedOut when late, PolicyFailed otherwise."""
    try:
        async with asyncio.timeout(budget_s):
            answered = await call
    except TimeoutError as error:
        raise PolicyTimedOut(f"{who}: no answer within {budget_s:.3f} s") from error
    except Exception as error:
        # The translator of this edge: transport, client library and the other process fail in ways we cannot list.
        raise PolicyFailed(f"{who}: the call to its process failed: {error!r}") from error
    return advice_from_dict(answered)
