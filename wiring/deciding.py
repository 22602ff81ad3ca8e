"""What one worker decides with: the features of its market, who advises on them, and the desk that asks."""

from adapters.store.snapshot import SnapshotReader
from adapters.store.terms import terms_document
from rl_models.live import LiveFeatures
from rl_models.served import ServedModels
from settings import Settings
from trading.desk import Advisers, Desk, Fallback
from trading.ports import Assigner, Market, Recorder
from wiring.circumstances import circumstances
from wiring.feed import Feed
from wiring.models import Model
from wiring.policies import PolicyProcess, ServedPolicies
from wiring.version import VERSION


class Deciding:
    """Everything that a decision needs. `policies.switch` comes before the first one, `feed.refresh` again and again.

    `terms` is the digest, and `terms_text` the document, of what decisions here are made by.
    """

    def __init__(
        self,
        settings: Settings,
        known: SnapshotReader,
        market: Market,
        models: ServedModels[Model],
        *,
        rules: Fallback,
        process: PolicyProcess | None,
        assigner: Assigner,
        recorder: Recorder,
    ) -> None:
        decided_by = circumstances(settings, market_source=market.source, service_version=VERSION)
        self.terms, self.terms_text = terms_document(decided_by)
        self.exposures = decided_by.terms.exposures
        self.live = LiveFeatures(market, models.current.networks)
        self.feed = Feed(market, self.live)
        self.policies = ServedPolicies(self.live, models, process)
        self.advisers = Advisers(rl=self.policies, fallback=rules)
        self.desk = Desk(
            features=self.live,
            assigner=assigner,
            agents=known,
            holdings=known,
            symbols=lambda: len(market.symbols()),
            advisers=self.advisers,
            recorder=recorder,
            limits=decided_by.terms.limits,
            exposures=self.exposures,
        )
