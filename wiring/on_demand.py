"""The models that the policies' own process answers for: whichever it is asked for, opened when it is first asked."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from rl_models.served import RETRY_S
from settings import Settings
from trading.errors import BundleRefused, OperatorNeeded, PolicyFailed
from wiring.models import Model, find_models, open_candidate

# Each holds its networks in memory; the one not asked for longest goes first.
MOST_MODELS = 16


class ModelsOnDemand:
    """Models by digest. Which of them are active, or named by agents, is for those to know who ask. For any thread.

    `find` opens the model of a digest; it raises OperatorNeeded and its kinds.
    """

    def __init__(
        self,
        find: Callable[[str], Model],
        *,
        most: int = MOST_MODELS,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._most = most
        self._monotonic_s = monotonic_s
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._refused: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._guard = threading.Lock()
        self._opening = threading.Lock()

    def by_digest(self, digest: str) -> Model:
        """The model of this digest; opening it takes a while the first time. Raises PolicyFailed."""
        model = self._known(digest)
        if model is not None:
            return model
        with self._opening:
            return self._known(digest) or self._open(digest)

    def _known(self, digest: str) -> Model | None:
        with self._guard:
            model = self._models.get(digest)
            if model is not None:
                self._models.move_to_end(digest)
            return model

    def _open(self, digest: str) -> Model:
        retry_at_s, why = self._refused.get(digest, (float("-inf"), ""))
        if self._monotonic_s() < retry_at_s:
            raise PolicyFailed(why)
        try:
            model = self._find(digest)
        except OperatorNeeded as error:
            self._refused[digest] = (self._monotonic_s() + RETRY_S, str(error))
            if len(self._refused) > self._most:
                self._refused.popitem(last=False)
            raise PolicyFailed(str(error)) from error
        with self._guard:
            self._models[digest] = model
            if len(self._models) > self._most:
                self._models.popitem(last=False)
        return model


def open_on_demand(settings: Settings) -> ModelsOnDemand:
    """Models from every place where bundles lie. Nothing is opened yet."""

    def find(digest: str) -> Model:
        shelf = find_models(settings)
        for candidate in shelf.candidates:
            if candidate.digest == digest:
                return open_candidate(settings, shelf, candidate, answers_here=True)
        raise BundleRefused(f"no bundle with digest {digest} lies where this process looks")

    return ModelsOnDemand(find)
