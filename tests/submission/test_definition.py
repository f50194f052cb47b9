from datetime import date

import pytest

from etl.submission.definition import Period, PeriodUnreadable


def test_a_month_runs_from_its_first_to_its_last_day():
    assert Period.parse("2026-10") == Period(date(2026, 10, 1), date(2026, 10, 31))
    assert Period.parse("2024-02") == Period(date(2024, 2, 1), date(2024, 2, 29))


def test_a_day_starts_and_ends_on_itself():
    assert Period.parse("2026-10-31") == Period(date(2026, 10, 31), date(2026, 10, 31))


@pytest.mark.parametrize(("text", "first", "last"), [
    ("2026Q1", date(2026, 1, 1), date(2026, 3, 31)), ("2026Q2", date(2026, 4, 1), date(2026, 6, 30)),
    ("2026Q3", date(2026, 7, 1), date(2026, 9, 30)), ("2026Q4", date(2026, 10, 1), date(2026, 12, 31))])
def test_a_quarter_runs_over_its_three_months(text, first, last):
    assert Period.parse(text) == Period(first, last)
    assert Period(first, last).label == text


def test_three_months_that_are_no_quarter_keep_both_days():
    assert Period(date(2026, 2, 1), date(2026, 4, 30)).label == "2026-02-01..2026-04-30"
    assert Period(date(2026, 7, 1), date(2026, 9, 29)).label == "2026-07-01..2026-09-29"
    assert Period(date(2026, 11, 1), date(2027, 1, 31)).label == "2026-11-01..2027-01-31"


@pytest.mark.parametrize(("frequency", "label"), [("monthly", "2026-09"), ("quarterly", "2026Q3"), ("daily", "2026-09-30")])
def test_a_day_stands_for_the_period_of_the_frequency(frequency, label):
    assert Period.ending(date(2026, 9, 30), frequency).label == label


@pytest.mark.parametrize("text", ["2026-10", "2024-02", "2026-10-31", "2026-12", "2026Q3"])
def test_the_label_reads_back(text):
    assert Period.parse(text).label == text


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-02-30", "2026-1", "202610", "2026-10-1", "0000-01", "2026Q0", "2026Q5", "2026-Q3", "2026q3", "0000Q1"]
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(PeriodUnreadable) as caught:
        Period.parse(text)
    assert "2026-10" in caught.value.sentence("zh")
