"""The charts: marks where the figures are, arrows where an interval leaves them, gaps where nothing is known."""

import math
from dataclasses import replace
from datetime import date
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ab.report.axes import HEIGHT, TOP, WIDTH, Plot, decimals, round_ticks
from ab.report.calibration_chart import calibration_chart
from ab.report.effect_chart import drawn_looks, effect_chart
from ab.report.line_charts import money_chart, share_chart
from ab.report.markup import Markup
from ab.report.values import MoneyDay
from ab.results import Look, Primary
from ab.state import Step
from tests.fakes.reports import DAY_S, FINDINGS, RELIABILITY, START_S, look, money_day
from trading.vocabulary import Arm

FLOATS = st.floats(-1e6, 1e6)


def drawn(chart: Markup, name: str, class_: str) -> list[ElementTree.Element]:
    """The elements of this name and class."""
    return [one for one in ElementTree.fromstring(chart).iter(name) if class_ in one.get("class", "").split()]  # noqa: S314 our own text


def primary(*looks: Look, planned: int = 30) -> Primary:
    """The primary result with these looks."""
    return replace(FINDINGS.primary, looks=looks, planned_looks=planned)


def money(policy: list[float | None]) -> list[MoneyDay]:
    """Days on which only the policy's money may be known."""
    return [
        MoneyDay(day=date(2026, 1, 1 + after), net_bps={Arm.RL: value}, net_usd={})
        for after, value in enumerate(policy)
    ]


@given(low=FLOATS, width=st.floats(1e-3, 1e6), most=st.integers(3, 8))
@example(low=1.0, width=40_001.0, most=3)
def test_ticks_are_few_lie_within_the_range_and_are_equally_apart(low: float, width: float, most: int) -> None:
    ticks = round_ticks(low, low + width, most)
    slack = 1e-6 * max(width, abs(low) * 1e-6)
    assert 1 <= len(ticks) <= most
    assert low - slack <= ticks[0]
    assert ticks[-1] <= low + width + slack
    steps = [after - before for before, after in pairwise(ticks)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-3) for step in steps)


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(-12.0, 23.0, [-10, 0, 10, 20]), (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0])]
)
def test_ticks_are_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high) == pytest.approx(ticks)


def test_ticks_are_written_with_as_many_decimals_as_tell_them_apart() -> None:
    assert decimals([0.0, 10.0]) == 0
    assert decimals([0.0, 0.2]) == 1
    assert decimals([0.0, 0.05]) == 2


@given(low=FLOATS, width=st.floats(0, 1e6), share=st.floats(0, 1))
def test_every_value_of_the_range_lies_within_the_frame(low: float, width: float, share: float) -> None:
    plot = Plot.over((0.0, 1.0), (low, low + width))
    assert TOP - 0.1 <= plot.y.at(low + share * width) <= HEIGHT
    assert plot.x.at(1.0) < WIDTH


def test_a_bounded_interval_has_two_bars_and_no_arrow() -> None:
    chart = effect_chart(primary(replace(look(14), low_bps=-4.0, high_bps=12.0)), 5.0)
    assert len(drawn(chart, "line", "interval")) == 4
    assert not drawn(chart, "polygon", "endless") + drawn(chart, "polygon", "beyond")


def test_an_end_that_does_not_exist_is_a_hollow_arrow_and_one_beyond_the_chart_a_filled_one() -> None:
    looks = (
        replace(look(3), low_bps=None, high_bps=900.0),
        replace(look(14), low_bps=-4.0, high_bps=12.0),
    )
    chart = effect_chart(primary(*looks), 5.0)
    assert len(drawn(chart, "polygon", "endless")) == 1
    assert len(drawn(chart, "polygon", "beyond")) == 1


def test_the_effect_chart_has_a_line_at_zero_and_below_it_one_at_the_margin() -> None:
    chart = effect_chart(primary(look(14)), 5.0)
    (zero,), (margin,) = drawn(chart, "line", "zero"), drawn(chart, "line", "margin")
    assert float(margin.attrib["y1"]) > float(zero.attrib["y1"])
    assert "margin \N{MINUS SIGN}5.0" in chart


def test_only_looks_with_a_statistic_are_drawn_and_significant_ones_are_marked() -> None:
    chart = effect_chart(
        primary(replace(look(1), effect_bps=None), look(2), replace(look(3), significant=True)), margin_bps=5.0
    )
    assert len(drawn(chart, "g", "look")) == 2
    assert len(drawn(chart, "g", "significant")) == 1
    assert "interval unbounded bps" in chart


def labels_of_lines(chart: Markup) -> dict[str, float]:
    """How far down the names of the lines at no effect and at the margin are."""
    found = [one for one in ElementTree.fromstring(chart).iter("text") if (one.text or "").startswith(("no", "margin"))]  # noqa: S314 our own text
    return {str(one.text): float(one.attrib["y"]) for one in found}


