"""What came to be known of a decision after it was journalled: what the other arm would have done, what it earned."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic_core import from_json

from adapters.store.connections import StoreConnection
from adapters.store.exposure_shadows import Shadow, find_shadow
from adapters.store.outcomes import Outcome, find_outcome
from adapters.store.reported_outcomes import ReportedOutcome, find_reported
from schemas.decisions import to_answer
from schemas.words import iso_time
from trading.vocabulary import Decision


async def show_afterwards(connection: StoreConnection, decision: Decision) -> Mapping[str, object]:
    """Read: `experiment` and `outcome` of a decision, in words of the wire; null for what is not known."""
    given = decision.assignment
    shadow = await find_shadow(connection, decision)
    reported = await find_reported(decision.request_id)(connection)
    return {
        "experiment": {
            **to_answer(decision)["experiment"],
            "version": given.version,
            "run": given.run,
            "propensity": given.propensity,
            "shadow": None if shadow is None else _shadow(shadow),
        },
        "outcome": {
            "reported": None if reported is None else _reported(reported),
            "unit": await _unit(connection, decision),
        },
    }


async def _unit(connection: StoreConnection, decision: Decision) -> Mapping[str, object] | None:
    given, market = decision.assignment, decision.market
    if market is None:
        return None
    # As outcomes are marked: a decision belongs to the day in which its bar closed.
    day = datetime.fromtimestamp(market.as_of_s, UTC).date().isoformat()
    found = await find_outcome(given.experiment, given.run, decision.signal.user_id, day)(connection)
    return None if found is None else _earned(found)


def _shadow(shadow: Shadow) -> Mapping[str, object]:
    return {"arm": shadow.arm, "target": shadow.target, "action": shadow.action}


def _reported(told: ReportedOutcome) -> Mapping[str, object]:
    return {
        "net_bps": told.net_bps,
        "net_usd": told.net_usd,
        "note": from_json(told.document).get("note"),
        "reported_at": iso_time(told.at_s),
    }


def _earned(outcome: Outcome) -> Mapping[str, object]:
    return {
        "day": outcome.day,
        "state": outcome.state,
        "net_bps": outcome.net_bps,
        "fees_bps": outcome.fees_bps,
        "arm": outcome.arm,
        "source": outcome.source,
    }
