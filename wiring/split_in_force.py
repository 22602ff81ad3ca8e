"""The arm of each user by the experiment in force, as this worker knows it; and the models its arms name."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from ab.assignment import Split, UnknownSplit
from ab.state import ExperimentState
from adapters.store.experiments import KeptExperiment
from trading.errors import StoreRefused
from trading.vocabulary import Assignment
from wiring.experiment_log import state_from

# Known from longer ago it may have been stopped since: then everybody has the rule.
MOST_AGE_S = 5.0
DEFAULT_EXPERIMENT = "default"

log = logging.getLogger("rl_service.experiments")


class KnownExperiments(Protocol):
    """The experiments as this process knows them (see adapters.store.snapshot.SnapshotReader)."""

    experiments_version: int

    def experiments(self) -> Mapping[str, KeptExperiment]:
        """Every experiment by its key, its document the text of experiment_log."""

    def in_force(self) -> str | None:
        """The key of the one that assigns users; None for none."""

    def age_s(self, monotonic_s: float) -> float:
        """Seconds since this was what the store held."""


class SplitInForce:
    """Implements trading.ports.Assigner. `apply` brings it to what is known."""

    def __init__(self, known: KnownExperiments, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._known = known
        self._monotonic_s = monotonic_s
        self._version: int | None = None
        self._states: dict[str, ExperimentState] = {}
        self._unreadable: dict[str, str] = {}
        # Of each experiment the version that was read: to read a thousand takes a worker's time.
        self._read: dict[str, int] = {}
        self._unknown = UnknownSplit(key=DEFAULT_EXPERIMENT)
        self._split: Split | UnknownSplit = self._unknown

    def apply(self) -> None:
        """Split the users as the experiments that are known now say; by one that cannot be read everybody has the rule.

        A worker that ended for it would take all others with it: they read the same.
        """
        version = self._known.experiments_version
        if version == self._version:
            return
        for key, kept in self._known.experiments().items():
            if self._read.get(key) != kept.version:
                self._take(kept)
        state = self.state
        key = self._known.in_force() or DEFAULT_EXPERIMENT
        self._unknown = UnknownSplit(key=key, run=0 if state is None else state.run)
        self._split = self._unknown if state is None else Split(state)
        self._version = version

    def _take(self, kept: KeptExperiment) -> None:
        try:
            self._states[kept.key] = state_from(kept.document)
            self._unreadable.pop(kept.key, None)
        except StoreRefused as error:
            self._states.pop(kept.key, None)
            self._unreadable[kept.key] = str(error)
            log.error("the experiment %s cannot be read: %s", kept.key, error)
        self._read[kept.key] = kept.version

    @property
    def state(self) -> ExperimentState | None:
        """The experiment in force; None for none."""
        return self._states.get(self._known.in_force() or "")

    @property
    def unreadable(self) -> Mapping[str, str]:
        """What is wrong with each experiment that cannot be read, by key: damaged, or of a newer version of ours."""
        return self._unreadable

    @property
    def problem(self) -> str | None:
        """What is wrong with the experiment in force; None when it can be read, or there is none."""
        return self._unreadable.get(self._known.in_force() or "")

    @property
    def states(self) -> Mapping[str, ExperimentState]:
        """All experiments, by key."""
        return self._states

    @property
    def model(self) -> str | None:
        """The model that the policy's arm names: it has to be loaded."""
        return None if self.state is None else self.state.plan.model

    def model_of(self, experiment: str) -> str | None:
        """The model that the policy's arm of an experiment names; None where it leaves that to agents."""
        state = self._states.get(experiment)
        return None if state is None else state.plan.model

    @property
    def fresh(self) -> bool:
        """Whether what is known is new enough to go by."""
        return self._known.age_s(self._monotonic_s()) <= MOST_AGE_S

    def assign(self, user_id: str) -> Assignment:
        """See Assigner."""
        return (self._split if self.fresh else self._unknown).assign(user_id)
