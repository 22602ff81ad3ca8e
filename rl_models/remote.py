"""A policy in another process, as a policy."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, TypeAlias

from rl_models.advice_cache import AdviceCache, Question
from rl_models.answers import where_calibrated
from rl_models.bundle import needed_digests
from rl_models.live import LiveFeatures
from rl_models.manifest import Manifest
from rl_models.runner import advice_from_dict
from trading.errors import PolicyFailed, PolicyTimedOut
from trading.vocabulary import Advice, Reading

# PolicyRunner.answer of the other process: raw observations by schema digest and the exposure, to plain JSON.
Call: TypeAlias = Callable[[dict[str, list[float]], float], Awaitable[object]]


class KnownBundle(Protocol):
    """What is known here of a bundle that answers elsewhere."""

    @property
    def manifest(self) -> Manifest:
        """The bundle's own."""

    @property
    def networks(self) -> tuple[Manifest, ...]:
        """Those of the policies that need observations (see read_manifests)."""

    @property
    def digest(self) -> str:
        """Names its content."""


class RemotePolicy:
    """Implements trading.ports.Policy over a call to the process that holds the bundle, and a cache in front of it."""

    def __init__(self, live: LiveFeatures, bundle: KnownBundle, call: Call, cache: AdviceCache) -> None:
        self._live = live
        self._bundle = bundle
        self._digests = needed_digests(bundle.networks)
        self._call = call
        self._cache = cache

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """See Policy. Whatever the call raises on its way becomes PolicyFailed, lateness PolicyTimedOut."""
        manifest, live = self._bundle.manifest, self._live
        observed = {digest: live.observe(symbol, digest, reading, exposure) for digest in self._digests}
        question = Question(
            bundle=self._bundle.digest,
            symbol=symbol,
            as_of_s=live.view(symbol).as_of_s,
            rows={digest: row.astype("<f8").tobytes() for digest, row in observed.items()},
            exposure=exposure,
        )
        now_s = asyncio.get_running_loop().time
        until_s = now_s() + budget_s
        advised = await self._cache.recall(question)
        cached = advised is not None
        if advised is None:
            call = self._call({digest: row.tolist() for digest, row in observed.items()}, exposure)
            advised = await ask(call, manifest.name, budget_s=max(until_s - now_s(), 0.0))
        if (advised.model, advised.version) != (manifest.name, manifest.version):
            raise PolicyFailed(f"{advised.model}:{advised.version} answered for {manifest.name}")
        if not cached:
            await self._cache.remember(question, advised)
        # Neither is kept with the answer: whoever asks has them.
        advised = replace(advised, cached=cached, digest=question.bundle, observations=question.rows)
        return where_calibrated(advised, manifest, symbol=symbol, source=live.source)


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
