"""From settings to the model that is active, and how it is switched while the service runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from adapters import model_store
from adapters.active_model import ActiveModelFile
from rl_models.active import ActiveModel
from rl_models.advice_cache import CachedPolicy
from rl_models.bundle import Bundle
from rl_models.live import LiveFeatures
from rl_models.manifest import Manifest
from rl_models.network import INLINE_P99_S
from rl_models.policy import BundlePolicy
from rl_models.remote import RemotePolicy
from rl_models.shelf import SHIPPED_BUNDLES, Shelf, find_bundles
from settings import Placement, Settings
from trading.errors import BundleRefused, InvalidSetting, PolicyFailed
from trading.ports import Market, Policy
from trading.vocabulary import Advice, Reading
from wiring.markets import look_at_market

# RLPolicy.advise of the runner process: bundle digest, raw observations by schema digest, exposure.
PolicyCall: TypeAlias = Callable[[str, dict[str, list[float]], float], Awaitable[object]]

# Below DATA_DIR: where `python -m rl_models import` writes unless told otherwise.
IMPORTED = "bundles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A verified bundle as one process holds it: `bundle` is None where another process answers for it."""

    manifest: Manifest
    networks: tuple[Manifest, ...]
    digest: str
    bundle: Bundle | None


def find_models(settings: Settings) -> Shelf:
    """Every bundle in RL_MODELS_PATH, DATA_DIR/bundles, with the service, in its Bento, and in BentoML's model store.

    Raises InvalidSetting when RL_MODELS_PATH is no folder: a mistyped one would serve another model in silence.
    """
    roots = [settings.data_dir / IMPORTED, SHIPPED_BUNDLES]
    if settings.rl_models_path is not None:
        if not settings.rl_models_path.is_dir():
            raise InvalidSetting(f"RL_MODELS_PATH: {settings.rl_models_path} is no folder")
        roots.insert(0, settings.rl_models_path)
    homes = [settings.bentoml_home.expanduser()]
    if settings.bento_path is not None:
        homes.insert(0, settings.bento_path)
    return find_bundles(roots, directories=[path for home in homes for path in model_store.stored_bundles(home)])


def open_model(settings: Settings, name: str, *, answers_here: bool) -> Model:
    """The model of NAME or NAME:VERSION, all of it verified. Raises BundleRefused."""
    shelf = find_models(settings)
    candidate = shelf.select(name)
    limit_s = INLINE_P99_S if settings.placement is Placement.INLINE else None
    return Model(
        manifest=candidate.manifest,
        networks=shelf.networks(candidate),
        digest=candidate.digest,
        bundle=shelf.open(candidate, inline_p99_s=limit_s) if answers_here else None,
    )


def follow_models(settings: Settings, *, answers_here: bool) -> ActiveModel[Model]:
    """The active model: the one last activated in DATA_DIR, else RL_MODEL. Raises BundleRefused."""
    record = ActiveModelFile(settings.data_dir)

    def load(name: str) -> Model:
        try:
            return open_model(settings, name, answers_here=answers_here)
        except BundleRefused as error:
            origin = "RL_MODEL" if record.read() is None else f"the activation in {settings.data_dir}"
            raise BundleRefused(f"{origin} names {name}: {error}") from error

    return ActiveModel(wanted=lambda: record.read() or settings.rl_model, load=load)


class PolicyOfTheDay:
    """Keeps trading.ports.Policy with whichever model is active; `call` asks its process in `process` placement."""

    def __init__(
        self, live: LiveFeatures, models: ActiveModel[Model], call: PolicyCall | None, *, cache_ttl_s: float
    ) -> None:
        self._live = live
        self._cache_ttl_s = cache_ttl_s
        self._models = models
        self._call = call
        self._policy = self._make()

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """Advice of the active model."""
        return await self._policy.advise(symbol, reading, exposure, budget_s=budget_s)

    def switch(self) -> None:
        """Serve the model that is active now, once its features are warm."""
        self._live.track(self._models.current.networks)
        self._policy = self._make()

    def _make(self) -> Policy:
        model, call = self._models.current, self._call
        if call is None:
            if model.bundle is None:
                raise PolicyFailed("a model of this process was opened without its networks")
            return BundlePolicy(self._live, model.bundle)
        digest = model.digest
        remote = RemotePolicy(
            self._live, model.manifest, model.networks, lambda rows, exposure: call(digest, rows, exposure)
        )
        return CachedPolicy(remote, self._live, ttl_s=self._cache_ttl_s)


def require_timeframe(model: Model, market: Market) -> None:
    """Raises BundleRefused unless the model decides on bars as long as this market's."""
    if model.manifest.timeframe_s != market.timeframe_s:
        raise BundleRefused(
            f"{model.manifest.name} decides on bars of {model.manifest.timeframe_s} s, "
            f"the market has bars of {market.timeframe_s} s (MARKET_TIMEFRAME_S or another file)"
        )


def activate(settings: Settings, name: str) -> Model:
    """Verify a bundle and make it the active one of DATA_DIR. Raises BundleRefused, and then nothing has changed."""
    model = open_model(settings, name, answers_here=True)
    require_timeframe(model, look_at_market(settings))
    ActiveModelFile(settings.data_dir).write(f"{model.manifest.name}:{model.manifest.version}")
    return model


def register_shipped(root: Path) -> list[str]:
    """Put every bundle below `root` into BentoML's model store; their tags.

    Raises BundleRefused when one is damaged, ValueError as `register`.
    """
    shelf = find_bundles([root])
    for refusal in shelf.refusals:
        raise BundleRefused(f"{refusal.path}: {refusal.reason}")
    return [
        model_store.register(found.path, name=found.manifest.name, version=found.manifest.version, digest=found.digest)
        for found in shelf.candidates
    ]
