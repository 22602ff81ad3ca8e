"""Days that are missing in one arm only are told from days that are missing by chance."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from ab.outcomes import OutcomeRow, OutcomeState
from ab.statistics.missing import LEVEL, missing_shares
from trading.vocabulary import Arm

KNOWN, LATE, MISSING = OutcomeState.KNOWN, OutcomeState.LATE, OutcomeState.MISSING


def rows(policy: list[float], rule: list[float], days: int = 20) -> Iterator[OutcomeRow]:
    """Users of whose days such shares are missing."""
    for arm, shares in ((Arm.RL, policy), (Arm.FALLBACK, rule)):
        for number, share in enumerate(shares):
            for day in range(days):
                state = MISSING if day < round(share * days) else KNOWN
                yield OutcomeRow(
                    user_id=f"{arm}{number}", arm=arm, day=day, net_bps=1.0 if state is KNOWN else None, state=state
                )


@pytest.mark.parametrize(("policy", "rule"), [(1, 1), (2, 1), (1, 4), (3, 3), (4, 5), (7, 7), (50, 50)])
@pytest.mark.parametrize("silent", [Arm.RL, Arm.FALLBACK])
def test_an_arm_that_never_tells_differs_from_one_that_always_does_however_few_the_users(
    policy: int, rule: int, silent: Arm
) -> None:
    of_policy, of_rule = (1.0, 0.0) if silent is Arm.RL else (0.0, 1.0)
    found = missing_shares(rows([of_policy] * policy, [of_rule] * rule), seed="s")
    assert found is not None
    assert (found.policy, found.rule, found.differs) == (of_policy, of_rule, True)


@pytest.mark.parametrize(("policy", "rule"), [(1, 1), (1, 4), (50, 50)])
def test_where_all_is_known_nothing_differs_however_few_the_users(policy: int, rule: int) -> None:
    found = missing_shares(rows([0.0] * policy, [0.0] * rule), seed="s")
    assert found is not None
    assert (found.policy, found.rule, found.p_value, found.differs) == (0.0, 0.0, 1.0, False)


def test_losses_that_are_kept_silent_are_found() -> None:
    chance = np.random.default_rng(1)
    silent = [float(share) for share in (chance.normal(-10.0, 100.0, (50, 30)) < -60.0).mean(axis=1)]
    found = missing_shares(rows(silent, [0.0] * 50, days=30), seed="s")
    assert found is not None
    assert found.differs
    assert found.policy == pytest.approx(np.mean(silent))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("users", [1, 4, 40])
def test_arms_of_which_the_same_is_missing_do_not_differ(share: float, users: int) -> None:
    found = missing_shares(rows([share] * users, [share] * users), seed="s")
    assert found is not None
    assert (found.p_value, found.differs) == (1.0, False)


def test_p_is_that_of_all_assignments() -> None:
    shares = [0.5, 0.1, 0.7, 0.05, 0.0, 0.2, 0.1]
    found = missing_shares(rows(shares[:3], shares[3:]), seed="s")

    def difference(arms: tuple[int, ...]) -> float:
        parts = [[share for share, arm in zip(shares, arms, strict=True) if arm == which] for which in (0, 1)]
        return abs(float(np.mean(parts[0]) - np.mean(parts[1]))) if all(parts) else 0.0

    observed = difference((1, 1, 1, 0, 0, 0, 0))
    exact = np.mean([difference(arms) >= observed - 1e-12 for arms in product((0, 1), repeat=7)])
    assert found is not None
    assert found.p_value == pytest.approx(exact)


def test_what_is_missing_by_chance_differs_no_more_often_than_the_level() -> None:
    chance = np.random.default_rng(3)
    runs = 300
    found = [
        missing_shares(rows(*(list(chance.binomial(20, 0.1, 12) / 20.0) for _ in range(2))), seed=str(run))
        for run in range(runs)
    ]
    assert sum(one is not None and one.differs for one in found) / runs <= LEVEL + 3.0 * (LEVEL / runs) ** 0.5


def test_days_that_are_late_are_not_missing_yet() -> None:
    late = [OutcomeRow(user_id="a", arm=Arm.RL, day=99, net_bps=None, state=LATE)]
    found = missing_shares([*rows([0.0] * 9, [0.0] * 9), *late], seed="s")
    assert found is not None
    assert not found.differs
    assert missing_shares([*rows([], [0.0] * 9), *late], seed="s") is None
