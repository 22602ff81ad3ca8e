"""A test never overlaps what its network was trained on, nor the purge before it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_models.training.folds import DAY_S, FoldPlan, cut

START_S = 18_000 * DAY_S


@given(folds=st.integers(1, 8), days=st.integers(200, 2000), purge_days=st.integers(0, 40))
def test_every_fold_trains_on_the_past_and_leaves_out_the_purge(folds: int, days: int, purge_days: int) -> None:
    plan = FoldPlan(folds=folds, first_train_share=0.4, purge_s=purge_days * DAY_S)
    end_s = START_S + days * DAY_S
    cuts = cut(plan, START_S, end_s)
    assert len(cuts) == folds
    assert all(fold.test_start_s - fold.train_end_s == plan.purge_s for fold in cuts)
    assert all(fold.train_start_s == START_S < fold.train_end_s for fold in cuts)
    assert [fold.test_start_s for fold in cuts[1:]] == [fold.test_end_s for fold in cuts[:-1]]
    assert cuts[-1].test_end_s == end_s


def test_tests_begin_at_midnight() -> None:
    cuts = cut(FoldPlan(folds=3, first_train_share=0.4, purge_s=0), START_S + 1234, START_S + 100 * DAY_S)
    assert [fold.test_start_s % DAY_S for fold in cuts] == [0, 0, 0]


def test_a_purge_longer_than_the_first_training_range_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        cut(FoldPlan(folds=4, first_train_share=0.4, purge_s=40 * DAY_S), START_S, START_S + 100 * DAY_S)
