"""The head of the page: what is known, at which level, what it waits for, and what stands against believing it."""

from dataclasses import replace

import pytest

from ab.report.markup import join
from ab.report.values import Report
from ab.report.verdict import sentence, verdict, warnings
from ab.requests import CommandRequest
from ab.results import Conclusion
from ab.state import Command
from tests.fakes.experiments import START_S, after, request
from tests.fakes.reports import EMPTY, FINDINGS, RUNNING
from trading.vocabulary import Arm

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


def test_what_was_found_worse_is_said_with_the_look_that_showed_it_though_the_effect_is_a_gain_since() -> None:
    looks = RUNNING.findings.primary.looks
    lost = replace(looks[-2], effect_bps=-9.0, low_bps=-15.0, high_bps=-3.0, significant=True)
    primary = replace(RUNNING.findings.primary, looks=(*looks[:-2], lost, looks[-1]), conclusion=Conclusion.WORSE)
    shown = sentence(replace(RUNNING, findings=replace(RUNNING.findings, primary=primary)))
    assert f"at look {lost.number} of 30 the effect is \N{MINUS SIGN}9.0 bps" in shown


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


def doing(*commands: Command | CommandRequest) -> str:
    """The head of the page of an experiment that was given these commands."""
    return verdict(replace(RUNNING, state=after(*commands)))


def test_what_it_is_doing_is_said_with_when_and_why_that_began_whatever_came_since() -> None:
    ended = request(Command.ROLLBACK, at_s=START_S + 120.0, reason="lost 900 bps")
    later = request(Command.OVERRIDE, at_s=START_S + 86_400.0, user_id="anna", arm=Arm.FALLBACK, reason="a friend")
    for said in (doing(Command.START, ended), doing(Command.START, ended, later)):
        assert "Rolled back since 2023-11-14 22:15 UTC" in said
        assert "Reason given: <q><bdi>lost 900 bps</bdi></q>." in said


@pytest.mark.parametrize(
    ("commands", "words", "met"),
    [
        ([Command.START], "Running since", "10 % of users meet the policy."),
        ([Command.START, Command.PAUSE], "Paused since", ", 0 % of users meet the policy."),
        ([Command.START, Command.PROMOTE], "Promoted since", "100 % of users meet the policy."),
        ([Command.START, Command.PROMOTE, Command.PAUSE], "Paused, promoted before, since", ", 0 % of users meet"),
    ],
)
def test_the_share_that_is_said_is_that_of_now(commands: list[Command], words: str, met: str) -> None:
    said = doing(*commands)
    assert words in said
    assert met in said


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
            "Drawdown: 612.0 against a limit of 500.0 bps of the capital.",
        ),
    ],
)
def test_each_reason_for_doubt_stands_before_the_verdict(report: Report, words: str) -> None:
    shown = verdict(report)
    assert words in join(*warnings(report))
    assert 0 <= shown.index(words) < shown.index(sentence(report))
