"""Same user, same arm; the ramp only adds; both arms equal at each stage; what goes before the hash."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab.assignment import BUCKETS, Split, UnknownSplit, bucket, buckets_below, salt_in_run, stage_of
from ab.state import Command, ExperimentState, Override, Phase
from tests.fakes.experiments import after, plan, request, running, stage
from trading.vocabulary import Arm, AssignmentReason

USERS = [f"user{number}" for number in range(100_000)]
FEW = USERS[:500]
SHARES = [0.0, 0.01, 0.05, 0.1, 0.25, 0.333, 0.5, 0.51, 0.8, 0.99, 1.0]
# One user for each bucket of the plan's salt.
BY_BUCKET = {round(bucket("test-salt", user) * BUCKETS): user for user in map(str, range(120_000))}


def arms(state: ExperimentState, users: list[str] = USERS) -> tuple[set[str], set[str]]:
    """The users of the policy, and those they are compared with."""
    return arms_of_all([state], users)[0]


def arms_of_all(states: list[ExperimentState], users: list[str] = USERS) -> list[tuple[set[str], set[str]]]:
    """The same for many states, user by user: each one's bucket is found once."""
    splits = [(Split(state), set[str](), set[str]()) for state in states]
    for user in users:
        for split, treated, control in splits:
            answer = split.assign(user)
            if answer.arm is Arm.RL:
                treated.add(user)
            elif answer.reason is AssignmentReason.HASH:
                control.add(user)
    return [(treated, control) for _, treated, control in splits]


@pytest.fixture(scope="module")
def by_share() -> dict[float, tuple[set[str], set[str]]]:
    """The arms of 100,000 users at every share."""
    return dict(zip(SHARES, arms_of_all([running(share) for share in SHARES]), strict=True))


def reasons(state: ExperimentState) -> set[tuple[Arm, AssignmentReason]]:
    return {(answer.arm, answer.reason) for answer in map(Split(state).assign, FEW)}


def test_the_published_hash_vectors_hold(shared: Path) -> None:
    cases = json.loads((shared / "golden/ab/growthbook_sdk_cases.json").read_text())["hash"]
    version_two = [(seed, value, expected) for seed, value, version, expected in cases if version == 2]
    assert len(version_two) >= 5
    for seed, value, expected in version_two:
        assert bucket(seed, value) == expected


def test_the_published_ranges_of_two_equal_arms_hold(shared: Path) -> None:
    cases = json.loads((shared / "golden/ab/growthbook_sdk_cases.json").read_text())["getBucketRange"]
    halves = [(coverage, ranges) for _, (count, coverage, weights), ranges in cases if count == 2 and weights is None]
    within = [(coverage, ranges) for coverage, ranges in halves if 0 <= coverage <= 1]
    assert len(within) == 3
    for coverage, ranges in within:
        # Their coverage is of each variation's half; our share is of all users.
        treated, control = arms(running(coverage / 2), list(BY_BUCKET.values()))
        for users, (low, high) in zip((treated, control), ranges, strict=True):
            expected = {user for number, user in BY_BUCKET.items() if low <= number / BUCKETS < high}
            assert users == expected


@given(st.text(max_size=64), st.text(max_size=64))
def test_a_bucket_is_in_the_unit_interval(salt: str, user: str) -> None:
    assert 0.0 <= bucket(salt, user) < 1.0


@pytest.mark.parametrize("share", SHARES)
def test_both_compared_arms_have_the_share(by_share: dict[float, tuple[set[str], set[str]]], share: float) -> None:
    treated, control = by_share[share]
    margin = 4 * (share * (1 - share) * len(USERS)) ** 0.5
    assert abs(len(treated) - share * len(USERS)) <= margin
    assert share > 0.5 or abs(len(control) - share * len(USERS)) <= margin


@pytest.mark.parametrize(("smaller", "larger"), list(itertools.combinations(SHARES, 2)))
def test_a_larger_share_only_adds_users_to_both_arms(
    by_share: dict[float, tuple[set[str], set[str]]], smaller: float, larger: float
) -> None:
    assert by_share[smaller][0] < by_share[larger][0]
    assert larger > 0.5 or by_share[smaller][1] < by_share[larger][1]


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_of_any_two_shares_the_larger_has_all_users_of_the_smaller(one: float, other: float) -> None:
    smaller, larger = (arms(running(share), FEW) for share in sorted((one, other)))
    assert smaller[0] <= larger[0]
    assert max(one, other) > 0.5 or smaller[1] <= larger[1]


