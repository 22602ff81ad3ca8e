"""The tables of the page."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ab.plan import Guardrail, OutcomeSource, Plan
from ab.report.markup import Markup, foreign, tag
from ab.report.values import Reliability, Serving
from ab.report.wording import (
    ACCOUNTS,
    ARMS,
    CANNOT_BE_TOLD,
    GUARDS,
    NOT_KNOWN,
    RESPONSES,
    chance,
    dollars,
    finite,
    guard_value,
    moment,
    number,
    percent,
)
from ab.results import ArmMoney, GuardReading, Look, SampleRatio
from ab.state import Event, ExperimentState
from trading.vocabulary import Arm

# A page is read, a log is asked for: the events and looks before these are at the API.
SHOWN_EVENTS = SHOWN_LOOKS = 100
# An end of an interval that does not exist.
NO_END = "no end"

_Of = TypeVar("_Of")

MONEY: dict[str, Callable[[ArmMoney], str]] = {
    "Users": lambda money: number(money.users, 0),
    "Users who traded": lambda money: number(money.users_traded, 0),
    "User-days with an outcome": lambda money: number(money.user_days, 0),
    "User-days missing": lambda money: number(money.missing, 0),
    "Net profit a user-day, bps of capital": lambda money: number(money.net_bps, signed=True),
    "Net profit in all, USD": lambda money: dollars(money.net_usd),
    "Fees a user-day, bps of capital": lambda money: number(money.fees_bps),
    "Fees in all, USD": lambda money: dollars(money.fees_usd).lstrip("+"),
    "Drawdown, bps of capital": lambda money: number(money.drawdown_bps),
    "Loss on the worst day, bps of capital": lambda money: number(money.worst_day_bps),
    "Mean loss of the worst twentieth of user-days, bps of capital": lambda money: number(money.tail_loss_bps),
    "Turnover a user-day, times capital": lambda money: number(money.turnover, 2),
}

SERVING: dict[str, Callable[[Serving], str]] = {
    "Decisions": lambda serving: number(serving.decisions, 0),
    "Latency since this deployment began, median, ms": lambda serving: number(serving.latency_p50_ms),
    "Latency since this deployment began, 99th percentile, ms": lambda serving: number(serving.latency_p99_ms),
    "Fallback rate (failures only)": lambda serving: percent(serving.fallback_rate),
}


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], class_: str = "numbers") -> Markup:
    """Columns with a heading each; the first cell of a row names it. `class_` numbers aligns the others right."""
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    body = [tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows]
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), class_=class_)
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _time(at_s: float) -> Markup:
    return tag("time", moment(at_s))


def look_table(looks: Sequence[Look]) -> Markup:
    """The last looks with what each found and what it needed."""
    by_users, by_days = ("p by users", "Needed by users"), ("p by days", "Needed by days")
    columns = (
        "Look",
        "Market time, UTC",
        "Users",
        "Days",
        "Effect",
        "From",
        "To",
        *by_users,
        *by_days,
        "Least p",
        "Significant",
    )
    rows = [
        (
            str(look.number),
            _time(look.at_s),
            f"{look.users_rl:,} + {look.users_control:,}",
            f"{look.days:,}",
            number(look.effect_bps, signed=True),
            *_ends(look),
            chance(look.p_value),
            chance(look.level),
            chance(look.p_value_days),
            chance(look.level_days),
            chance(look.smallest_p),
            "yes" if look.significant else "no",
        )
        for look in looks[-SHOWN_LOOKS:]
    ]
    return table(
        f"Looks, {len(rows)} of {len(looks):,} (users of the policy + of the rule; days with both; effect with both "
        "ends of its interval, bps of capital a day)",
        columns,
        rows,
        "numbers dense",
    )


def _ends(look: Look) -> tuple[str, str]:
    if finite(look.effect_bps) is None:
        return NOT_KNOWN, NOT_KNOWN
    low, high = (NO_END if finite(end) is None else number(end, signed=True) for end in (look.low_bps, look.high_bps))
    return low, high


def money_table(money: Mapping[Arm, ArmMoney], source: OutcomeSource) -> Markup:
    """What each arm did by the source of the plan, one measure a row."""
    rows = [(name, *(_of(money.get(arm), show) for arm in ARMS)) for name, show in MONEY.items()]
    caption = f"Money per arm, as assigned, over all user-days of the compared users, {ACCOUNTS[source]}"
    return table(caption, ("Measure", *ARMS.values()), rows)


def serving_table(serving: Mapping[Arm, Serving], money: Mapping[Arm, ArmMoney]) -> Markup:
    """How each arm was served, with the share of exposures that the assigned arm answered."""
    rows = [(name, *(_of(serving.get(arm), show) for arm in ARMS)) for name, show in SERVING.items()]
    as_served = tuple(_of(money.get(arm), lambda one: percent(one.as_served)) for arm in ARMS)
    return table("Serving per arm", ("Measure", *ARMS.values()), [*rows, ("Answered by the assigned arm", *as_served)])


def _of(value: _Of | None, show: Callable[[_Of], str]) -> str:
    return NOT_KNOWN if value is None else show(value)


def guard_table(readings: Sequence[GuardReading], guardrails: Sequence[Guardrail]) -> Markup:
    """Each guardrail of the plan now; one that was not read cannot be told."""
    read = {reading.guard: reading for reading in readings}
    rows = [_guard_row(guardrail, read.get(guardrail.guard)) for guardrail in guardrails]
    columns = ("Guardrail", "Unit", "Now", "Limit", "Above it the engine", "User-days", "Needed", "State")
    return table(
        "Guardrails, of everybody whom the policy was to serve, compared or not; losses, turnover and fees by the "
        "as-if account",
        columns,
        rows,
    )


def _guard_row(guardrail: Guardrail, reading: GuardReading | None) -> Sequence[str]:
    name, unit = GUARDS[guardrail.guard]
    units = "0" if reading is None else number(reading.units, 0)
    return (
        name,
        unit,
        guard_value(guardrail.guard, None if reading is None else reading.value),
        guard_value(guardrail.guard, guardrail.limit),
        RESPONSES[guardrail.response],
        units,
        number(guardrail.min_units, 0),
        _guard_state(guardrail, reading),
    )


def _guard_state(guardrail: Guardrail, reading: GuardReading | None) -> Markup:
    if reading is not None and reading.broken:
        return tag("strong", "broken", class_="bad")
    if reading is None or finite(reading.value) is None:
        return tag("em", CANNOT_BE_TOLD)
    if reading.units < guardrail.min_units:
        return tag("em", "not judged yet")
    return tag("span", "within its limit")


def ratio_table(ratio: SampleRatio) -> Markup:
    """The users of each arm against what the propensities expect."""
    users = ratio.users_rl + ratio.users_control
    rows = [
        ("Users of the policy", number(ratio.users_rl, 0)),
        ("Users of the rule", number(ratio.users_control, 0)),
        ("Users of the policy that the propensities expect", number(ratio.expected_rl if users else None)),
        ("p-value, valid at all times together", chance(ratio.p_value)),
    ]
    return table("Users of each arm", ("Measure", "Value"), rows)


def stage_table(plan: Plan, state: ExperimentState) -> Markup:
    """The ramp that was planned, with the stage in force."""
    rows = [
        (
            f"{index + 1} (now)" if index == state.stage and state.share > 0 else str(index + 1),
            percent(stage.share),
            number(stage.min_days),
            number(stage.min_units, 0),
            "an operator's" if stage.approval else "none",
            "none" if stage.max_notional_usd is None else number(stage.max_notional_usd, 0),
        )
        for index, stage in enumerate(plan.stages)
    ]
    columns = ("Stage", "Users", "Least days", "Least user-days an arm", "Approval", "Cap on an order, USD")
    return table("Stages planned", columns, rows)


def event_table(events: Sequence[Event]) -> Markup:
    """The last events, newest first; who is overridden stays in the log, a page travels further than it."""
    rows = [
        (
            str(event.number),
            event.command.value,
            _time(event.at_s),
            _time(event.market_s),
            foreign(event.by),
            _change(event),
            tag("em", "none given") if event.reason is None else foreign(event.reason),
        )
        for event in reversed(events[-SHOWN_EVENTS:])
    ]
    columns = ("Event", "Command", "Time, UTC", "Market time, UTC", "By", "Change", "Why")
    return table(f"Events, newest first ({len(rows)} of {len(events)})", columns, rows, "words")


def _change(event: Event) -> str:
    changes = []
    if event.enabled is not None:
        changes.append("enabled" if event.enabled else "disabled")
    if event.share is not None:
        changes.append(f"share {percent(event.share)}")
    if event.user_id is not None:
        changes.append("one user: by the hash" if event.arm is None else f"one user: {event.arm.value}")
    return ", ".join(changes)


def reliability_table(reliability: Reliability) -> Markup:
    """The figures behind one reliability diagram."""
    rows = [
        (
            f"{percent(one.low)} to {percent(one.high)}",
            percent(one.confidence),
            percent(one.earned),
            number(one.decisions, 0),
        )
        for one in reliability.bins
    ]
    return table("Reliability", ("Confidence", "Mean", "Earned", "Decisions"), rows)
