"""The models that serve now: the active one and those that agents name, followed while both change."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from trading.errors import BundleRefused, OperatorNeeded

# A refused model is tried again after this long: its files may only have been on their way. Verifying takes longer than
# the time between two looks.
RETRY_S = 5.0
# A model that nobody names any more is kept this long: an agent that is stopped and started again finds it loaded.
KEEP_S = 60.0

Held = TypeVar("Held")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    reason: str
    retry_at_s: float


class ServedModels(Generic[Held]):
    """Holds what `load` makes of names (NAME or NAME:VERSION).

    `wanted` is the name of the active model; it may raise ValueError when its record is damaged. `named` gives the
    other names beside an active model. `load` gets a name, and the active model unless it is the active model's own
    name. It raises BundleRefused: then the old active model keeps serving until a new one is verified, and `refusal`
    says why. At construction there is no old one, and BundleRefused flies; the other names wait for `refresh`.
    """

    def __init__(
        self,
        *,
        wanted: Callable[[], str],
        named: Callable[[Held], Collection[str]],
        load: Callable[[str, Held | None], Held],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = wanted
        self._named = named
        self._load = load
        self._monotonic_s = monotonic_s
        self._refreshing = threading.Lock()
        self._checks: list[Callable[[Held], None]] = []
        self._tried: dict[str, _Refused] = {}
        self._named_at_s: dict[str, float] = {}
        try:
            self._name = wanted()
        except ValueError as error:
            raise BundleRefused(str(error)) from error
        self._current = load(self._name, None)
        self._others: dict[str, Held] = {}
        self._refusals: dict[str, str] = {}
        self.refusal: str | None = None

    @property
    def current(self) -> Held:
        """The active model."""
        return self._current

    @property
    def name(self) -> str:
        """What was asked for when the active model was loaded."""
        return self._name

    @property
    def others(self) -> Mapping[str, Held]:
        """The loaded models by the other names, those included that nobody has named for less than KEEP_S."""
        return self._others

    @property
    def refusals(self) -> Mapping[str, str]:
        """Why models that are named are not among `others`, by name; one that is neither is still being loaded."""
        return self._refusals

    def require(self, check: Callable[[Held], None]) -> None:
        """Hold only what `check` lets pass; it raises BundleRefused, at once for the active model."""
        check(self._current)
        self._checks.append(check)

    def refresh(self) -> bool:
        """Load what is newly wanted or named; True when something changed. Reads files; for any thread."""
        with self._refreshing:
            # The active model first: which other names there are may depend on it.
            wanted, changed = self._follow_active()
            named = frozenset(self._named(self._current))
            changed = self._follow_others(named) or changed
            # Whoever comes back to a name that was refused finds it tried anew.
            self._tried = {name: refused for name, refused in self._tried.items() if name == wanted or name in named}
            return changed

    def _follow_active(self) -> tuple[str | None, bool]:
        try:
            wanted = self._wanted()
        except ValueError as error:
            self.refusal = str(error)
            return None, False
        opened = self._current if wanted == self._name else self._open(wanted, None)
        if isinstance(opened, _Refused):
            self.refusal = opened.reason
            return wanted, False
        changed = wanted != self._name
        self._current, self._name, self.refusal = opened, wanted, None
        return wanted, changed

    def _follow_others(self, named: frozenset[str]) -> bool:
        now_s = self._monotonic_s()
        self._named_at_s |= dict.fromkeys(named, now_s)
        others = {name: held for name, held in self._others.items() if now_s - self._named_at_s[name] < KEEP_S}
        refusals = {}
        for name in sorted(named - others.keys()):
            opened = self._open(name, self._current)
            if isinstance(opened, _Refused):
                refusals[name] = opened.reason
            else:
                others[name] = opened
        self._named_at_s = {name: at_s for name, at_s in self._named_at_s.items() if name in others}
        changed = others.keys() != self._others.keys()
        self._others, self._refusals = others, refusals
        return changed

    def _open(self, name: str, active: Held | None) -> Held | _Refused:
        known = self._tried.get(name)
        if known is not None and self._monotonic_s() < known.retry_at_s:
            return known
        try:
            loaded = self._load(name, active)
            for check in self._checks:
                check(loaded)
        except OperatorNeeded as error:
            self._tried[name] = _Refused(reason=str(error), retry_at_s=self._monotonic_s() + RETRY_S)
            return self._tried[name]
        self._tried.pop(name, None)
        return loaded
