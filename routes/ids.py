"""Ids of requests."""

import secrets
import time

# Of an id, what is random; and how many ids it is asked of the kernel for at once, which costs as much as for one.
RANDOM_BYTES = 10
TOGETHER = 1000


class RequestIds:
    """32 hex digits each: the time, so that the journal's index grows at its end, and 80 bits that nobody can guess."""

    def __init__(self) -> None:
        self._random = ""
        self._at = 0

    def make(self) -> str:
        """The next one."""
        at = self._at
        if at >= len(self._random):
            self._random, at = secrets.token_hex(RANDOM_BYTES * TOGETHER), 0
        self._at = at + 2 * RANDOM_BYTES
        return f"{int(time.time() * 1000):012x}{self._random[at : self._at]}"
