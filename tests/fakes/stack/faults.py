"""Which fault happens to this request?"""

import random
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class FaultKind(StrEnum):
    """What goes wrong. With `accept` in its name the service does its work first, and only the answer is lost."""

    ACCEPT_THEN_RESET = "accept_then_reset"
    ACCEPT_THEN_HANG = "accept_then_hang"
    ACCEPT_THEN_500 = "accept_then_500"
    ACCEPT_THEN_HTML_502 = "accept_then_html_502"
    RESET_BEFORE_ACCEPT = "reset_before_accept"
    HANG_BEFORE_ACCEPT = "hang_before_accept"
    # Answered without having worked, and saying so is not in its power.
    ERROR_500 = "error_500"
    HTML_502 = "html_502"
    # The request reaches the service twice.
    DUPLICATE = "duplicate"
    # The work is done at once, the answer comes `delay_s` later.
    SLOW = "slow"

    @property
    def accepts(self) -> bool:
        """True when the service works on the request."""
        return self.name.startswith("ACCEPT") or self in (FaultKind.DUPLICATE, FaultKind.SLOW)


@dataclass(slots=True, kw_only=True)
class Fault:
    """A rule: of the requests of `route` (`POST /api/v1/*`; None: all) a share of `rate` meets `kind`.

    The dice are seeded: the n-th request of the route meets the same fate under the same seed. At most `times` if
    given. `delay_s` is how late an answer of SLOW is, in seconds.
    """

    kind: FaultKind
    rate: float = 1.0
    seed: int = 0
    route: str | None = None
    times: int | None = None
    delay_s: float = 1.0
    struck: int = 0
    dice: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.kind = FaultKind(self.kind)
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate {self.rate} is not 0..1")
        self.dice = random.Random(self.seed)

    def strikes(self, route: str) -> bool:
        """Throw the dice for a request of `route`; True when this fault happens to it."""
        if self.route is not None and not fnmatchcase(route, self.route):
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        if self.dice.random() >= self.rate:
            return False
        self.struck += 1
        return True

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "dice"}


class Faults:
    """The rules of one service; the first that strikes is the one that happens."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def of(self, method: str, path: str) -> Fault | None:
        route = f"{method} {path}"
        return next((fault for fault in self.rules if fault.strikes(route)), None)
