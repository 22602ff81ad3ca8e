"""Walk-forward folds by time: train on the past, purge the border, test on what follows."""

from dataclasses import dataclass
from itertools import pairwise

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Bars opened in [train_start_s, train_end_s) train, those in [test_start_s, test_end_s) test; Unix seconds."""

    number: int
    train_start_s: int
    train_end_s: int
    test_start_s: int
    test_end_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPlan:
    """How a range of time is cut.

    `first_train_share` of it precedes the first test; `purge_s` is left out before each. The purge is as long as the
    horizon of an outcome plus the warm-up, so that nothing a test decision sees or is judged by overlaps what the
    network was fitted on.
    """

    folds: int
    first_train_share: float
    purge_s: int


def cut(plan: FoldPlan, start_s: int, end_s: int) -> tuple[Fold, ...]:
    """Folds with a growing training range and tests of equal length that follow each other up to `end_s`.

    Tests begin at midnight UTC. Raises ValueError when the purge leaves nothing to train on, or a test would be empty.
    """
    first_test_s = start_s + round((end_s - start_s) * plan.first_train_share)
    starts = [first_test_s + (end_s - first_test_s) * number // plan.folds for number in range(plan.folds)]
    borders = [start // DAY_S * DAY_S for start in starts] + [end_s]
    if borders[0] - plan.purge_s <= start_s or any(start >= end for start, end in pairwise(borders)):
        raise ValueError(f"{(end_s - start_s) / DAY_S:.1f} days are too few for {plan.folds} folds with this purge")
    return tuple(
        Fold(
            number=number + 1,
            train_start_s=start_s,
            train_end_s=borders[number] - plan.purge_s,
            test_start_s=borders[number],
            test_end_s=borders[number + 1],
        )
        for number in range(plan.folds)
    )
