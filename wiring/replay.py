"""A past decision made again from the journal: equal or not, and where the first difference is."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ab.assignment import Split
from ab.state import ExperimentState
from adapters.store.engine import Location
from adapters.store.experiments import event_documents
from adapters.store.records import decision_from, read_row, to_row
from adapters.store.terms import Circumstances, circumstances_from, read_terms
from rl_models.answers import where_calibrated
from rl_models.rule import FallbackRule
from rl_models.shelf import Shelf
from settings import Settings
from trading.errors import BundleRefused, NotFound, ServiceError, StoreRefused, Unavailable
from trading.hold import hold
from trading.replay import Difference, first_difference, recompute, served, serving
from trading.thresholds import DEFAULT_THRESHOLDS
from trading.vocabulary import Advice, Arm, Assignment, Decision
from wiring.circumstances import libraries
from wiring.experiment_log import state_after
from wiring.models import find_models
from wiring.stores import ask, find_store

EQUAL, DIFFERENT, UNKNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Journalled:
    """A decision as it is kept: the columns of its row, itself, and what it was decided by.

    `experiment` is as it was then, None where the decision was made by no log.
    """

    columns: dict[str, object]
    decision: Decision
    circumstances: Circumstances
    experiment: ExperimentState | None


def replay(settings: Settings, request_id: str) -> int:
    """Print whether a decision comes out as it was recorded: 0 equal, 1 different, 2 it cannot be said."""
    try:
        journalled = read_journalled(settings, request_id)
        difference = compare(journalled, find_models(settings))
    except ServiceError as error:
        print(f"cannot be replayed: {error}", file=sys.stderr)
        return UNKNOWN
    for line in report(journalled, difference):
        print(line)
    return EQUAL if difference is None else DIFFERENT


def read_journalled(settings: Settings, request_id: str) -> Journalled:
    """What the journal has of a decision. Raises NotFound, StoreRefused."""
    store = find_store(settings)
    columns = ask(store, read_row(request_id))
    if columns is None:
        raise NotFound("decision")
    terms = ask(store, read_terms(str(columns["terms"])))
    if terms is None:
        raise StoreRefused(f"the store has no terms {columns['terms']}")
    decision = decision_from(_parse(columns.pop("document")))
    return Journalled(
        decision=decision,
        circumstances=circumstances_from(terms),
        columns=columns,
        experiment=_experiment_then(store, decision.assignment),
    )


def compare(journalled: Journalled, shelf: Shelf) -> Difference | None:
    """The first field that comes out differently. Raises BundleRefused when the bundle is not on this shelf."""
    recorded, terms = journalled.decision, journalled.circumstances.terms
    by = serving(recorded, _assign(journalled))
    earlier = first_difference(recorded, served(recorded, by))
    if earlier is not None:
        return earlier  # another arm would answer: its advice was never given
    try:
        advice = _advise(recorded, by.arm, journalled.circumstances, shelf)
    except Unavailable as error:
        return Difference(field="advice", recorded=recorded.advice, recomputed=f"{type(error).__name__}: {error}")
    if recorded.advice.keeps is None:
        advice = replace(advice, keeps=None)  # before version 3 nobody wrote it down
    recomputed = recompute(recorded, terms, by=by, advice=advice)
    return first_difference(recorded, recomputed) or _difference_of_columns(journalled.columns, recomputed)


def report(journalled: Journalled, difference: Difference | None) -> Sequence[str]:
    """The result in sentences for a person."""
    recorded, then = journalled.decision, journalled.circumstances.libraries
    advice, signal = recorded.advice, recorded.signal
    what = f"{recorded.action} {signal.symbol} for {signal.user_id} by {advice.model}:{advice.version}"
    lines = [f"{'equal' if difference is None else 'different'}: decision {recorded.request_id}, {what}"]
    if difference is not None:
        lines.append(f"{difference.field}:")
        lines.append(f"  recorded   {difference.recorded!r}")
        lines.append(f"  recomputed {difference.recomputed!r}")
    taken = ["signal", "market", "position", "agent", "time"]
    if recorded.served_arm is Arm.RL:
        taken += ["the observation", "which bundle was active"]
    if journalled.experiment is None:
        taken.append("the assignment, which names no log of its experiment")
    if recorded.held_arm is not None:
        taken.append(f"which arm had opened the position ({recorded.held_arm})")
    if recorded.failure is not None:
        taken.append(f"that the arm asked first failed ({recorded.failure})")
    lines.append(f"taken as recorded: {', '.join(taken)}")
    if then != libraries():
        lines.append(f"computed then with {then}; now with {libraries()}: the last bits of floats may differ")
    return lines


def _parse(text: object) -> object:
    try:
        return json.loads(str(text))
    except ValueError as error:
        raise StoreRefused(f"the document of a decision is no JSON: {error}") from error


def _experiment_then(store: Location, given: Assignment) -> ExperimentState | None:
    if given.version == 0:
        return None
    texts = ask(store, event_documents(given.experiment, given.version)) or ()
    if len(texts) != given.version:
        raise StoreRefused(f"the log of {given.experiment} has {len(texts)} of the first {given.version} events")
    return state_after(texts)


def _assign(journalled: Journalled) -> Assignment:
    given = journalled.decision
    if journalled.experiment is None:
        return given.assignment
    return Split(journalled.experiment).assign(given.signal.user_id)


def _advise(recorded: Decision, arm: Arm, circumstances: Circumstances, shelf: Shelf) -> Advice:
    position, signal = recorded.position_exposure, recorded.signal
    if arm is Arm.RL:
        return _advise_rl(recorded, circumstances.market_source, shelf)
    if arm is Arm.HOLD:
        return hold(position, recorded.failure)
    if signal.reading is None:
        raise StoreRefused("the rule answered, and no signal was recorded")
    terms = circumstances.terms
    rule = FallbackRule(
        recorded.advice.thresholds or DEFAULT_THRESHOLDS,
        fallback_exposure=terms.fallback_exposure,
        lowest_exposure=terms.exposures.lowest,
    )
    return asyncio.run(rule.advise(signal.symbol, signal.reading, position, budget_s=0.0))


def _advise_rl(recorded: Decision, market_source: str, shelf: Shelf) -> Advice:
    given = recorded.advice
    if given.digest is None or given.observations is None:
        raise StoreRefused("the policy answered, and neither its bundle nor its observation was recorded")
    found = next((candidate for candidate in shelf.candidates if candidate.digest == given.digest), None)
    if found is None:
        raise BundleRefused(f"the bundle {given.model}:{given.version} with digest {given.digest} is nowhere here")
    if any(len(row) % 8 for row in given.observations.values()):
        raise StoreRefused("the observation of a decision is damaged: it is no list of float64")
    bundle = shelf.open(found, inline_p99_s=None)
    rows = {schema: np.frombuffer(row, dtype="<f8") for schema, row in given.observations.items()}
    advised = bundle.answer(rows, recorded.position_exposure)
    advised = where_calibrated(advised, bundle.manifest, symbol=recorded.signal.symbol, source=market_source)
    # Where it came from does not come out of the network: it is what went in.
    return replace(advised, digest=found.digest, observations=given.observations, cached=given.cached)


def _difference_of_columns(columns: dict[str, object], recomputed: Decision) -> Difference | None:
    row = to_row(recomputed, decided_at_s=0.0, terms="")
    for name, recorded in columns.items():
        if name not in ("decided_at", "terms") and recorded != row[name]:
            return Difference(field=f"column {name}", recorded=recorded, recomputed=row[name])
    return None
