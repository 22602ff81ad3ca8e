"""The report of a file."""

import pytest

from adapters.dataset import SENTENCES, DatasetReport, Defect, Finding, Hole


def finding(defect: Defect) -> Finding:
    return Finding(defect=defect, count=12, first_line=34, from_s=1_600_000_000, to_s=1_600_003_600)


@pytest.mark.parametrize("defect", Defect)
def test_every_defect_has_a_sentence_with_its_count_line_and_times(defect: Defect) -> None:
    sentence = finding(defect).sentence()
    assert sentence.startswith("12 ")
    assert sentence.endswith("(first on line 34, 2020-09-13T12:26:40Z to 2020-09-13T13:26:40Z)")
    assert SENTENCES[defect].format(count=12) in sentence


def test_every_line_of_a_report_begins_with_the_file() -> None:
    report = DatasetReport(
        name="btc.csv",
        newest_first=True,
        longest_hole=Hole(after_s=1_600_000_000, missing_bars=3),
        findings=(finding(Defect.HOLE),),
    )
    assert len(report.lines()) == 3
    assert all(line.startswith("btc.csv: ") for line in report.lines())


def test_a_defect_that_is_not_there_counts_nothing() -> None:
    report = DatasetReport(name="btc.csv", newest_first=False, longest_hole=None, findings=(finding(Defect.HOLE),))
    assert report.count(Defect.HOLE) == 12
    assert report.count(Defect.DUPLICATE) == 0
    assert report.find(Defect.DUPLICATE) is None
