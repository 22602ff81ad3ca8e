"""Same user, same arm; the ramp only adds; both arms equal at each stage."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.assignment import Experiment, bucket
from trading.vocabulary import Arm, AssignmentReason

USERS = [f"user{number}" for number in range(20_000)]


def experiment(share: float, *, enabled: bool = True) -> Experiment:
    return Experiment(key="default", salt="test-salt", enabled=enabled, rl_share=share)


def test_the_published_hash_vectors_hold(shared: Path) -> None:
    cases = json.loads((shared / "golden/ab/growthbook_sdk_cases.json").read_text())["hash"]
    version_two = [(seed, value, expected) for seed, value, version, expected in cases if version == 2]
    assert len(version_two) >= 5
    for seed, value, expected in version_two:
        assert bucket(seed, value) == expected


@given(st.text(max_size=64), st.text(max_size=64))
def test_a_bucket_is_in_the_unit_interval(salt: str, user: str) -> None:
    assert 0.0 <= bucket(salt, user) < 1.0


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.5])
def test_both_compared_arms_have_the_share(share: float) -> None:
    given_arms = [experiment(share).assign(user) for user in USERS]
    treated = sum(a.arm is Arm.RL for a in given_arms)
    control = sum(a.arm is Arm.FALLBACK and a.reason is AssignmentReason.HASH for a in given_arms)
    margin = 4 * (share * (1 - share) * len(USERS)) ** 0.5
    assert abs(treated - share * len(USERS)) < margin
    assert abs(control - share * len(USERS)) < margin


@pytest.mark.parametrize(("smaller", "larger"), [(0.0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.8), (0.8, 1.0)])
def test_a_larger_share_only_adds_users_to_the_policy(smaller: float, larger: float) -> None:
    before = {user for user in USERS if experiment(smaller).assign(user).arm is Arm.RL}
    after = {user for user in USERS if experiment(larger).assign(user).arm is Arm.RL}
    assert before < after


@pytest.mark.parametrize("percent", range(1, 51))
def test_treated_and_control_have_equally_many_buckets(percent: int) -> None:
    by_bucket = {round(bucket("test-salt", user) * 10_000): user for user in map(str, range(120_000))}
    assert len(by_bucket) == 10_000
    given_arms = [experiment(percent / 100).assign(user) for user in by_bucket.values()]
    assert sum(a.arm is Arm.RL for a in given_arms) == percent * 100
    assert sum(a.arm is Arm.FALLBACK and a.reason is AssignmentReason.HASH for a in given_arms) == percent * 100


def test_disabled_gives_everybody_the_fallback() -> None:
    given_arms = [experiment(1.0, enabled=False).assign(user) for user in USERS[:500]]
    assert {(a.arm, a.reason, a.stage) for a in given_arms} == {(Arm.FALLBACK, AssignmentReason.DISABLED, "off")}


def test_above_one_half_nobody_is_compared() -> None:
    reasons = {a.reason for a in map(experiment(0.7).assign, USERS) if a.arm is Arm.FALLBACK}
    assert reasons == {AssignmentReason.OUTSIDE}


@pytest.mark.parametrize(
    ("share", "stage"), [(0.0, "off"), (0.1, "ramp"), (0.5, "ramp"), (0.51, "rollout"), (1.0, "promoted")]
)
def test_the_stage_follows_the_share(share: float, stage: str) -> None:
    assert experiment(share).stage == stage


def test_a_share_outside_the_unit_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="rl_share"):
        experiment(1.01)
