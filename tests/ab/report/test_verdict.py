"""The head of the page: what is known, at which level, what it waits for, and what stands against believing it."""

from dataclasses import replace

import pytest

from ab.report.markup import join
from ab.report.values import Report
from ab.report.verdict import sentence, verdict, warnings
from ab.results import Conclusion
from tests.fakes.reports import EMPTY, FINDINGS, RUNNING

CALM = replace(
    RUNNING,
    findings=replace(
        FINDINGS, complete=True, guards=tuple(replace(reading, broken=False) for reading in FINDINGS.guards)
    ),
    market=replace(RUNNING.market, paper=False),
)


def concluding(conclusion: Conclusion) -> Report:
    """The running experiment, with this conclusion."""
    primary = replace(RUNNING.findings.primary, conclusion=conclusion)
    return replace(RUNNING, findings=replace(RUNNING.findings, primary=primary))


@pytest.mark.parametrize(
    ("conclusion", "words"),
    [
        (Conclusion.BETTER, "earns more than the rule, at the 5 % level"),
        (Conclusion.WORSE, "earns less than the rule, at the 5 % level"),
        (
            Conclusion.NOT_WORSE,
            "not worse than the rule by 5.0 bps of capital a day or more, at the one-sided 2.5 % level",
        ),
        (Conclusion.UNDECIDED, "cannot be said yet, at the 5 % level"),
        (Conclusion.INCONCLUSIVE, "at the 5 % level it stays open"),
        (Conclusion.CANNOT_CONCLUDE, "cannot tell, at the 5 % level"),
    ],
)
def test_the_sentence_says_what_is_known_and_at_which_level(conclusion: Conclusion, words: str) -> None:
    assert words in sentence(concluding(conclusion))


def test_the_sentence_gives_the_effect_of_the_last_look_with_its_interval() -> None:
    assert sentence(RUNNING).endswith(
        "at look 14 of 30 the effect is +4.0 bps of capital a day, interval \N{MINUS SIGN}4.4 to +12.4."
    )


def test_before_the_first_look_no_effect_is_named() -> None:
    assert sentence(EMPTY).endswith("none of 30 looks is taken.")


def test_an_effect_that_does_not_exist_is_said_not_to_be_known() -> None:
    looks = (replace(RUNNING.findings.primary.looks[0], effect_bps=None),)
    primary = replace(RUNNING.findings.primary, looks=looks)
    report = replace(RUNNING, findings=replace(RUNNING.findings, primary=primary))
    assert sentence(report).endswith("at look 1 of 30 the effect is not known.")


def test_each_thing_it_waits_for_is_named_with_its_reason_and_nothing_is_said_as_well() -> None:
    shown = verdict(RUNNING)
    assert "<li>Outcomes: <bdi>Outcomes that are due are missing or late.</bdi></li>" in shown
    assert "<li>Sample ratio: <bdi>Nobody knows yet.</bdi></li>" in shown
    assert "nothing." in verdict(replace(RUNNING, waiting_for=()))


def test_days_that_were_accepted_as_missing_are_said_with_how_many_are_missing_and_why() -> None:
    state = replace(CALM.state, missing_accepted_through=20_484, missing_accepted_reason="the <feed> was down")
    (shown,) = warnings(replace(CALM, state=state))
    assert "Of both arms 6 user-days are missing. Up to 2026-01-31 they hold nothing back: " in shown
    assert "<bdi>the &lt;feed&gt; was down</bdi>" in shown


def test_a_disabled_experiment_says_so() -> None:
    assert "Disabled" in verdict(replace(RUNNING, state=replace(RUNNING.state, enabled=False)))


def test_nothing_is_warned_of_where_all_is_well() -> None:
    assert warnings(CALM) == []


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (replace(CALM, market=replace(CALM.market, paper=True)), "Not real money: paper trading."),
        (replace(CALM, market=replace(CALM.market, simulated=True)), "Not real money: the market is simulated."),
        (replace(CALM, findings=replace(CALM.findings, complete=False)), "Outcomes are missing."),
        (
            replace(CALM, findings=replace(CALM.findings, ratio=replace(FINDINGS.ratio, mismatch=True))),
            "The split is not the planned one.",
        ),
        (
            replace(CALM, findings=replace(CALM.findings, guards=FINDINGS.guards)),
            "Deepest fall from a peak: 612.0 against a limit of 500.0 bps of capital.",
        ),
    ],
)
def test_each_reason_for_doubt_stands_before_the_verdict(report: Report, words: str) -> None:
    shown = verdict(report)
    assert words in join(*warnings(report))
    assert 0 <= shown.index(words) < shown.index(sentence(report))
