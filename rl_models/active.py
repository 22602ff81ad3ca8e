"""The model that is active now, followed while it changes: the old one keeps serving until the new one is verified."""

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from trading.errors import BundleRefused, OperatorNeeded, PolicyFailed

# A refused model is tried again after this long: its files may only have been on their way. Verifying takes longer than
# the time between two looks.
RETRY_S = 5.0


class Digested(Protocol):
    """Anything that is named by the digest of its bundle."""

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hexadecimal digits."""


Held = TypeVar("Held", bound=Digested)


class ActiveModel(Generic[Held]):
    """Holds what `load` makes of the wanted name (NAME or NAME:VERSION); remembers the one before.

    `wanted` may raise ValueError when its record is damaged, `load` BundleRefused: then the old one stays and `refusal`
    says why. At construction there is no old one, and BundleRefused flies.
    """

    def __init__(
        self,
        *,
        wanted: Callable[[], str],
        load: Callable[[str], Held],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._refreshing = threading.Lock()
        self._wanted = wanted
        self._load = load
        try:
            self._name = wanted()
        except ValueError as error:
            raise BundleRefused(str(error)) from error
        self._current = load(self._name)
        self._previous = self._current
        self._checks: list[Callable[[Held], None]] = []
        self._refused_name: str | None = None
        self._retry_at_s = 0.0
        self.refusal: str | None = None

    @property
    def current(self) -> Held:
        """What serves now."""
        return self._current

    @property
    def name(self) -> str:
        """What was asked for when the current one was loaded."""
        return self._name

    def require(self, check: Callable[[Held], None]) -> None:
        """Hold only what `check` lets pass; it raises BundleRefused, at once for the current one."""
        check(self._current)
        self._checks.append(check)

    def by_digest(self, digest: str) -> Held:
        """The current or the previous one: a caller may still be a moment behind. Raises PolicyFailed."""
        for held in (self._current, self._previous):
            if held.digest == digest:
                return held
        raise PolicyFailed("this model is not active here")

    def refresh(self) -> bool:
        """Load another model when another one is wanted; True when it changed. Reads files; for any thread."""
        with self._refreshing:
            return self._refresh()

    def _refresh(self) -> bool:
        try:
            wanted = self._wanted()
        except ValueError as error:
            self._refused_name, self.refusal = None, str(error)
            return False
        if wanted == self._name:
            self._refused_name = self.refusal = None
            return False
        if wanted == self._refused_name and self._monotonic_s() < self._retry_at_s:
            return False
        return self._switch(wanted)

    def _switch(self, wanted: str) -> bool:
        try:
            loaded = self._load(wanted)
            for check in self._checks:
                check(loaded)
        except OperatorNeeded as error:
            self._refused_name, self.refusal = wanted, str(error)
            self._retry_at_s = self._monotonic_s() + RETRY_S
            return False
        self._previous, self._current, self._name = self._current, loaded, wanted
        self._refused_name = self.refusal = None
        return True
