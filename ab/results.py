"""What an experiment has shown, as values: for the engine that acts on it and the page that shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ab.plan import Guard
from trading.vocabulary import Arm


class Conclusion(StrEnum):
    """What may be said of the policy's effect now, at the level fixed before the start.

    worse stays for the run, the others are of the latest look. undecided: further looks may tell; inconclusive: there
    are none left; cannot_conclude: no result of this test could be significant with so few users, days or draws, no
    look that is left can change it, and `reason` says which.
    """

    BETTER = "better"
    WORSE = "worse"
    NOT_WORSE = "not_worse"
    UNDECIDED = "undecided"
    INCONCLUSIVE = "inconclusive"
    CANNOT_CONCLUDE = "cannot_conclude"


# What has to be known before users meet the policy with whom nobody is compared.
GOOD_ENOUGH = (Conclusion.BETTER, Conclusion.NOT_WORSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The primary tests at one planned look, at the market time `at_s` (Unix seconds).

    `users_rl` and `users_control` were compared, over `days` (>= 0) on which both arms had a known profit. `effect_bps`
    is the difference of the arms' mean daily profit, basis points of allotted capital, with the wider of both tests'
    intervals (each end None when it is unbounded in either). `p_value` is that of the test over users at this look
    alone: is the difference an accident of who was assigned? `level` is what it had to be at most to be rejected here.
    `p_value_days` and `level_days` are the same of the test over days: is it an accident of these days?
    `smallest_p` is the least that both tests can give with so many users and days. All None when the statistic does
    not exist. `significant`: both tests have rejected, by this look and since the effect last changed its sign, with
    that sign, and where it is a gain the lower end is above the margin; or the policy was found worse before, and the
    effect is still a loss.
    """

    number: int
    at_s: float
    users_rl: int
    users_control: int
    effect_bps: float | None
    low_bps: float | None
    high_bps: float | None
    p_value: float | None
    level: float | None
    days: int
    p_value_days: float | None
    level_days: float | None
    smallest_p: float | None
    significant: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """The primary result over the looks so far; `reason` says in words why the conclusion is what it is."""

    looks: tuple[Look, ...]
    planned_looks: int
    conclusion: Conclusion
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRatio:
    """The sequential test that users fell into the arms as the logged propensities say.

    `expected_rl` is how many of these users they expect in the policy's arm: a number of users, not a share. `p_value`
    holds at all times together; None without a user. `mismatch`: it is below the level of the test.
    """

    users_rl: int
    users_control: int
    expected_rl: float
    p_value: float | None
    mismatch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmMoney:
    """What one arm did, as assigned (intention to treat), over all its user-days.

    `net_bps` and `fees_bps` are means a user-day, of allotted capital; `net_usd` and `fees_usd` sums. `drawdown_bps` is
    the deepest fall of the arm's mean cumulative profit, `tail_loss_bps` the mean of the worst twentieth of user-days,
    both >= 0; `worst_day_bps` the loss of the arm's worst day, `turnover` traded value over capital a user-day.
    `missing` user-days count in none of these; the day in progress only in drawdown and worst day, as far as it is
    told. Of `users`, `users_traded` had a day with a turnover; None where the source tells none. `as_served` is the
    share of exposures that the assigned arm answered. None: nothing to compute it from.
    """

    arm: Arm
    users: int
    users_traded: int | None
    user_days: int
    missing: int
    net_bps: float | None
    net_usd: float | None
    fees_bps: float | None
    fees_usd: float | None
    drawdown_bps: float | None
    worst_day_bps: float | None
    tail_loss_bps: float | None
    turnover: float | None
    as_served: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReading:
    """One guardrail now: `value` in the unit of its guard, None when it cannot be told; `units` user-days behind it."""

    guard: Guard
    value: float | None
    limit: float
    units: int
    broken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that is known of an experiment at the market time `at_s` (Unix seconds).

    `units_in_stage` are user-days an arm (the smaller one) since the stage began. `complete` False: outcomes that are
    due are late, or missing and not accepted as such, and nothing may be concluded from their absence.
    """

    at_s: float
    primary: Primary
    ratio: SampleRatio
    money: Mapping[Arm, ArmMoney]
    guards: tuple[GuardReading, ...]
    units_in_stage: int
    complete: bool
