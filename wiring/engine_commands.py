"""What the engine has to do with an experiment, done however often others command it meanwhile."""

import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from ab.state import Command, ExperimentState
from trading.errors import RequestError, StaleVersion

MOST_WORDS = 500
# So often at once it is decided anew because the run or its phase was changed just before it was done.
MOST_TRIES = 3

log = logging.getLogger("rl_service.experiments")


class InForce(Protocol):
    """The experiments as this worker knows them, brought up to date: see wiring.experiments.Experiments."""

    async def look(self) -> ExperimentState | None:
        """The experiment in force, as it is now; None for none. Raises StoreUnavailable."""

    async def act(self, state: ExperimentState, command: Command, *, reason: str, least_market_s: float | None) -> None:
        """Do what the engine says, no earlier than at `least_market_s`. Raises IllegalChange, StoreUnavailable.

        Raises StaleVersion where the version is another one; for a pause, a rollback or a kill only where the run or
        the phase is.
        """


class Due(NamedTuple):
    """A command that the engine is to give, and why, in a sentence.

    `least_market_s` is the market time (Unix seconds) up to which the run is on record, where the market's clock is
    behind it; None: the clock says when.
    """

    command: Command
    reason: str
    least_market_s: float | None = None


async def give(
    experiments: InForce, state: ExperimentState | None, due: Callable[[ExperimentState], Due | None]
) -> ExperimentState | None:
    """Give what is `due` in a state; the state on which it was given, None where nothing was. Raises StoreUnavailable.

    What was changed before it is looked at, and it is decided anew at once, in the same run only: to wait for a tick,
    and for an evaluation, would let whoever commands more often put off a stop.
    """
    run = None if state is None else (state.plan.key, state.run)
    for _ in range(MOST_TRIES):
        if state is None or (state.plan.key, state.run) != run or (given := due(state)) is None:
            return None
        try:
            reason, least_market_s = given.reason[:MOST_WORDS], given.least_market_s
            await experiments.act(state, given.command, reason=reason, least_market_s=least_market_s)
        except StaleVersion as error:
            log.info("%s was changed meanwhile: %s", state.plan.key, error)
            state = await experiments.look()
        except RequestError as error:
            log.info("%s takes no %s: %s", state.plan.key, given.command, error)
            return None
        else:
            log.warning("%s: %s. %s", state.plan.key, given.command, given.reason)
            return state
    return None
