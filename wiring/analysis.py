"""What an experiment has shown: the findings that the evidence of a run allows, and the money of its arms by day."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from ab.assignment import LARGEST_COMPARED_SHARE, salt_in_run
from ab.commands import stage_since_s
from ab.guardrails import read_guardrails
from ab.metrics import ARMS, arm_money, in_usd
from ab.outcomes import DAY_S, OutcomeRow, OutcomeState, UnitDay, all_known, day_of, outcome_rows
from ab.report.values import MoneyDay
from ab.results import GOOD_ENOUGH, ArmMoney, Conclusion, Findings, Primary
from ab.running import counting
from ab.state import ExperimentState, Phase, is_promoted
from ab.statistics.missing import missing_shares
from ab.statistics.primary import judge
from ab.statistics.sample_ratio import sample_ratio
from ab.statistics.units import ROUNDING_S, LookTime, Units, look_times, units_from
from ab.statistics.verdict import conclude
from adapters.store.exposures import FirstExposure
from trading.vocabulary import Arm
from wiring.evidence import Evidence, began_s, date_of

_ENDED = (Phase.ROLLED_BACK, Phase.KILLED, Phase.PROMOTED)
# Where the rule answered more often than the policy, what the arms earned says little of the policy.
LEAST_AS_SERVED = 0.5


def find(evidence: Evidence) -> Findings:
    """The findings. Raises ValueError for a profit that is no finite number."""
    state = evidence.question.state
    rows, money = counted_rows(evidence), _money(evidence)
    return Findings(
        at_s=evidence.question.at_s,
        primary=_as_far_as_served(_as_far_as_told(_primary(state, rows, evidence.question.at_s), rows, state), money),
        ratio=sample_ratio((_propensity_of_policy(one), one.arm is Arm.RL) for one in evidence.arrivals),
        money=money,
        guards=read_guardrails(state.plan.guardrails, _guarded(evidence), evidence.operations),
        units_in_stage=_units_in_stage(state, rows),
        complete=all_known(rows, until_s=evidence.until_s, accepted_through=state.missing_accepted_through),
    )


def counted_rows(evidence: Evidence) -> list[OutcomeRow]:
    """The users' days that count: the experiment ran all day, at no lower a share than when the user came."""
    counts = counting(evidence.question.state.steps)
    entered_s = {one.user_id: one.market_s for one in evidence.arrivals}
    return [row for row in outcome_rows(evidence.days, evidence.entries) if counts(entered_s[row.user_id], row.day)]


def compared_until_s(state: ExperimentState) -> float:
    """The market time at which this run's comparison ended: everybody got one arm, or more than half the policy.

    Infinite while it goes on.
    """
    beyond = (step.since_s for step in state.steps if step.share > LARGEST_COMPARED_SHARE)
    ended = state.steps[-1].since_s if (state.phase in _ENDED or is_promoted(state)) and state.steps else float("inf")
    return min(next(beyond, float("inf")), ended)


def units_and_looks(state: ExperimentState, rows: Sequence[OutcomeRow], at_s: float) -> tuple[Units, list[LookTime]]:
    """What the primary test takes at a market time: the users' days, and the looks that are due and can be taken.

    `rows` are those that count. A look waits for outcomes that are late; the days that are missing for good are left
    out of it.
    """
    since_s = began_s(state)
    if since_s is None:
        return units_from((), 0), []
    first_day = day_of(since_s)
    end_s = min(at_s, compared_until_s(state))
    due = look_times(since_s, end_s, state.plan.analysis)
    late = min((row.day for row in rows if row.state is OutcomeState.LATE), default=None)
    looks = [look for look in due if late is None or first_day + look.days <= late]
    return units_from((row for row in rows if row.day >= first_day), first_day), looks


def seed_of(state: ExperimentState) -> str:
    """What fixes the coins of the primary test over all looks of this run."""
    return salt_in_run(state.plan, state.run)


def money_days(evidence: Evidence) -> tuple[MoneyDay, ...]:
    """Where the arms stood at the end of each day that was over, oldest first.

    The mean of an arm adds up its mean daily profits; user-days that are not known are left out.
    """
    first, today = min((unit.day for unit in evidence.days), default=0), day_of(evidence.until_s)
    every = range(first, today) if evidence.days else range(0)
    paths = {arm: _path(_of_arm(evidence, arm), every) for arm in ARMS}
    return tuple(
        MoneyDay(
            day=date_of(day),
            net_bps={arm: path[place][0] for arm, path in paths.items()},
            net_usd={arm: path[place][1] for arm, path in paths.items()},
        )
        for place, day in enumerate(every)
    )