@pytest.mark.parametrize("percent", range(1, 51))
def test_treated_and_control_have_equally_many_buckets(percent: int) -> None:
    assert len(BY_BUCKET) == BUCKETS
    treated, control = arms(running(percent / 100), list(BY_BUCKET.values()))
    assert (len(treated), len(control)) == (percent * 100, percent * 100)


def test_two_salts_split_the_users_independently() -> None:
    salts = ("test-salt", "other-salt", "test-salt#2", "test-salt:holdout")
    tenths = {salt: [int(bucket(salt, user) * 10) for user in USERS] for salt in salts}
    for one, other in itertools.combinations(salts, 2):
        cells = dict.fromkeys(itertools.product(range(10), repeat=2), 0)
        for pair in zip(tenths[one], tenths[other], strict=True):
            cells[pair] += 1
        expected = len(USERS) / len(cells)
        statistic = sum((count - expected) ** 2 / expected for count in cells.values())
        # Pearson's, against 100 cells as likely as each other: 99 degrees of freedom, deviation sqrt(2 * 99).
        assert statistic < 99 + 4 * (2 * 99) ** 0.5


def test_a_new_run_splits_the_users_anew() -> None:
    first = after(Command.START)
    second = after(Command.START, Command.ROLLBACK, Command.START)
    assert [salt_in_run(plan(), run) for run in (0, 1, 2, 3)] == ["test-salt"] * 2 + ["test-salt#2", "test-salt#3"]
    users = USERS[:20_000]
    in_both = arms(first, users)[0] & arms(second, users)[0]
    assert abs(len(in_both) - 0.01 * len(users)) < 4 * (0.01 * 0.99 * len(users)) ** 0.5
    assert {answer.run for answer in map(Split(second).assign, FEW)} == {2}


def test_who_is_compared_has_a_propensity_of_one_half_and_nobody_else_has_one() -> None:
    for answer in map(Split(running(0.2)).assign, FEW):
        compared = answer.reason is AssignmentReason.HASH
        assert answer.propensity == (0.5 if compared else None)


def test_above_one_half_nobody_is_compared() -> None:
    answers = set(map(Split(running(0.7)).assign, FEW))
    assert {(answer.arm, answer.reason, answer.propensity) for answer in answers} == {
        (Arm.RL, AssignmentReason.HASH, None),
        (Arm.FALLBACK, AssignmentReason.OUTSIDE, None),
    }


OVERRIDES = (Override(user_id=FEW[0], arm=Arm.RL), Override(user_id=FEW[1], arm=Arm.FALLBACK))


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (Phase.KILLED, AssignmentReason.KILLED),
        (Phase.ROLLED_BACK, AssignmentReason.ROLLED_BACK),
        (Phase.DRAFT, AssignmentReason.DISABLED),
    ],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_what_has_ended_or_not_begun_gives_everybody_the_rule(
    phase: Phase, reason: AssignmentReason, *, enabled: bool
) -> None:
    state = replace(running(1.0, holdout_share=0.5), phase=phase, enabled=enabled, overrides=OVERRIDES)
    assert reasons(state) == {(Arm.FALLBACK, reason)}
    assert stage_of(state) == "off"


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PAUSED, Phase.PROMOTED])
def test_disabled_gives_everybody_the_fallback(phase: Phase) -> None:
    state = replace(running(1.0, holdout_share=0.5), phase=phase, enabled=False, overrides=OVERRIDES)
    assert reasons(state) == {(Arm.FALLBACK, AssignmentReason.DISABLED)}
    assert stage_of(state) == "off"


def test_an_override_goes_before_holdout_and_hash() -> None:
    for phase in (Phase.RUNNING, Phase.PROMOTED):
        split = Split(replace(running(0.5, holdout_share=0.5), phase=phase, overrides=OVERRIDES))
        answers = [split.assign(override.user_id) for override in OVERRIDES]
        assert [(answer.arm, answer.reason) for answer in answers] == [
            (Arm.RL, AssignmentReason.OVERRIDE),
            (Arm.FALLBACK, AssignmentReason.OVERRIDE),
        ]
        assert {answer.propensity for answer in answers} == {None}


