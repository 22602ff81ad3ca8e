"""What callers tell us that decisions earned."""

import time
from collections.abc import Callable
from math import isfinite

from pydantic_core import to_json

from adapters.store.engine import Store
from adapters.store.records import find_decision
from adapters.store.reported_outcomes import ReportedOutcome, save_reported
from schemas.feedback import FeedbackParams, FeedbackView
from schemas.words import iso_time
from trading.agents import Agent
from trading.errors import InvalidField, NotFound
from trading.sizing import capital_of
from trading.vocabulary import Decision

# The run of what was decided before an experiment first began, or was first known: it is no experiment's.
NO_RUN = 0


class Feedback:
    """Keeps each report once, durably."""

    def __init__(self, store: Store, *, wall_s: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall_s = wall_s

    async def report(self, params: FeedbackParams) -> FeedbackView:
        """Keep what a decision earned; the same again is answered as it was the first time.

        Raises InvalidField, NotFound when the user has no such decision, OutcomeDiffers, StoreUnavailable.
        """
        if (params["net_bps"] is None) == (params["net_usd"] is None):
            raise InvalidField("net_bps", "needed, or else net_usd, and not both")
        decision = await self._store.read(lambda connection: find_decision(connection, params["request_id"]))
        if decision is None or decision.signal.user_id != params["user_id"]:
            raise NotFound("decision")
        kept = await self._store.write(save_reported(_told(params, decision, at_s=self._wall_s())))
        return _shown(kept)


def _told(params: FeedbackParams, decision: Decision, *, at_s: float) -> ReportedOutcome:
    given, market = decision.assignment, decision.market
    if market is None:
        raise InvalidField("request_id", "is of a decision without market data, which earned nothing")
    return ReportedOutcome(
        decision_id=decision.request_id,
        user_id=params["user_id"],
        experiment=given.experiment,
        run=given.run,
        market_s=market.now_s,
        net_bps=_net_bps(params, decision.agent),
        net_usd=params["net_usd"],
        at_s=at_s,
        document=to_json(params).decode(),
    )


def _net_bps(params: FeedbackParams, agent: Agent | None) -> float | None:
    usd = params["net_usd"]
    if usd is None:
        return params["net_bps"]
    if agent is None:
        raise InvalidField("net_usd", "the user had no agent, so nobody knows of what capital: give net_bps")
    net_bps = usd / float(capital_of(agent.config)) * 10_000.0
    if not isfinite(net_bps):
        raise InvalidField("net_usd", "too many times the capital of the agent")
    return net_bps


def _shown(kept: ReportedOutcome) -> FeedbackView:
    assert kept.net_bps is not None  # noqa: S101 - it was told, or made of net_usd
    return {
        "request_id": kept.decision_id,
        "user_id": kept.user_id,
        "net_bps": kept.net_bps,
        "net_usd": kept.net_usd,
        "experiment": None if kept.run == NO_RUN else kept.experiment,
        "reported_at": iso_time(kept.at_s),
    }