def _path(days: Sequence[UnitDay], every: Iterable[int]) -> list[tuple[float | None, float | None]]:
    known: dict[int, list[UnitDay]] = defaultdict(list)
    for unit in days:
        if unit.state is OutcomeState.KNOWN:
            known[unit.day].append(unit)
    path: list[tuple[float | None, float | None]] = []
    mean_bps, sum_usd, told = 0.0, 0.0, True
    for day in every:
        units = known.get(day, [])
        mean_bps += fmean(unit.net_bps or 0.0 for unit in units) if units else 0.0
        amounts = [in_usd(unit.net_bps, unit.capital_usd) for unit in units]
        sum_usd += sum(amount or 0.0 for amount in amounts)
        told = told and None not in amounts
        path.append((mean_bps if units else None, sum_usd if units and told else None))
    return path


def _of_arm(evidence: Evidence, arm: Arm) -> list[UnitDay]:
    return [unit for unit in evidence.days if evidence.entries[unit.user_id].arm is arm]


def _money(evidence: Evidence) -> dict[Arm, ArmMoney]:
    if not evidence.arrivals:
        return {}
    return {arm: arm_money(arm, _of_arm(evidence, arm), evidence.served[arm]) for arm in ARMS}


def _guarded(evidence: Evidence) -> ArmMoney | None:
    days = evidence.policy_days
    return arm_money(Arm.RL, days, evidence.served[Arm.RL]) if days else None


def _primary(state: ExperimentState, rows: Sequence[OutcomeRow], at_s: float) -> Primary:
    analysis = state.plan.analysis
    units, looks = units_and_looks(state, rows, at_s)
    if looks:
        return judge(units, analysis, looks, seed=seed_of(state))
    conclusion, reason = conclude((), analysis)
    return Primary(looks=(), planned_looks=analysis.looks, conclusion=conclusion, reason=reason)


def _as_far_as_told(primary: Primary, rows: Sequence[OutcomeRow], state: ExperimentState) -> Primary:
    since_s = began_s(state)
    if primary.conclusion not in GOOD_ENOUGH or since_s is None:
        return primary
    # Also those that were accepted as missing: accepting them makes nothing known.
    until_s = primary.looks[-1].at_s + ROUNDING_S
    looked_at = (row for row in rows if day_of(since_s) <= row.day < day_of(until_s))
    shares = missing_shares(looked_at, seed=f"{seed_of(state)} missing")
    if shares is not None and not shares.differs:
        return primary
    told = "One of the arms has no user-day"
    if shares is not None:
        told = (
            f"Of a user's days a share of {shares.policy:.2g} is missing with the policy and of {shares.rule:.2g} with "
            f"the rule (p {shares.p_value:.2g})"
        )
    why = f"{told}: what is known may be the better days of one arm, and nothing good is said. {primary.reason}"
    return replace(primary, conclusion=Conclusion.UNDECIDED, reason=why)


def _as_far_as_served(primary: Primary, money: Mapping[Arm, ArmMoney]) -> Primary:
    as_served = money[Arm.RL].as_served if Arm.RL in money else None
    if primary.conclusion not in GOOD_ENOUGH or (as_served is not None and as_served >= LEAST_AS_SERVED):
        return primary
    share = "not known" if as_served is None else f"{as_served:.2g}"
    why = (
        f"Of the decisions for the policy's users the policy answered a share of {share}; before anything good is "
        f"said of it that has to be {LEAST_AS_SERVED:g}. {primary.reason}"
    )
    return replace(primary, conclusion=Conclusion.UNDECIDED, reason=why)


def _propensity_of_policy(one: FirstExposure) -> float:
    # What is logged is that of the arm which was given.
    return one.propensity if one.arm is Arm.RL else 1.0 - one.propensity


def _units_in_stage(state: ExperimentState, rows: Sequence[OutcomeRow]) -> int:
    since_s = stage_since_s(state)
    if since_s is None:
        return 0
    # Only days that were wholly in it.
    whole = [row.arm for row in rows if row.state is OutcomeState.KNOWN and row.day * DAY_S >= since_s]
    return min(whole.count(arm) for arm in ARMS)
