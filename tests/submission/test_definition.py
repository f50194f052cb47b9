from datetime import date

import pytest

from etl.submission.definition import Period, PeriodUnreadable


def test_a_month_runs_from_its_first_to_its_last_day():
    assert Period.parse("2026-10") == Period(date(2026, 10, 1), date(2026, 10, 31))
    assert Period.parse("2024-02") == Period(date(2024, 2, 1), date(2024, 2, 29))


def test_a_day_starts_and_ends_on_itself():
    assert Period.parse("2026-10-31") == Period(date(2026, 10, 31), date(2026, 10, 31))


@pytest.mark.parametrize("text", ["2026-10", "2024-02", "2026-10-31", "2026-12"])
def test_the_label_reads_back(text):
    assert Period.parse(text).label == text


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-02-30", "2026-1", "202610", "2026-10-1", "0000-01"]
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(PeriodUnreadable) as caught:
        Period.parse(text)
    assert "2026-10" in caught.value.sentence("zh")
