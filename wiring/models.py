"""From settings to the models that serve: found on the shelf, opened, verified, followed while they change."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from weakref import WeakValueDictionary

from adapters import model_store
from rl_models.bundle import Bundle
from rl_models.manifest import ENSEMBLE as ENSEMBLE_KIND
from rl_models.manifest import Manifest
from rl_models.network import INLINE_P99_S
from rl_models.served import ServedModels
from rl_models.shelf import SHIPPED_BUNDLES, Candidate, Shelf, find_bundles
from settings import Placement, Settings
from trading.agents import ENSEMBLE
from trading.errors import BundleRefused, InvalidSetting
from trading.ports import Market
from wiring.markets import look_at_market
from wiring.stores import find_store, read_active_model, write_active_model

# Below DATA_DIR: where `python -m rl_models import` writes unless told otherwise.
IMPORTED = "bundles"


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Model:
    """A verified bundle as one process holds it: `bundle` is None where another process answers for it."""

    manifest: Manifest
    networks: tuple[Manifest, ...]
    digest: str
    bundle: Bundle | None

    @property
    def tag(self) -> str:
        """`name:version`."""
        return f"{self.manifest.name}:{self.manifest.version}"

    @property
    def is_ensemble(self) -> bool:
        """True when several policies vote in it."""
        return self.manifest.kind == ENSEMBLE_KIND


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
    return open_candidate(settings, shelf, shelf.select(name), answers_here=answers_here)


def open_candidate(settings: Settings, shelf: Shelf, candidate: Candidate, *, answers_here: bool) -> Model:
    """The model of a bundle on the shelf, all of it verified. Raises BundleRefused."""
    limit_s = INLINE_P99_S if settings.placement is Placement.INLINE else None
    return Model(
        manifest=candidate.manifest,
        networks=shelf.networks(candidate),
        digest=candidate.digest,
        bundle=shelf.open(candidate, inline_p99_s=limit_s) if answers_here else None,
    )


def select_model(shelf: Shelf, name: str, active: Model | None) -> Candidate:
    """The bundle that NAME or NAME:VERSION means; beside an active model also ENSEMBLE. Raises BundleRefused."""
    if active is None or name != ENSEMBLE:
        return shelf.select(name)
    timeframe_s = active.manifest.timeframe_s
    found = [
        candidate
        for candidate in shelf.candidates
        if candidate.manifest.kind == ENSEMBLE_KIND and candidate.manifest.timeframe_s == timeframe_s
    ]
    if not found:
        raise BundleRefused(f"no ensemble decides on bars of {timeframe_s} s")
    return max(found, key=lambda candidate: (datetime.fromisoformat(candidate.manifest.created_at), candidate.tag))


def follow_models(
    settings: Settings, *, wanted: Callable[[], str], agents_models: Callable[[], Collection[str]], answers_here: bool
) -> ServedModels[Model]:
    """The active model, `wanted`, and those that agents name. Raises BundleRefused.

    ENSEMBLE is the active model while that is an ensemble, else the newest ensemble. Both are asked in whichever thread
    refreshes.
    """
    opened: WeakValueDictionary[str, Model] = WeakValueDictionary()

    def load(name: str, active: Model | None) -> Model:
        shelf = find_models(settings)
        try:
            candidate = select_model(shelf, name, active)
            # Two names of one bundle share its networks.
            model = opened.get(candidate.digest) or open_candidate(
                settings, shelf, candidate, answers_here=answers_here
            )
        except BundleRefused as error:
            origin = "RL_MODEL" if name == settings.rl_model else "the record of the active model"
            raise BundleRefused(f"{origin} names {name}: {error}" if active is None else str(error)) from error
        opened[model.digest] = model
        return model

    def named(active: Model) -> Collection[str]:
        return set(agents_models()) - ({ENSEMBLE} if active.is_ensemble else set())

    return ServedModels(wanted=wanted, named=named, load=load)


def require_timeframe(model: Model, market: Market) -> None:
    """Raises BundleRefused unless the model decides on bars as long as this market's."""
    if model.manifest.timeframe_s != market.timeframe_s:
        raise BundleRefused(
            f"{model.manifest.name} decides on bars of {model.manifest.timeframe_s} s, "
            f"the market has bars of {market.timeframe_s} s (MARKET_TIMEFRAME_S or another file)"
        )


def look_at_active_model(settings: Settings) -> Model:
    """The active model: the one last activated, else RL_MODEL; verified. Raises BundleRefused, StoreRefused.

    For commands and the start of the service; not for a running event loop.
    """
    try:
        activated = read_active_model(find_store(settings))
    except ValueError as error:
        raise BundleRefused(str(error)) from error
    models = follow_models(
        settings, wanted=lambda: activated or settings.rl_model, agents_models=tuple, answers_here=True
    )
    return models.current


def activate(settings: Settings, name: str) -> Model:
    """Verify a bundle and make it the active one, on all workers. Raises BundleRefused, and then nothing has changed.

    Raises StoreRefused. Not for a running event loop.
    """
    model = open_model(settings, name, answers_here=True)
    require_timeframe(model, look_at_market(settings))
    write_active_model(find_store(settings), model.tag)
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
