"""Whether one more retry is within the budget: at most a tenth of the calls to a service."""

SHARE = 0.1
# Calls of a quiet hour do not add up to a storm.
MOST = 10.0


class RetryBudget:
    """Earned by calls, spent by retries; starts empty, so that the share holds from the first call on."""

    def __init__(self, share: float = SHARE, most: float = MOST) -> None:
        self._share = share
        self._most = most
        self._saved = 0.0

    def earn(self) -> None:
        """For each call that is not a retry."""
        self._saved = min(self._saved + self._share, self._most)

    def spend(self) -> bool:
        """True when a retry may be made; it is paid for then."""
        # Ten tenths add up to a hair less than one.
        if self._saved < 1.0 - 1e-9:
            return False
        self._saved = max(self._saved - 1.0, 0.0)
        return True
