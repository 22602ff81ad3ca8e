"""A bundle as a policy in this process."""

from rl_models.answers import where_calibrated
from rl_models.bundle import Bundle
from rl_models.live import LiveFeatures
from trading.vocabulary import Advice, Reading


class BundlePolicy:
    """Implements trading.ports.Policy: observes and answers at once, without waiting for anything.

    The schemas of the bundle must be tracked by `live`. Where the bundle was not calibrated it is answered without a
    confidence.
    """

    def __init__(self, live: LiveFeatures, bundle: Bundle) -> None:
        self._live = live
        self._bundle = bundle
        self._digests = bundle.schema_digests

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """See Policy. `budget_s` is not looked at: an inline bundle has proven its speed when it was loaded."""
        observe = self._live.observe
        observations = {digest: observe(symbol, digest, reading, exposure) for digest in self._digests}
        advised = self._bundle.answer(observations, exposure)
        return where_calibrated(advised, self._bundle.manifest, symbol=symbol, source=self._live.source)
