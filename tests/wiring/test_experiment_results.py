"""What is shown of an experiment's findings, and how its page is made."""

import json
import math
from dataclasses import replace

import pytest

from ab.results import Conclusion, Findings
from ab.state import ExperimentState
from tests.fakes.experiments import findings, primary, running
from tests.fakes.reports import arm_money
from tests.fakes.waiting import run
from trading.errors import InvalidField, NotFound, StoreRefused
from trading.vocabulary import Arm
from wiring.evaluated import Evaluated, KnownFindings, choice_of, evaluated_from, evaluated_text
from wiring.experiment_results import ExperimentResults
from wiring.latencies import latencies_of, latencies_text

FOUND = Evaluated(version=3, run=1, seconds=0.25, findings=findings(primary=primary(Conclusion.NOT_WORSE)))
RUNNING = running()

MEASURED = {("ppo", "3", "rl"): [(0.001, 5), (float("inf"), 1)]}


class Known:
    """Knows one running experiment."""

    def __init__(self, known: ExperimentState) -> None:
        self._known = known

    async def state(self, key: str) -> ExperimentState:
        if key != "default":
            raise NotFound("experiment")
        return self._known


class Judge:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    async def run(self, *arguments: str) -> bytes:
        self.asked.append(arguments)
        return b"said"


def results(kept: Evaluated | None = None, state: ExperimentState = RUNNING) -> tuple[ExperimentResults, Judge]:
    judge = Judge()
    texts = {} if kept is None else {choice_of("default"): evaluated_text(kept)}
    known = KnownFindings(texts.get)
    return ExperimentResults(Known(state), known, judge, model_seconds=lambda: MEASURED), judge


def test_findings_are_kept_and_read_back_as_they_were() -> None:
    assert evaluated_from(evaluated_text(FOUND)) == FOUND


def test_findings_that_are_no_number_are_not_kept() -> None:
    bad = replace(FOUND, findings=findings(at_s=math.nan))
    with pytest.raises(ValueError, match="JSON compliant"):
        evaluated_text(bad)


@pytest.mark.parametrize("text", ["", "{}", "null", evaluated_text(FOUND).replace('"run":1', '"run":"1"')])
def test_a_text_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(StoreRefused):
        evaluated_from(text)


def test_nothing_is_shown_before_the_first_evaluation_nor_of_an_earlier_run() -> None:
    for kept in (None, replace(FOUND, run=0)):
        shown = run(results(kept)[0].results("default"))
        nothing = dict.fromkeys(("version", "as_of", "missing_accepted_through", "missing_accepted_reason", "findings"))
        assert shown == {"key": "default", "run": 1, **nothing}


def test_through_which_day_missing_outcomes_are_accepted_is_shown_and_why() -> None:
    state = replace(running(), missing_accepted_through=19_676, missing_accepted_reason="the feed was down")
    shown = run(results(FOUND, state=state)[0].results("default"))
    assert (shown["missing_accepted_through"], shown["missing_accepted_reason"]) == ("2023-11-15", "the feed was down")


def test_findings_are_shown_with_times_and_with_null_for_what_is_not_known() -> None:
    shown = json.loads(json.dumps(run(results(FOUND)[0].results("default"))))
    assert (shown["version"], shown["as_of"]) == (3, "2023-11-22T22:13:20.000Z")
    assert shown["findings"]["primary"]["conclusion"] == "not_worse"
    assert shown["findings"]["primary"]["looks"][0]["market_at"] == "2023-11-15T22:13:20.000Z"
    assert shown["findings"]["guards"][0]["value"] == 30.0


def test_what_is_known_follows_what_the_store_has() -> None:
    texts: dict[str, str] = {}
    known = KnownFindings(texts.get)
    assert known.of(running()) is None
    for number in (1, 2):
        found: Findings = findings(units_in_stage=number)
        texts[choice_of("default")] = evaluated_text(replace(FOUND, findings=found))
        assert known.of(running()) == found


def test_findings_that_were_not_tested_over_days_are_not_known() -> None:
    document = json.loads(evaluated_text(FOUND))
    for look in document["findings"]["primary"]["looks"]:
        del look["days"], look["p_value_days"], look["level_days"]
    earlier = json.dumps(document, separators=(",", ":"))
    assert KnownFindings({choice_of("default"): earlier}.get).of(running()) is None
    without_looks = replace(FOUND, findings=findings(primary=primary(looks=0)))
    assert KnownFindings({choice_of("default"): evaluated_text(without_looks)}.get).of(running()) is not None


def test_findings_that_do_not_say_how_many_users_traded_are_made_again() -> None:
    money = {arm: arm_money(arm) for arm in (Arm.RL, Arm.FALLBACK)}
    text = evaluated_text(replace(FOUND, findings=findings(money=money)))
    assert KnownFindings({choice_of("default"): text}.get).of(running()) == findings(money=money)
    document = json.loads(text)
    for one in document["findings"]["money"].values():
        del one["users_traded"]
    earlier = json.dumps(document, separators=(",", ":"))
    assert KnownFindings({choice_of("default"): earlier}.get).of(running()) is None


def test_power_of_what_cannot_be_expected_is_refused_before_anything_runs() -> None:
    made, judge = results()
    for expected in ((20_000.0, 100.0, 5), (1.0, 1e9, 5), (1.0, 100.0, 10**8)):
        effect_bps, deviation_bps, users = expected
        with pytest.raises(InvalidField, match="must be"):
            run(
                made.power(
                    "default", effect_bps=effect_bps, deviation_bps=deviation_bps, users_per_arm=users, tails="t3"
                )
            )
    assert judge.asked == []


def test_pages_and_checks_are_made_elsewhere_and_of_experiments_that_are_there() -> None:
    made, judge = results()
    assert run(made.report("default")) == b"said"
    run(made.check("default"))
    run(made.power("default", effect_bps=-0.001, deviation_bps=100.0, users_per_arm=5, tails="t3"))
    assert judge.asked == [
        ("report", f"--latencies={latencies_text(latencies_of(MEASURED))}", "--", "default"),
        ("aa", "--", "default"),
        (
            "power",
            "--effect-bps=-0.001",
            "--deviation-bps=100.0",
            "--users-per-arm=5",
            "--tails=t3",
            "--",
            "default",
        ),
    ]
    for ask in (made.report("none"), made.check("none"), made.results("none")):
        with pytest.raises(NotFound):
            run(ask)  # type: ignore[arg-type]
