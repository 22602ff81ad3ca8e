"""A bus within one process; `deaf` ones deliver nothing."""

from collections import defaultdict
from collections.abc import Callable


class FakeBus:
    """Keeps trading.ports.Bus; `published` are the topics in order."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.published: list[str] = []
        self._deaf = deaf
        self._listeners: dict[str, list[Callable[[bytes], None]]] = defaultdict(list)

    def subscribe(self, topic: str, deliver: Callable[[bytes], None]) -> Callable[[], None]:
        listeners = self._listeners[topic]
        listeners.append(deliver)
        return lambda: listeners.remove(deliver) if deliver in listeners else None

    def wanted(self, topic: str) -> bool:
        return bool(self._listeners.get(topic))

    def publish(self, topic: str, message: bytes) -> None:
        self.published.append(topic)
        if not self._deaf:
            for deliver in tuple(self._listeners.get(topic, ())):
                deliver(message)

    @property
    def listening(self) -> int:
        """How many listen to anything."""
        return sum(map(len, self._listeners.values()))
