"""What the looks so far allow to be said, and why, in words."""

from collections.abc import Sequence
from math import ceil

from ab.attainable import least_p
from ab.plan import Analysis
from ab.results import Conclusion, Look

FEWEST_IN_AN_ARM = 2


def conclude(looks: Sequence[Look], analysis: Analysis) -> tuple[Conclusion, str]:
    """The conclusion after these looks (oldest first) and its reason.

    "Worse" stays for the run. "Better" is said while the latest look is significant: what a policy once earned, it may
    have lost since. "Not worse" holds while the lower end of the latest interval is above the margin that was allowed:
    the same tests against that loss, one-sided at half the level.
    """
    if not looks:
        return Conclusion.UNDECIDED, f"No look has been taken yet; {analysis.looks} are planned."
    latest, significant = looks[-1], [look for look in looks if look.significant]
    worse = next((look for look in significant if (look.effect_bps or 0.0) < 0.0), None)
    if worse is not None:
        return Conclusion.WORSE, _significant(looks[: worse.number], analysis)
    if latest.significant:
        return Conclusion.BETTER, _significant(looks, analysis)
    never = _never(latest, analysis)
    if never is not None:
        return Conclusion.CANNOT_CONCLUDE, never
    over = latest.number >= analysis.looks
    obstacle = _obstacle(latest, analysis)
    if over and obstacle is not None:
        return Conclusion.CANNOT_CONCLUDE, obstacle
    if significant:
        why = _fallen(significant[0], latest)
    elif latest.low_bps is not None and latest.low_bps > -analysis.margin_bps:
        return Conclusion.NOT_WORSE, _not_worse(latest, analysis)
    else:
        why = _open(looks, analysis) if obstacle is None else obstacle
    if over:
        return Conclusion.INCONCLUSIVE, f"All {analysis.looks} looks are taken. {why}"
    return Conclusion.UNDECIDED, f"Look {latest.number} of {analysis.looks}. {why}"


def _never(look: Look, analysis: Analysis) -> str | None:
    # Days come with the looks that are left, no more of them; draws never do.
    days = look.days + ceil((analysis.looks - look.number) * analysis.look_days)
    if least_p(days) > analysis.alpha:
        return _too_few(f"{days} days at the last look", least_p(days), analysis)
    of_draws = look.smallest_p or 0.0
    if of_draws > max(analysis.alpha, least_p(look.users_rl + look.users_control), least_p(look.days)):
        return _too_few("so few draws", of_draws, analysis)
    return None


def _obstacle(look: Look, analysis: Analysis) -> str | None:
    # Users, and differences between them, may come with the looks that are left.
    users = look.users_rl + look.users_control
    if min(look.users_rl, look.users_control) < FEWEST_IN_AN_ARM:
        return (
            f"{look.users_rl} users of the policy and {look.users_control} of the rule have outcomes; "
            f"the test needs at least {FEWEST_IN_AN_ARM} in each."
        )
    if look.smallest_p is None:
        return "All users earned the same so far, so there is nothing to compare."
    if least_p(users) > analysis.alpha:
        return _too_few(f"{users} users", least_p(users), analysis)
    if look.number >= analysis.looks and 0.0 in (look.level, look.level_days):
        return "The outcomes are so alike that chance could give any result too often: none could be significant."
    return None


def _too_few(what: str, smallest_p: float, analysis: Analysis) -> str:
    return (
        f"With {what} no result can have a p-value below {smallest_p:.2g}, and only {analysis.alpha:.2g} may be spent "
        "over all looks."
    )


def _by_users(looks: Sequence[Look]) -> Look | None:
    return next((look for look in reversed(looks) if within(look.p_value, look.level)), None)


def _by_days(looks: Sequence[Look]) -> Look | None:
    return next((look for look in reversed(looks) if within(look.p_value_days, look.level_days)), None)


def within(p_value: float | None, level: float | None) -> bool:
    """True where a test rejects; without a p-value there is none."""
    return p_value is not None and level is not None and p_value <= level


def _significant(looks: Sequence[Look], analysis: Analysis) -> str:
    effect_bps = looks[-1].effect_bps or 0.0
    word = "more" if effect_bps > 0.0 else "less"
    users, days = _by_users(looks) or looks[-1], _by_days(looks) or looks[-1]
    return (
        f"At look {looks[-1].number} of {analysis.looks} the policy earned {abs(effect_bps):.2f} bps a day {word} than "
        f"the rule, and that is no accident of who was assigned (p {users.p_value:.2g} at look {users.number}, where "
        f"at most {users.level:.2g} was needed) nor of the days (p {days.p_value_days:.2g} over {days.days} days, "
        f"where at most {days.level_days:.2g} was needed)."
    )


def _fallen(found: Look, latest: Look) -> str:
    if latest.low_bps is None and latest.effect_bps is not None:
        return (
            f"The policy was found better at look {found.number}; how much its effect may be, {latest.effect_bps:.2f} "
            "bps a day now, cannot be told at this look: nothing good is said of it."
        )
    effect = "one that is not known" if latest.effect_bps is None else f"{latest.effect_bps:.2f} bps a day"
    return (
        f"The policy was found better at look {found.number}, and its effect has since fallen back to {effect}, "
        f"{_interval(latest)}: nothing good is said of it."
    )


def _not_worse(look: Look, analysis: Analysis) -> str:
    return (
        f"Look {look.number} of {analysis.looks}. The policy earns at most {-(look.low_bps or 0.0):.2f} bps a day less "
        f"than the rule, and a loss below {analysis.margin_bps:g} bps was allowed; that it earns more is not shown."
    )


def _open(looks: Sequence[Look], analysis: Analysis) -> str:
    look, users, days = looks[-1], _by_users(looks), _by_days(looks)
    between = f"The policy's effect is {_interval(look)}"
    if users is not None and days is not None:
        same = "not with the same sign, or no longer so"
        return f"By users and by days no accident, but {same}: nothing is concluded. {between}."
    if users is not None:
        return f"{_only_users(users, look)} {between}."
    if days is not None:
        return (
            f"No accident of the days (p {days.p_value_days:.2g}), but of who was assigned it may be one "
            f"(p {_chance(look.p_value)}). {between}."
        )
    if 0.0 in (look.level, look.level_days):
        return "So early no result can be significant."
    return f"{between}: neither a difference nor a loss below {analysis.margin_bps:g} bps is shown."


def _interval(look: Look) -> str:
    low = "minus infinity" if look.low_bps is None else f"{look.low_bps:.2f}"
    high = "infinity" if look.high_bps is None else f"{look.high_bps:.2f}"
    return f"between {low} and {high} bps a day"


def _only_users(users: Look, latest: Look) -> str:
    assigned = f"No accident of who was assigned (p {users.p_value:.2g})"
    if latest.p_value_days is None:
        return f"{assigned}, but on no day did the arms differ."
    return (
        f"{assigned}, but all users met the same {latest.days} days, and over such days a difference like this is an "
        f"accident of the market with p {latest.p_value_days:.2g}."
    )


def _chance(p_value: float | None) -> str:
    return "not known" if p_value is None else f"{p_value:.2g}"
