"""Experiments in the words of the wire."""

from collections.abc import Mapping
from dataclasses import asdict

from ab.assignment import stage_of
from ab.plan import Plan
from ab.plan_warnings import plan_warnings
from ab.results import Findings
from ab.state import Event, ExperimentState, Phase, phase_began
from ab.waiting import waits
from schemas.agents import WarningView
from schemas.experiments import AbTestStatus, EnvironmentView, spell_day
from schemas.words import iso_time
from settings import Settings
from trading.vocabulary import Assignment


def show_experiment(
    state: ExperimentState, findings: Findings | None, *, in_force: bool, market_s: float
) -> Mapping[str, object]:
    """An experiment as it is, what it waits for, and what it is to do."""
    since_s, reason = phase_began(state)
    return {
        "key": state.plan.key,
        "version": state.version,
        "run": state.run,
        "phase": state.phase,
        "in_force": in_force,
        "enabled": state.enabled,
        "stage": stage_of(state),
        "stage_number": state.stage + 1,
        "share": state.share,
        "approved": state.approved,
        "waiting_for": [asdict(wait) for wait in waits(state, findings, market_s)],
        "phase_since": iso_time(since_s),
        "phase_reason": reason,
        "changed_at": iso_time(state.changed_at_s),
        "reason": state.reason,
        "steps": [
            {"stage_number": step.stage + 1, "share": step.share, "market_since": iso_time(step.since_s)}
            for step in state.steps
        ],
        **show_accepted(state),
        "overrides": {override.user_id: override.arm for override in state.overrides},
        "plan": asdict(state.plan),
        # Once it runs, its results say what can be concluded.
        "warnings": show_warnings(state.plan) if state.phase is Phase.DRAFT else [],
    }


def show_accepted(state: ExperimentState) -> Mapping[str, object]:
    """Through which market day missing outcomes are accepted, and why; null for none."""
    through = state.missing_accepted_through
    return {
        "missing_accepted_through": None if through is None else spell_day(through),
        "missing_accepted_reason": state.missing_accepted_reason,
    }


def show_warnings(plan: Plan) -> list[WarningView]:
    """What an operator should know of a plan before it starts."""
    return [{"code": warning.code, "message": warning.message} for warning in plan_warnings(plan)]


def show_status(state: ExperimentState, settings: Settings, *, in_force: bool) -> AbTestStatus:
    """The default experiment in its short form."""
    since_s, reason = phase_began(state)
    return {
        "key": state.plan.key,
        "enabled": state.enabled,
        "rl_traffic_percentage": state.share,
        "phase": state.phase,
        "stage": stage_of(state),
        "version": state.version,
        "run": state.run,
        "in_force": in_force,
        "phase_since": iso_time(since_s),
        "phase_reason": reason,
        "changed_at": iso_time(state.changed_at_s),
        "reason": state.reason,
        "environment": show_environment(state, settings),
    }


def show_environment(state: ExperimentState, settings: Settings) -> EnvironmentView:
    """What the environment says of the default experiment, and whether that is still so."""
    enabled, share = settings.ab_testing_enabled, settings.rl_traffic_percentage
    return {
        "enabled": enabled,
        "rl_traffic_percentage": share,
        "differs": (enabled, share) != (state.enabled, state.share),
    }


def show_assignment(user_id: str, given: Assignment, *, in_force: bool) -> Mapping[str, object]:
    """The arm of a user and why; `propensity` is null for who is not compared."""
    return {"user_id": user_id, "in_force": in_force, **asdict(given)}


def show_event(event: Event) -> Mapping[str, object]:
    """One event of the log, without what it does not have."""
    fields = asdict(event)
    del fields["at_s"], fields["market_s"]
    fields["through"] = None if event.through is None else spell_day(event.through)
    told = {name: value for name, value in fields.items() if value is not None or name == "reason"}
    return {**told, "at": iso_time(event.at_s), "market_at": iso_time(event.market_s)}
