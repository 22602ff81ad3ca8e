"""The A/A check on the log: how often the test sees a difference when logged users are given arms that mean nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from ab.plan import Analysis
from ab.statistics.primary import sequential_test
from ab.statistics.rerandomisation import coins
from ab.statistics.units import LookTime, Units

RUNS = 400
DRAWS = 499
# Chance alone goes further than this once in 740 checks.
STANDARD_ERRORS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AaCheck:
    """`significant` of `runs` gave a difference that cannot be; up to `most` of them the level and chance allow."""

    runs: int
    significant: int
    most: float

    @property
    def passed(self) -> bool:
        """False: the test finds differences too often on outcomes like these."""
        return self.significant <= self.most


def aa_check(
    units: Units, analysis: Analysis, looks: Sequence[LookTime], *, seed: str, runs: int = RUNS, draws: int = DRAWS
) -> AaCheck:
    """Toss new arms for the logged users `runs` (>= 1) times and take all planned looks each time.

    It says that the pipeline keeps its level on outcomes with these tails and gaps. With no effect on anybody the arms
    as they were would do; where there is one, both new arms have half of it.
    """
    significant = 0
    for run in range(runs):
        arms = np.array([coins(f"{seed}:{run}:arm", user, 1)[0] for user in units.users], dtype=np.bool_)
        test = sequential_test(replace(units, treated=arms), analysis, looks, seed=f"{seed}:{run}", draws=draws)
        significant += test.rejected_at is not None
    error = sqrt(analysis.alpha * (1.0 - analysis.alpha) / runs)
    most = (analysis.alpha + STANDARD_ERRORS * error) * runs
    return AaCheck(runs=runs, significant=significant, most=most)
