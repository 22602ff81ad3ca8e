"""An experiment read back from its texts is the experiment, and a log that does not hang together is refused."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.commands import fold
from ab.defaults import default_plan
from ab.plan import Analysis, Guard, Guardrail, OutcomeSource, Plan, Response, Stage
from ab.requests import decide
from ab.state import Command, Event, ExperimentState, Override, Phase, Step, phase_began
from tests.fakes.experiments import after, request
from trading.errors import StoreRefused
from trading.vocabulary import Arm
from wiring.experiment_log import event_from, event_text, state_after, state_from, state_text

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | FLOATS
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTS = st.integers(min_value=0, max_value=2**62)


def some(made: st.SearchStrategy[object], most: int = 3) -> st.SearchStrategy[tuple[object, ...]]:
    """A few of them."""
    return st.lists(made, max_size=most).map(tuple)


STAGES = st.builds(
    Stage, share=FLOATS, min_days=FLOATS, min_units=COUNTS, approval=st.booleans(), max_notional_usd=MAYBE
)
ANALYSES = st.builds(
    Analysis,
    source=st.sampled_from(OutcomeSource),
    looks=COUNTS,
    look_days=FLOATS,
    alpha=FLOATS,
    margin_bps=FLOATS,
    lowest_bps=FLOATS,
    highest_bps=FLOATS,
)
GUARDRAILS = st.builds(
    Guardrail, guard=st.sampled_from(Guard), limit=FLOATS, response=st.sampled_from(Response), min_units=COUNTS
)
PLANS = st.builds(
    Plan,
    key=TEXTS,
    salt=TEXTS,
    model=st.none() | TEXTS,
    holdout_share=FLOATS,
    stages=some(STAGES),
    analysis=ANALYSES,
    guardrails=some(GUARDRAILS),
)
EVENTS = st.builds(
    Event,
    experiment=TEXTS,
    number=COUNTS,
    command=st.sampled_from(Command),
    by=TEXTS,
    reason=st.none() | TEXTS,
    at_s=FLOATS,
    market_s=FLOATS,
    plan=st.none() | PLANS,
    enabled=st.none() | st.booleans(),
    share=MAYBE,
    user_id=st.none() | TEXTS,
    arm=st.none() | st.sampled_from(Arm),
    through=st.none() | COUNTS,
)
STATES = st.builds(
    ExperimentState,
    plan=PLANS,
    version=COUNTS,
    run=COUNTS,
    phase=st.sampled_from(Phase),
    enabled=st.booleans(),
    stage=COUNTS,
    share=FLOATS,
    approved=st.booleans(),
    overrides=some(st.builds(Override, user_id=TEXTS, arm=st.sampled_from(Arm))),
    steps=some(st.builds(Step, stage=COUNTS, share=FLOATS, since_s=FLOATS)),
    changed_at_s=FLOATS,
    reason=st.none() | TEXTS,
    missing_accepted_through=st.none() | COUNTS,
    missing_accepted_reason=st.none() | TEXTS,
    paused_from=st.none() | st.sampled_from(Phase),
    phase_since_s=MAYBE,
    phase_reason=st.none() | TEXTS,
    ended_at_s=MAYBE,
)

CREATED = Event(
    experiment="trial",
    number=1,
    command=Command.CREATE,
    by="operator",
    reason=None,
    at_s=1.0,
    market_s=2.0,
    plan=default_plan("trial", "salt", 0.25),
)
STARTED = Event(experiment="trial", number=2, command=Command.START, by="engine", reason="due", at_s=3.0, market_s=4.0)


@given(EVENTS)
def test_an_event_read_back_is_equal_in_every_field(event: Event) -> None:
    assert event_from(event_text(event)) == event


@given(STATES)
def test_an_experiment_read_back_is_equal_in_every_field(state: ExperimentState) -> None:
    assert state_from(state_text(state)) == state


def test_a_log_adds_up_to_what_its_events_do() -> None:
    state = state_after([event_text(CREATED), event_text(STARTED)])
    assert state == fold(fold(None, CREATED), STARTED)
    assert state is not None
    assert (state.phase, state.share, state.version) == (Phase.RUNNING, 0.25, 2)
    assert state_after([]) is None


def test_an_experiment_that_was_written_before_its_phases_had_times_says_what_its_last_command_says() -> None:
    state = after(Command.START, request(Command.ROLLBACK, at_s=7.0, reason="it lost"))
    kept = json.loads(state_text(state))
    for name in ("phase_since_s", "phase_reason", "ended_at_s"):
        del kept[name]
    old = state_from(json.dumps(kept))
    assert (phase_began(old), old.ended_at_s) == ((7.0, "it lost"), None)
    begun = fold(old, decide(old, request(Command.START, at_s=9.0, reason="mended")))
    assert phase_began(begun) == (9.0, "mended")


def test_what_was_written_before_days_could_be_accepted_or_a_promotion_paused_is_read_as_of_that_time() -> None:
    state = fold(None, CREATED)
    event, kept = json.loads(event_text(STARTED)), json.loads(state_text(state))
    del event["through"], kept["missing_accepted_through"], kept["missing_accepted_reason"], kept["paused_from"]
    assert event_from(json.dumps(event)) == STARTED
    assert state_from(json.dumps(kept)) == state


@pytest.mark.parametrize("log", [[STARTED], [CREATED, CREATED], [CREATED, replace(STARTED, number=3)]])
def test_a_log_with_an_event_missing_or_twice_is_refused(log: list[Event]) -> None:
    with pytest.raises(StoreRefused):
        state_after([event_text(event) for event in log])


@pytest.mark.parametrize("change", [{"number": "2"}, {"command": "explode"}, {"plan": {}}, {"a_field_of_tomorrow": 1}])
def test_a_text_that_is_no_event_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(StoreRefused):
        event_from(json.dumps(json.loads(event_text(STARTED)) | change))


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_text_that_is_no_experiment_is_refused(text: str) -> None:
    with pytest.raises(StoreRefused):
        state_from(text)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_finite_is_never_kept(number: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        event_text(replace(STARTED, share=number))
