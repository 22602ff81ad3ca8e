"""The page of an experiment: every section, always there, in one HTML text that needs nothing but itself."""

from ab.report.calibration_chart import calibration_chart
from ab.report.effect_chart import drawn_looks, effect_chart
from ab.report.line_charts import money_chart, share_chart
from ab.report.markup import Markup, foreign, join, tag
from ab.report.method import method
from ab.report.style import STYLE
from ab.report.tables import (
    event_table,
    guard_table,
    look_table,
    money_table,
    ratio_table,
    reliability_table,
    serving_table,
    stage_table,
)
from ab.report.values import Report
from ab.report.verdict import verdict
from ab.report.wording import ACCOUNTS, moment

# The page loads and runs nothing, and should a text get past the escaping it still could not.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: Report) -> str:
    """The page as HTML that is well-formed XML as well; all that others wrote is escaped."""
    sections = {
        "Verdict": verdict(report),
        "Effect": _effect(report),
        "Money per arm": _money(report),
        "Stages and events": _stages(report),
        "Sample ratio": _ratio(report),
        "Guardrails": _guardrails(report),
        "Serving": serving_table(report.serving, report.findings.money),
        "Calibration": _calibration(report),
        "How it was computed": method(report),
    }
    body = [_section(title, content) for title, content in sections.items()]
    return f"<!DOCTYPE html>\n{tag('html', _head(report), tag('body', _top(report), tag('main', *body)), lang='en')}\n"


def _head(report: Report) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"Experiment {report.state.plan.key}"),
        tag("style", STYLE),
    )


def _top(report: Report) -> Markup:
    asked = "Does the policy earn more than the rule it may replace?"
    seen = f"Market time {moment(report.findings.at_s)} UTC. Market: "
    return tag(
        "header",
        tag("h1", "Experiment ", foreign(report.state.plan.key)),
        tag("p", f"{asked} {seen}", foreign(report.market.source), "."),
    )


def _section(title: str, content: Markup) -> Markup:
    key = title.lower().replace(" ", "-")
    return tag("section", tag("h2", title, id=key), content, aria_labelledby=key)


def _figure(chart: Markup, caption: str) -> Markup:
    return tag("figure", chart, tag("figcaption", caption))


def _absent(text: str) -> Markup:
    return tag("p", text, class_="absent")


def _effect(report: Report) -> Markup:
    primary, margin = report.findings.primary, report.state.plan.analysis.margin_bps
    if not primary.looks:
        return _absent("No look has been taken yet.")
    caption = (
        "Dots are the effect at each look, bars its interval; a filled dot is significant. A filled arrow: the "
        "interval goes on beyond the chart; a hollow arrow: it has no end there. The margin is how much worse the "
        "policy may be and still count as not worse; an arrow beside it: it lies below the chart."
    )
    drawn = len(drawn_looks(primary))
    if drawn < len(primary.looks):
        caption += f" There is room for {drawn} of {len(primary.looks):,} looks, evenly apart."
    return join(_figure(effect_chart(primary, margin), caption), look_table(primary.looks))


def _money(report: Report) -> Markup:
    source = report.state.plan.analysis.source
    caption = (
        f"Mean over the users of each arm as assigned, {ACCOUNTS[source]}; a gap is a day that is not known. Dollars "
        "grow with the number of users of an arm: compare basis points (bps)."
    )
    days = report.money_days
    chart = _figure(money_chart(days), caption) if days else _absent("No market day is over yet.")
    return join(chart, money_table(report.findings.money, source))


def _stages(report: Report) -> Markup:
    state = report.state
    chart = (
        _figure(share_chart(state.steps, report.findings.at_s), f"Run {state.run} of the experiment.")
        if state.steps
        else _absent("The experiment has not been started.")
    )
    events = event_table(report.events) if report.events else _absent("No event is known.")
    return join(chart, stage_table(state.plan, state), events)


def _ratio(report: Report) -> Markup:
    ratio = report.findings.ratio
    if ratio.mismatch:
        said = tag("strong", "Users do not fall into the arms as the propensities say.", class_="bad")
    elif ratio.p_value is None:
        said = join("No user has been compared yet.")
    else:
        said = join("Nothing says that users fall into the arms otherwise than planned.")
    return join(tag("p", said), ratio_table(ratio))


def _guardrails(report: Report) -> Markup:
    guardrails = report.state.plan.guardrails
    if not guardrails:
        return _absent("The plan has no guardrails.")
    return guard_table(report.findings.guards, guardrails)


def _calibration(report: Report) -> Markup:
    marked = [one for one in report.calibration if one.bins]
    if not marked:
        return _absent("No decision with a confidence has been marked yet.")
    caption = (
        "A dot for each range of confidence, with its number of decisions; on the diagonal a model is right as often "
        "as it says."
    )
    return join(
        *(
            join(
                tag("h3", foreign(one.model), ", version ", foreign(one.version)),
                _figure(calibration_chart(f"calibration-{index}", one), caption),
                reliability_table(one),
            )
            for index, one in enumerate(marked)
        )
    )
