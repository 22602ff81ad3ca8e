"""How many requests of each class may be inside at once."""

from enum import StrEnum


class RouteClass(StrEnum):
    """What a request is about: no class can fill the house so far that another finds no place."""

    CONTROL = "control"
    PREDICT = "predict"
    ASYNC = "async"
    STATS = "stats"


# In the order in which they get a place of their own where places are few.
RESERVED = {RouteClass.CONTROL: 0.1, RouteClass.PREDICT: 0.2, RouteClass.ASYNC: 0.1, RouteClass.STATS: 0.1}


class Shares:
    """The places of one worker: some belong to one class each, the rest to whoever comes first.

    Each class has its share of the places, one at least, and one place at least is for all. Below five places that is
    not possible: then the first classes of RESERVED have one each, and with one place every class shares it.
    """

    def __init__(self, places: int) -> None:
        self._own = _own_places(places)
        self._common = places - sum(self._own.values())
        self._inside = dict.fromkeys(RouteClass, 0)

    @property
    def busy(self) -> int:
        """How many are inside, of all classes."""
        return sum(self._inside.values())

    def take(self, kind: RouteClass) -> bool:
        """Take a place; False when there is none for this class now."""
        if self._inside[kind] >= self._own[kind]:
            if self._common == 0:
                return False
            self._common -= 1
        self._inside[kind] += 1
        return True

    def give_back(self, kind: RouteClass) -> None:
        """Give a place back that `take` gave."""
        self._inside[kind] -= 1
        if self._inside[kind] >= self._own[kind]:
            self._common += 1


def _own_places(places: int) -> dict[RouteClass, int]:
    own: dict[RouteClass, int] = {}
    for kind, share in RESERVED.items():
        left = places - 1 - sum(own.values())
        own[kind] = min(max(int(places * share), 1), left)
    return own
