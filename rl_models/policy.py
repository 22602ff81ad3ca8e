"""A bundle as a policy in this process."""

from rl_models.answers import advice, calibrated_symbols
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
        self._answering = bundle.answering
        self._digest = bundle.digest
        self._schemas = bundle.schema_digests
        self._calibrated = calibrated_symbols(bundle.manifest, source=live.source)

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """See Policy. `budget_s` is not looked at: an inline bundle has proven its speed when it was loaded."""
        observe = self._live.observe
        rows = {schema: observe(symbol, schema, reading, exposure)[None, :] for schema in self._schemas}
        # The bytes of a float64 are little-endian on every machine that onnxruntime runs on.
        seen = {schema: row.tobytes() for schema, row in rows.items()}
        answer = self._answering.answers(rows, (exposure,))[0]
        return advice(
            self._answering,
            answer,
            exposure,
            calibrated=symbol in self._calibrated,
            digest=self._digest,
            observations=seen,
        )