@example(effect_bps=0.0, wide_bps=1e-6, margin_bps=1e4)
@example(effect_bps=310.0, wide_bps=600.0, margin_bps=5.0)
@example(effect_bps=-1e5, wide_bps=2e5, margin_bps=1e-9)
@given(effect_bps=st.floats(-1e5, 1e5), wide_bps=st.floats(1e-6, 2e5), margin_bps=st.floats(0, 1e4, exclude_min=True))
def test_on_any_scale_the_names_of_both_lines_keep_apart_within_the_drawing(
    effect_bps: float, wide_bps: float, margin_bps: float
) -> None:
    one = replace(look(14), effect_bps=effect_bps, low_bps=effect_bps - wide_bps, high_bps=effect_bps + wide_bps)
    (_, zero), (_, margin) = labels_of_lines(effect_chart(primary(one), margin_bps)).items()
    assert margin - zero >= 19.9
    assert zero >= TOP / 2
    assert margin <= HEIGHT - 20


def test_a_margin_far_off_leaves_room_for_what_was_found_and_its_name_points_to_it() -> None:
    one = replace(look(14), effect_bps=12.0, low_bps=-4.0, high_bps=28.0)
    chart = effect_chart(primary(one), 10_000.0)
    assert "margin \N{MINUS SIGN}10,000 \N{DOWNWARDS ARROW}" in chart
    assert not drawn(chart, "line", "margin")
    low, high = sorted(float(line.attrib["y2"]) for line in drawn(chart, "line", "interval"))[::3]
    assert high - low > 100


def test_of_more_looks_than_there_is_room_for_every_so_many_are_drawn_and_always_the_latest() -> None:
    looks = [look(number) for number in range(1, 1_001)]
    assert [each.number for each in drawn_looks(primary(*looks[:30]))] == list(range(1, 31))
    shown = [each.number for each in drawn_looks(primary(*looks[:990], planned=1_000))]
    assert 50 <= len(shown) <= 60
    assert shown[-1] == 990
    assert {after - before for before, after in pairwise(shown)} == {17}
    assert drawn_looks(primary(planned=1_000)) == ()


@pytest.mark.parametrize("planned", [1, 2, 3, 30, 1_000])
def test_any_number_of_planned_looks_has_a_chart_with_its_first_days_named(planned: int) -> None:
    assert "1 (2 Jan)" in effect_chart(primary(look(1), planned=planned), 5.0)


def test_a_day_that_is_not_known_breaks_the_line_of_its_arm() -> None:
    (line,) = drawn(money_chart(money([1.0, 2.0, None, 3.0, 4.0, math.nan, 5.0])), "g", "rl")[:1]
    assert len(line.findall("polyline")) == 2
    assert len(line.findall("circle")) == 1


def test_the_lines_of_money_are_named_at_their_ends_and_the_names_keep_apart() -> None:
    day = replace(money_day(3), net_bps={Arm.RL: 1.0, Arm.FALLBACK: 1.0}, net_usd={Arm.RL: 5.0, Arm.FALLBACK: None})
    chart = money_chart([money_day(1), day])
    labels = drawn(chart, "text", "name")
    assert [label.text for label in labels] == ["Policy +1.0", "Rule +1.0"]
    assert abs(float(labels[0].attrib["y"]) - float(labels[1].attrib["y"])) >= 39
    assert "+5.00 USD" in chart
    assert "USD not known" in chart


def test_money_of_which_nothing_is_known_has_a_frame_and_no_line() -> None:
    chart = money_chart(money([None, None]))
    assert not [line for group in drawn(chart, "g", "rl") for line in group.findall("polyline")]
    assert "policy not known, rule not known" in chart


def test_the_share_is_a_step_line_up_to_now() -> None:
    steps = [Step(stage=0, share=0.01, since_s=START_S), Step(stage=1, share=0.1, since_s=START_S + 2 * DAY_S)]
    chart = share_chart(steps, START_S + 4 * DAY_S)
    (line,) = drawn(chart, "g", "rl")[0].findall("polyline")
    points = [tuple(float(number) for number in point.split(",")) for point in line.attrib["points"].split()]
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    assert x0 < x1 == x2 < x3
    assert y0 == y1 > y2 == y3
    assert "Stage 2: 10 % from 2026-01-03 00:00." in chart


@pytest.mark.parametrize("lasted_s", [0.0, 60.0, 3_600.0, 400 * DAY_S])
def test_a_stage_of_any_length_has_a_chart_with_a_time_on_its_axis(lasted_s: float) -> None:
    chart = share_chart([Step(stage=0, share=0.0, since_s=START_S)], START_S + lasted_s)
    middle = [text for text in ElementTree.fromstring(chart).iter("text") if text.get("text-anchor") == "middle"]  # noqa: S314 our own text
    assert len(middle) >= 2


def test_a_reliability_diagram_has_a_dot_for_each_bin_with_its_count() -> None:
    chart = calibration_chart("calibration-0", RELIABILITY)
    assert len(drawn(chart, "g", "look")) == len(RELIABILITY.bins)
    assert "Confidence 20 % to 30 %: mean 25 %, earned 27.6 % of 446." in chart
