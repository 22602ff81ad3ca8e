"""The experiments as operators command and see them: each command is one event of a log that only grows."""

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial

from ab.assignment import Split
from ab.defaults import default_plan
from ab.requests import CommandRequest
from ab.results import Findings
from ab.state import Command, ExperimentState, Phase
from adapters.store.engine import Store
from adapters.store.experiments import ExperimentChange, read_events
from adapters.store.snapshot import SnapshotReader
from schemas.experiments import (
    AbTestStatus,
    AcceptMissingRequest,
    ConfigureParams,
    CreateRequest,
    OverrideRequest,
    VersionedRequest,
    to_arm,
    to_day,
    to_plan,
)
from settings import Settings
from trading.errors import IllegalChange, NotFound, StoreUnavailable
from wiring.experiment_changes import UNREADABLE, Asked, Wanted, changing
from wiring.experiment_log import event_from, state_from
from wiring.experiment_views import show_assignment, show_event, show_experiment, show_status
from wiring.split_in_force import DEFAULT_EXPERIMENT, SplitInForce

# The salt of the default experiment; another salt is another split of the users. Under this one the README's user123
# falls below 0.1, so a newcomer's first request meets the policy.
DEFAULT_SALT = "rl-vs-rule-13"
OPERATOR, ENGINE, ENVIRONMENT = "operator", "engine", "environment"
NO_EXPERIMENT = "no experiment was there yet"
# What the engine does against a run, whatever its share, overrides and approvals.
_STOPS = frozenset({Command.PAUSE, Command.ROLLBACK, Command.KILL})


