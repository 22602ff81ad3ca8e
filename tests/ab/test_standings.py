"""Models beside each other: each has the days of its own answers, whether it was right, and how often it answered."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.account import Costs, Marking
from ab.hits import Subject
from ab.outcomes import DAY_S, Allotment, OutcomeState
from ab.standings import Answered, Comparison, Run, compare, judge
from trading.vocabulary import Arm

HOUR_S = 3600.0
PPO = Subject(model="ppo", version="1", arm=Arm.RL)
A2C = Subject(model="a2c", version="1", arm=Arm.RL)
RULE = Subject(model="rule", version="1", arm=Arm.FALLBACK)
NOBODY = Subject(model="none", version="1", arm=Arm.HOLD)


class Hourly:
    """Keeps Prices: `prices` by the hour since 0, the last of them known at `complete_s`."""

    def __init__(self, prices: Mapping[int, float], complete_s: float = math.inf) -> None:
        self._prices = prices
        self._complete_s = complete_s

    def close_at(self, symbol: str, market_s: float) -> float | None:
        return self._prices.get(int(market_s // HOUR_S))

    def complete_to_s(self, symbol: str) -> float:
        return self._complete_s


def answered(by: Subject, hour: float, *, target: float = 1.0, price: float = 100.0, **more: object) -> Answered:
    made = Answered(
        decision_id=f"{hour}",
        user_id="amy",
        symbol="BTC",
        market_at_s=hour * HOUR_S,
        price=price,
        position=0.0,
        target=target,
        assigned=by.arm,
        by=by,
        confidence=None,
        failed=False,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def marked_by(prices: Hourly | None, *, until_h: float, fee_bps: float = 0.0) -> Marking:
    return Marking(
        costs=Costs(fee_bps=fee_bps, spread_bps=0.0),
        dead_band=0.0,
        prices=prices or Hourly(dict.fromkeys(range(1000), 100.0)),
        allotment_of=lambda _: Allotment(symbols=1, capital_usd=None),
        until_s=until_h * HOUR_S,
    )


def compared(
    answers: Sequence[Answered],
    *,
    until_h: float = 72,
    prices: Hourly | None = None,
    horizon_h: float = 1,
    end_h: float | None = None,
    fee_bps: float = 0.0,
) -> Comparison:
    marking = marked_by(prices, until_h=until_h, fee_bps=fee_bps)
    end_s = None if end_h is None else end_h * HOUR_S
    return compare([Run(answered=answers, end_s=end_s)], marking, horizon_s=lambda _: horizon_h * HOUR_S)


def nets(found: Comparison, subject: Subject) -> dict[int, float | None]:
    return {unit.day: unit.net_bps for unit in found.models[subject].days}


def test_without_answers_there_are_arms_that_say_nothing() -> None:
    found = compared([])
    assert found.models == {}
    assert {arm: one.decisions for arm, one in found.arms.items()} == {Arm.RL: 0, Arm.FALLBACK: 0}


def test_what_one_left_open_is_no_profit_of_the_next() -> None:
    # 100 until noon of the first day, then 110, from midnight on 121.
    prices = Hourly({hour: 100.0 if hour < 12 else 110.0 if hour < 24 else 121.0 for hour in range(73)})
    found = compared([answered(PPO, 1), answered(A2C, 13, price=110.0)], prices=prices)
    assert nets(found, PPO) == {0: pytest.approx(1000.0)}
    assert nets(found, A2C) == {0: pytest.approx(1000.0), 1: 0.0, 2: 0.0, 3: 0.0}
    # The arm held on.
    assert next(unit.net_bps for unit in found.arms[Arm.RL].days) == pytest.approx(1000.0 + 1000.0)


def test_days_on_which_another_was_in_charge_do_not_count_for_either() -> None:
    found = compared([answered(PPO, 1), answered(A2C, 25), answered(PPO, 49)])
    assert set(nets(found, PPO)) == {0, 1, 2, 3}
    assert set(nets(found, A2C)) == {1, 2}
    found = compared([answered(PPO, 1), answered(A2C, 2)])
    assert set(nets(found, PPO)) == {0}
    assert set(nets(found, A2C)) == {0, 1, 2, 3}


def test_handing_over_costs_what_closing_costs() -> None:
    found = compared([answered(PPO, 1), answered(RULE, 2)], fee_bps=10.0)
    assert nets(found, PPO)[0] == pytest.approx(-20.0)
    assert nets(found, RULE)[0] == pytest.approx(-10.0)


def test_an_answer_to_keep_what_is_held_sells_nothing_whatever_position_it_was_told() -> None:
    prices = Hourly({hour: 100.0 if hour < 3 else 110.0 for hour in range(73)})
    kept = answered(PPO, 2, target=None, position=0.0)
    found = compared([answered(PPO, 1), kept], prices=prices, horizon_h=2)
    assert nets(found, PPO)[0] == pytest.approx(1000.0)
    # It is judged as what it was told is held: flat, of which nobody says whether it was right.
    assert found.models[PPO].hits.judged == 1
    found = compared([answered(PPO, 1), replace(kept, position=1.0)], prices=prices, horizon_h=2)
    assert found.models[PPO].hits.judged == 2


def test_a_run_that_is_over_leaves_nothing_open() -> None:
    prices = Hourly({hour: 100.0 if hour < 2 else 150.0 if hour < 30 else 1.0 for hour in range(73)})
    found = compared([answered(PPO, 1)], prices=prices, end_h=3)
    assert nets(found, PPO) == {0: pytest.approx(5000.0)}
    assert [unit.state for unit in found.models[PPO].days] == [OutcomeState.KNOWN]
    # The last decision of all is over with it.
    assert nets(compared([answered(PPO, 1)], prices=prices, end_h=1), PPO) == {0: 0.0}


def test_what_nobody_answered_changes_nothing_but_how_often_that_was() -> None:
    alone = compared([answered(PPO, 1), answered(PPO, 3)])
    hold = answered(NOBODY, 2, assigned=Arm.RL, failed=True)
    found = compared([answered(PPO, 1), hold, answered(PPO, 3)])
    assert NOBODY not in found.models
    assert found.models[PPO].days == alone.models[PPO].days
    served = found.models[PPO].served
    assert (served.exposures, served.as_assigned, served.failed) == (3, 2, 1)


def test_a_failure_is_that_of_the_policy_before_it_or_else_after_it() -> None:
    def instead(hour: float) -> Answered:
        return answered(RULE, hour, assigned=Arm.RL, failed=True)

    found = compared([instead(1), answered(PPO, 2), instead(3), answered(A2C, 4), instead(5), instead(6)])
    assert [(served.exposures, served.failed) for served in (found.models[by].served for by in (PPO, A2C))] == [
        (3, 2),
        (3, 2),
    ]
    arm = found.arms[Arm.RL].served
    assert (arm.exposures, arm.as_assigned, arm.failed) == (6, 2, 4)
    assert found.models[RULE].served.exposures == 0
    assert found.models[RULE].decisions == 4


def test_who_answers_for_an_open_position_has_not_failed_and_neither_has_the_other() -> None:
    found = compared([answered(PPO, 1), answered(RULE, 2, assigned=Arm.RL)])
    served = found.models[PPO].served
    assert (served.exposures, served.as_assigned, served.failed) == (2, 1, 0)


@pytest.mark.parametrize(("later", "earned"), [(101.0, 1), (99.0, 0), (100.1, 0)])
def test_a_decision_is_right_when_its_target_nets_more_than_it_costs(later: float, earned: int) -> None:
    prices = Hourly({1: 100.0, 5: later} | dict.fromkeys((24, 48, 72), 100.0))
    found = compared([answered(PPO, 1, confidence=0.7)], prices=prices, horizon_h=4, fee_bps=20.0)
    hits = found.models[PPO].hits
    assert (hits.judged, hits.earned, list(hits.confidences)) == (1, earned, [0.7])


@pytest.mark.parametrize(("complete_h", "until_h", "judged"), [(4.9, 72, 0), (5, 72, 1), (72, 4.9, 0), (72, 5, 1)])
def test_nobody_can_say_whether_it_was_right_before_the_bar_of_its_horizon_is_in(
    complete_h: float, until_h: float, judged: int
) -> None:
    prices = Hourly(dict.fromkeys(range(73), 101.0), complete_s=complete_h * HOUR_S)
    found = compared([answered(PPO, 1)], prices=prices, horizon_h=4, until_h=until_h)
    assert found.models[PPO].hits.judged == judged


def test_an_arm_has_what_all_its_models_foretold() -> None:
    found = compared([answered(PPO, 1, confidence=0.2), answered(A2C, 2, confidence=0.4, target=-1.0)])
    hits = found.arms[Arm.RL].hits
    assert (hits.judged, hits.earned, list(hits.confidences), list(hits.events)) == (2, 0, [0.2, 0.4], [0, 0])
    assert found.arms[Arm.FALLBACK].hits.judged == 0


def test_what_comes_after_the_end_is_left_out() -> None:
    assert compared([answered(PPO, 1), answered(PPO, 30)], until_h=29).models[PPO].decisions == 1


def test_whether_models_were_right_is_the_same_without_their_accounts() -> None:
    prices = Hourly({hour: 100.0 + hour % 3 for hour in range(10)})
    by = [PPO, A2C, RULE, NOBODY]
    answers = [answered(by[hour % 4], hour, price=100.0 + hour % 3, confidence=hour / 10) for hour in range(10)]
    # The last answers are after the time until which is marked.
    found = judge(answers, marked_by(prices, until_h=7), horizon_s=lambda _: HOUR_S)
    models = compared(answers, prices=prices, until_h=7).models
    assert found == {subject: one.hits for subject, one in models.items()}
    assert sum(one.judged for one in found.values()) > 3


WHO = st.sampled_from([PPO, A2C, RULE, NOBODY])
ANSWERS = st.lists(
    st.tuples(
        WHO,
        st.sampled_from([-1.0, 0.0, 0.5, 1.0]),
        st.floats(90.0, 110.0),
        st.sampled_from([Arm.RL, Arm.FALLBACK]),
        st.booleans(),
    ),
    max_size=60,
)


@given(answers=ANSWERS, end=st.booleans())
def test_no_answer_and_no_profit_is_lost_or_counted_twice(
    answers: list[tuple[Subject, float, float, Arm, bool]], end: bool
) -> None:
    prices = Hourly(
        {hour: price for hour, (_, _, price, _, _) in enumerate(answers, 1)}
        | dict.fromkeys(range(len(answers) + 1, 100), 100.0)
        | {0: 100.0}
    )
    made = [
        answered(by, hour, target=target, price=price, assigned=arm, failed=failed)
        for hour, (by, target, price, arm, failed) in enumerate(answers, 1)
    ]
    # Without costs what the accounts earn together is what one account over all answers earns.
    found = compared(made, prices=prices, end_h=len(made) if end else None)
    alone = [one if one.by is NOBODY else replace(one, by=PPO) for one in made]
    whole = compared(alone, prices=prices, end_h=len(made) if end else None)
    assert sum(one.decisions for one in found.models.values()) == sum(one.by is not NOBODY for one in made)
    for parts in (found.models, found.arms):
        earned = math.fsum(unit.net_bps or 0.0 for one in parts.values() for unit in one.days)
        assert earned == pytest.approx(math.fsum(unit.net_bps or 0.0 for unit in whole.arms[Arm.RL].days), abs=1e-6)
    assert sum(one.served.exposures for one in found.arms.values()) == len(made)
    for arm, one in found.arms.items():
        models = [each.served for subject, each in found.models.items() if subject.arm is arm]
        assert sum(served.exposures for served in models) in (one.served.exposures, 0)
        assert one.served.as_assigned + one.served.failed <= one.served.exposures


def test_a_day_that_is_not_over_is_late() -> None:
    (unit,) = compared([answered(PPO, 1)], until_h=5).models[PPO].days
    assert (unit.day, unit.state) == (0, OutcomeState.LATE)
    assert DAY_S == 24 * HOUR_S