def test_a_pause_goes_before_an_override_to_the_policy_but_not_to_the_rule() -> None:
    split = Split(replace(running(0.5, holdout_share=0.5), phase=Phase.PAUSED, overrides=OVERRIDES))
    answers = [split.assign(override.user_id) for override in OVERRIDES]
    assert [(answer.arm, answer.reason) for answer in answers] == [
        (Arm.FALLBACK, AssignmentReason.PAUSED),
        (Arm.FALLBACK, AssignmentReason.OVERRIDE),
    ]


def test_the_holdout_goes_before_pause_and_hash_and_is_the_same_in_every_run() -> None:
    users = USERS[:2_000]
    held_out = {user for user in users if bucket("test-salt:holdout", user) < 0.2}
    begun = running(1.0, holdout_share=0.2)
    for state in (
        begun,
        replace(begun, phase=Phase.PAUSED),
        replace(begun, phase=Phase.PROMOTED),
        replace(begun, run=7),
    ):
        answers = dict(zip(users, map(Split(state).assign, users), strict=True))
        out = {user for user, answer in answers.items() if answer.reason is AssignmentReason.HOLDOUT}
        assert out == held_out
        assert {answers[user].arm for user in out} == {Arm.FALLBACK}


def test_a_pause_gives_everybody_the_rule() -> None:
    state = after(Command.START, Command.PAUSE)
    assert reasons(state) == {(Arm.FALLBACK, AssignmentReason.PAUSED)}
    assert stage_of(state) == "off"


def test_promoted_gives_everybody_the_policy() -> None:
    state = after(Command.START, Command.PROMOTE)
    assert reasons(state) == {(Arm.RL, AssignmentReason.HASH)}
    assert stage_of(state) == "promoted"


CAPPED = plan(model="trend:3", holdout_share=0.1, stages=(stage(0.2, max_notional_usd=200.0),))


@pytest.mark.parametrize("commands", [(Command.START,), (Command.START, Command.PAUSE)])
def test_everybody_has_the_policys_model_and_cap_as_an_open_position_may_need_it(commands: tuple[Command, ...]) -> None:
    answers = [Split(after(*commands, of=CAPPED)).assign(user) for user in FEW]
    assert {(answer.model, answer.max_notional_usd) for answer in answers} == {("trend:3", 200.0)}
    assert Arm.FALLBACK in {answer.arm for answer in answers}


@pytest.mark.parametrize("commands", [(), (Command.PAUSE,), (Command.PAUSE, Command.RESUME)])
def test_a_promotion_ends_the_cap_of_the_stage_and_keeps_the_model(commands: tuple[Command, ...]) -> None:
    split = Split(after(Command.START, Command.PROMOTE, *commands, of=CAPPED))
    assert {(answer.model, answer.max_notional_usd) for answer in map(split.assign, FEW)} == {("trend:3", None)}


def test_an_assignment_names_the_experiment_and_the_version_of_its_log() -> None:
    state = after(Command.START, request(Command.OVERRIDE, user_id="x", arm=Arm.RL), of=plan(key="other"))
    assert {(answer.experiment, answer.version, answer.run) for answer in map(Split(state).assign, FEW)} == {
        ("other", 3, 1)
    }


def test_what_is_not_known_gives_everybody_the_rule() -> None:
    unknown = UnknownSplit(key="default").assign("user123")
    assert (unknown.experiment, unknown.arm, unknown.reason) == ("default", Arm.FALLBACK, AssignmentReason.UNKNOWN)
    assert (unknown.version, unknown.run, unknown.stage, unknown.propensity) == (0, 0, "off", None)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, "off"), (0.1, "ramp"), (0.5, "ramp"), (0.51, "rollout"), (1.0, "promoted")]
)
def test_the_stage_follows_the_share(share: float, expected: str) -> None:
    assert stage_of(running(share)) == expected
    assert {answer.stage for answer in map(Split(running(share)).assign, FEW)} == {expected}


@given(st.integers(0, BUCKETS))
def test_a_share_of_whole_buckets_takes_exactly_these(count: int) -> None:
    assert buckets_below(count / BUCKETS) == count