class Experiments:
    """Implements routes.experiment_pages.ExperimentReads.

    A command is durable once it is answered, and on every worker within a second. `findings_of` gives what is known of
    what an experiment has shown.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        known: SnapshotReader,
        split: SplitInForce,
        *,
        market_s: Callable[[], float],
        check_model: Callable[[str], Awaitable[None]],
        findings_of: Callable[[ExperimentState], Findings | None] = lambda _: None,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._known = known
        self._split = split
        self._market_s = market_s
        self._check_model = check_model
        self._findings_of = findings_of
        self._wall_s = wall_s

    async def ensure_default(self) -> None:
        """Begin the default experiment as the environment says, unless it was ever begun. Raises StoreUnavailable."""
        settings = self._settings
        plan = default_plan(DEFAULT_EXPERIMENT, DEFAULT_SALT, settings.rl_traffic_percentage)
        by_environment = partial(CommandRequest, by=ENVIRONMENT, reason=NO_EXPERIMENT)
        first = partial(by_environment, command=Command.CREATE, plan=plan, enabled=settings.ab_testing_enabled)
        begin = partial(by_environment, command=Command.START)
        # One that cannot be read was begun: it is shown as such, and nobody meets a policy by it.
        with suppress(IllegalChange):
            await self._write(plan.key, lambda state: None if state is not None else first)
            await self._write(plan.key, lambda state: begin if _never_begun(state) else None)
        await self._known.refresh()
        self._split.apply()

    async def create(self, said: CreateRequest) -> Mapping[str, object]:
        """Create a draft. Raises InvalidField, IllegalChange when the key is taken, StoreUnavailable."""
        if said.model is not None:
            await self._check_model(said.model)
        plan = to_plan(said, salt=said.salt or secrets.token_hex(8))
        asked = partial(CommandRequest, command=Command.CREATE, by=OPERATOR, reason=said.reason, plan=plan)
        return await self._give(plan.key, asked)

    async def command(self, key: str, command: str, said: VersionedRequest) -> Mapping[str, object]:
        """Give a command that needs no more than a version; the experiment afterwards.

        Raises NotFound, StaleVersion, IllegalChange, StoreUnavailable.
        """
        return await self._give(key, _by_operator(Command(command), said))

    async def override(self, key: str, said: OverrideRequest) -> Mapping[str, object]:
        """Give a user an arm, or no longer. Raises as `command`, InvalidField."""
        asked = _by_operator(Command.OVERRIDE, said)
        return await self._give(key, partial(asked, user_id=said.user_id, arm=to_arm(said.arm)))

    async def accept_missing(self, key: str, said: AcceptMissingRequest) -> Mapping[str, object]:
        """Accept the days up to one as missing. Raises as `command`, InvalidField."""
        asked = _by_operator(Command.ACCEPT_MISSING, said)
        return await self._give(key, partial(asked, through=to_day(said.through)))

    async def configure(self, params: ConfigureParams) -> AbTestStatus:
        """Set the default experiment on or off, or its share. Raises as `command`, InvalidField."""
        enabled, share = params["enabled"], params["rl_traffic_percentage"]
        asked = partial(CommandRequest, command=Command.CONFIGURE, by=OPERATOR, reason=params["reason"])
        said = partial(asked, enabled=enabled, share=share)
        state, in_force = await self._change(DEFAULT_EXPERIMENT, lambda _: said)
        return show_status(state, self._settings, in_force=in_force)

    async def look(self) -> ExperimentState | None:
        """The experiment in force as the store has it; None for none. Raises StoreUnavailable."""
        await self._known.refresh()
        self._split.apply()
        return self._split.state

    async def act(
        self, state: ExperimentState, command: Command, *, reason: str, least_market_s: float | None = None
    ) -> None:
        """What the engine does, on the experiment as it saw it; no earlier than at a market time. Raises as `command`.

        What stops it is as right on every later version of the same run in the same phase: nobody's commands delay it.
        """

        def asked(*, at_s: float, market_s: float, based_on: int) -> CommandRequest:
            return CommandRequest(
                command=command,
                by=ENGINE,
                reason=reason,
                at_s=at_s,
                market_s=market_s if least_market_s is None else max(market_s, least_market_s),
                based_on=based_on,
            )

        def wanted(now: ExperimentState | None) -> Asked:
            same = now is not None and command in _STOPS and _standing(now) == _standing(state)
            return partial(asked, based_on=now.version if now is not None and same else state.version)

        await self._change(state.plan.key, wanted)

    async def status(self) -> AbTestStatus:
        """The default experiment in its short form, and where the environment says otherwise. Raises as `state`."""
        state = await self.state(DEFAULT_EXPERIMENT)
        return show_status(state, self._settings, in_force=self._in_force(DEFAULT_EXPERIMENT))

    async def list(self, *, after: str, limit: int) -> Mapping[str, object]:
        """A page of the experiments that can be read, by key: those above `after`. Raises StoreUnavailable."""
        await self._look()
        self._check_fresh()
        states = self._split.states
        keys = [key for key in sorted(states) if key > after]
        page = keys[:limit]
        return {
            "experiments": [self._show(states[key], in_force=self._in_force(key)) for key in page],
            "next": page[-1] if len(keys) > limit else None,
        }

    async def experiment(self, key: str) -> Mapping[str, object]:
        """One experiment. Raises as `state`."""
        return self._show(await self.state(key), in_force=self._in_force(key))

    async def state(self, key: str) -> ExperimentState:
        """One experiment as a value.

        Raises NotFound, IllegalChange when it cannot be read, StoreUnavailable when it may have changed since.
        """
        await self._look()
        self._check_fresh()
        return self._state(key)

    async def assignment(self, key: str, user_id: str) -> Mapping[str, object]:
        """The arm an experiment gives a user as it is now, in force or not. Raises as `state`.

        Of the experiment in force it is what this worker goes by, whatever it knows of it.
        """
        await self._look()
        if self._in_force(key):
            return show_assignment(user_id, self._split.assign(user_id), in_force=True)
        self._check_fresh()
        return show_assignment(user_id, Split(self._state(key)).assign(user_id), in_force=False)

    async def events(self, key: str, *, after: int, limit: int) -> Mapping[str, object]:
        """A page of an experiment's log, oldest first. Raises as `state`."""
        await self.state(key)
        found = await self._store.read(read_events(key, after=after, limit=limit + 1))
        page = found[:limit]
        return {
            "events": [show_event(event_from(event.detail)) for event in page],
            "next": page[-1].number if len(found) > limit else None,
        }

    def _check_fresh(self) -> None:
        if not self._split.fresh:
            raise StoreUnavailable("the experiments may have changed since they were read")

    def _in_force(self, key: str) -> bool:
        return key == self._known.in_force()

    def _state(self, key: str) -> ExperimentState:
        if key in self._split.unreadable:
            raise IllegalChange(UNREADABLE)
        state = self._split.states.get(key)
        if state is None:
            raise NotFound("experiment")
        return state

    def _show(self, state: ExperimentState, *, in_force: bool) -> Mapping[str, object]:
        return show_experiment(state, self._findings_of(state), in_force=in_force, market_s=self._market_s())

    async def _give(self, key: str, asked: Asked) -> Mapping[str, object]:
        state, in_force = await self._change(key, lambda _: asked)
        return self._show(state, in_force=in_force)

    async def _change(self, key: str, wanted: Wanted) -> tuple[ExperimentState, bool]:
        # What was written, whatever is known of it here by then.
        changed = await self._write(key, wanted)
        assert changed is not None  # noqa: S101 - a request becomes an event or raises
        await self._look()
        return state_from(changed.document), changed.in_force

    async def _write(self, key: str, wanted: Wanted) -> ExperimentChange | None:
        return await self._store.write(changing(key, wanted, wall_s=self._wall_s, market_s=self._market_s))

    async def _look(self) -> None:
        # So that whoever commanded at one worker sees it at any other; with the store away, what was known last.
        with suppress(StoreUnavailable):
            await self._known.refresh()
        self._split.apply()


def _by_operator(command: Command, said: VersionedRequest | AcceptMissingRequest) -> partial[CommandRequest]:
    return partial(CommandRequest, command=command, by=OPERATOR, reason=said.reason, based_on=said.version)


def _standing(state: ExperimentState) -> tuple[int, Phase, Phase | None]:
    # What ab.rollout.evaluate looks at to stop it.
    return state.run, state.phase, state.paused_from


def _never_begun(state: ExperimentState | None) -> bool:
    return state is not None and state.phase is Phase.DRAFT
