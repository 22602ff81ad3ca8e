"""No more of the error is spent than was allowed, whatever the statistics are, and when is as published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from ab.statistics.spending import allowed, boundary, exceeds, spent, spent_late

STATISTICS = st.integers(1, 40).flatmap(
    lambda draws: st.integers(1, 6).flatmap(
        lambda looks: st.lists(
            st.lists(
                st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0, np.inf]) | st.floats(0.0, 9.0), min_size=looks, max_size=looks
            ),
            min_size=draws,
            max_size=draws,
        )
    )
)


@given(st.floats(0.001, 0.4), st.floats(0.01, 1.0))
def test_spending_is_the_formula_of_lan_and_demets(alpha: float, fraction: float) -> None:
    expected = 2.0 * norm.sf(norm.isf(alpha / 2.0) / np.sqrt(fraction))
    assert spent(alpha, fraction) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_all_is_spent_at_the_end_and_nothing_at_the_start() -> None:
    assert spent(0.05, 1.0) == pytest.approx(0.05)
    assert spent(0.05, 0.0) == 0.0
    assert allowed(0.05, 30, 30, 10_000)[-1] == 500
    assert allowed(0.05, 30, 30, 10_000)[0] == 0


@given(st.floats(0.001, 0.4), st.floats(0.0, 1.0))
def test_late_spending_is_a_power_of_the_fraction_and_all_at_the_end(alpha: float, fraction: float) -> None:
    assert spent_late(alpha, fraction) == pytest.approx(alpha * fraction**4, rel=1e-9, abs=1e-300)
    assert spent_late(alpha, 1.0) == alpha
    assert allowed(alpha, 30, 30, 10_000, spent_late)[-1] == allowed(alpha, 30, 30, 10_000)[-1]


def test_the_boundary_of_normal_walks_is_the_published_one() -> None:
    # Five equal looks at 5 %, each side spending half of it for itself, as R's ldbounds does: Reboussin, DeMets, Kim &
    # Lan, Controlled Clinical Trials 21 (2000) 190. (Ours spends both sides' error as one.)
    walks = np.random.default_rng(5).standard_normal((400_000, 5)).cumsum(axis=1) ** 2 / np.arange(1, 6)
    allowance = [round(2.0 * spent(0.025, look / 5) * 400_000) for look in range(1, 6)]
    found = np.sqrt(boundary(walks, allowance).critical)
    assert found[1:] == pytest.approx([3.3569, 2.6803, 2.2898, 2.0310], rel=0.015)


@given(STATISTICS, st.floats(0.01, 0.45))
def test_never_more_are_rejected_than_allowed_and_a_tie_is_never_split(rows: list[list[float]], alpha: float) -> None:
    statistics = np.array(rows)
    draws, looks = statistics.shape
    allowance = allowed(alpha, looks, looks, draws)
    found = boundary(statistics, allowance)
    for look in range(looks):
        by_now = (found.rejected_at >= 0) & (found.rejected_at <= look)
        assert by_now.sum() <= allowance[look]
        free = (found.rejected_at < 0) | (found.rejected_at > look)
        now = found.rejected_at == look
        if now.any() and free.any():
            assert statistics[now, look].min() > statistics[free, look].max()


@given(STATISTICS, st.randoms(use_true_random=False))
def test_every_row_is_judged_alike(rows: list[list[float]], chance: object) -> None:
    statistics = np.array(rows)
    draws, looks = statistics.shape
    allowance = allowed(0.3, looks, looks, draws)
    order = np.arange(draws)
    chance.shuffle(order)  # type: ignore[attr-defined]
    assert boundary(statistics[order], allowance).rejected_at.tolist() == (
        boundary(statistics, allowance).rejected_at[order].tolist()
    )


def test_who_was_rejected_once_stays_rejected_and_makes_no_room() -> None:
    statistics = np.array([[9.0, 0.0], [1.0, 8.0], [2.0, 7.0], [0.0, 6.0]])
    found = boundary(statistics, [1, 2])
    assert found.rejected_at.tolist() == [0, 1, -1, -1]
    assert exceeds(statistics[:, 1], float(found.critical[1])).tolist() == [False, True, False, False]


@given(STATISTICS, st.integers(0, 6))
def test_looks_taken_in_parts_have_the_boundary_of_all(rows: list[list[float]], first: int) -> None:
    statistics = np.array(rows)
    draws, looks = statistics.shape
    allowance = allowed(0.3, looks, looks, draws)
    earlier = boundary(statistics[:, :first], allowance[:first])
    later = boundary(statistics[:, first:], allowance[first:], earlier)
    whole = boundary(statistics, allowance)
    assert [*earlier.critical, *later.critical] == whole.critical.tolist()
    assert later.rejected_at.tolist() == whole.rejected_at.tolist()
    assert later.taken == looks
