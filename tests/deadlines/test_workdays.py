"""Working days of 2025 and 2026, counted on paper from the State Council's notices (国办发明电〔2024〕12号, 〔2025〕7号)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from chinese_calendar import is_workday
from hypothesis import given
from hypothesis import strategies as st

from etl.deadlines.definition import CalendarDay, CalendarYearMissing, WorkCalendar, shanghai_day, spans
from etl.deadlines.loader import load_calendar
from etl.deadlines.workdays import (
    add_working_days,
    company_view,
    is_working_day,
    lenient,
    next_working_day,
    previous_working_day,
    working_days_between,
)

CALENDAR = load_calendar()
KNOWN = st.dates(date(2025, 2, 10), date(2026, 9, 15))

# Days off that are not a Saturday or Sunday, and Saturdays and Sundays that are worked, as the notice for 2026 gives them.
OFF_2026 = ["01-01", "01-02", "02-16", "02-17", "02-18", "02-19", "02-20", "02-23", "04-06", "05-01", "05-04", "05-05", "06-19", "09-25",
            "10-01", "10-02", "10-05", "10-06", "10-07"]
WORKED_2026 = ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"]


def days_of(year: int) -> list[date]:
    return [date(year, 1, 1) + timedelta(days=n) for n in range(365)]


def test_every_day_of_2026_against_the_notice():
    for day in days_of(2026):
        expected = (day.weekday() < 5 and f"{day:%m-%d}" not in OFF_2026) or f"{day:%m-%d}" in WORKED_2026
        assert is_working_day(CALENDAR, day) is expected, day


@pytest.mark.parametrize(("month", "count"), [(1, 21), (2, 16), (3, 22), (4, 21), (5, 19), (6, 21), (7, 23), (8, 21), (9, 22), (10, 18), (11, 21), (12, 23)])
def test_working_days_of_each_month_of_2026(month, count):
    last = date(2026, month, 1) - timedelta(days=1)
    end = (date(2026, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    assert working_days_between(CALENDAR, last, end) == count


def test_2026_has_248_working_days():
    assert working_days_between(CALENDAR, date(2025, 12, 31), date(2026, 12, 31)) == 248


@pytest.mark.parametrize("year", [2025, 2026])
def test_the_packed_lines_agree_with_the_library(year):
    packed = load_calendar()
    own = {day: known for day, known in packed.days.items() if day.year == year and known.source == "days.csv"}
    assert len(own) == {2025: 28 + 5, 2026: 33 + 6}[year]
    assert all(known.name["zh"] and known.name["en"] and known.basis for known in own.values())
    alone = WorkCalendar(own, frozenset({year}))
    assert [day for day in days_of(year) if is_working_day(alone, day) != is_workday(day)] == []


@pytest.mark.parametrize(("day", "count", "expected"), [
    ("2026-10-15", -1, "2026-10-14"), ("2026-10-15", -2, "2026-10-13"),
    ("2026-10-15", -4, "2026-10-10"),       # the make-up Saturday counts
    ("2026-10-15", -5, "2026-10-09"),
    ("2026-02-24", -1, "2026-02-14"), ("2026-02-24", -5, "2026-02-10"),      # nine days off, and a make-up Saturday before them
    ("2026-09-30", 1, "2026-10-08"), ("2026-09-30", 3, "2026-10-10"), ("2026-09-30", 4, "2026-10-12"),
    ("2025-12-31", 1, "2026-01-04"),        # 1 to 3 January off, Sunday 4 January worked
    ("2026-01-04", -1, "2025-12-31"),
    ("2026-10-03", 0, "2026-10-03"),        # nothing added: the day itself, though it is off
])
def test_adding_working_days(day, count, expected):
    assert add_working_days(CALENDAR, date.fromisoformat(day), count).isoformat() == expected


@pytest.mark.parametrize(("first", "last", "count"), [
    ("2026-09-30", "2026-10-08", 1), ("2026-09-30", "2026-10-07", 0), ("2026-10-08", "2026-09-30", -1), ("2026-10-09", "2026-10-12", 2),
    ("2026-05-08", "2026-05-09", 1), ("2026-11-22", "2026-11-22", 0), ("2025-12-31", "2026-01-05", 2),
])
def test_working_days_between(first, last, count):
    assert working_days_between(CALENDAR, date.fromisoformat(first), date.fromisoformat(last)) == count


def test_next_and_previous_working_day():
    assert next_working_day(CALENDAR, date(2026, 2, 15)) == date(2026, 2, 24)
    assert next_working_day(CALENDAR, date(2026, 2, 14)) == date(2026, 2, 14)
    assert previous_working_day(CALENDAR, date(2026, 10, 7)) == date(2026, 9, 30)


@given(KNOWN, st.integers(-60, 60).filter(bool))
def test_adding_and_counting_agree(day, count):
    reached = add_working_days(CALENDAR, day, count)
    assert is_working_day(CALENDAR, reached)
    if count > 0:
        assert working_days_between(CALENDAR, day, reached) == count
    else:
        # Counting back starts after the day reached, and leaves the start out where that is worked.
        assert working_days_between(CALENDAR, reached, day) == -count - (not is_working_day(CALENDAR, day))


@given(KNOWN)
def test_next_working_day_skips_none(day):
    found = next_working_day(CALENDAR, day)
    assert found >= day and is_working_day(CALENDAR, found)
    assert not any(is_working_day(CALENDAR, day + timedelta(days=n)) for n in range((found - day).days))


@given(KNOWN, KNOWN, KNOWN)
def test_counts_add_up(a, b, c):
    assert working_days_between(CALENDAR, a, b) + working_days_between(CALENDAR, b, c) == working_days_between(CALENDAR, a, c)


def test_a_year_without_data_is_an_error_that_says_what_to_do():
    with pytest.raises(CalendarYearMissing) as caught:
        next_working_day(CALENDAR, date(2099, 1, 17))
    assert caught.value.exit_code == 2
    zh, en = caught.value.sentence("zh"), caught.value.sentence("en")
    assert "没有 2099 年完整的放假安排" in zh and "mappings/calendars/cn/days.csv" in zh and "2099-01-01,holiday,元旦" in zh and "国办发明电〔2098〕" in zh
    assert "no complete calendar of 2099 (known years: 2004-" in en and "mappings/calendars/cn/days.csv" in en and "2099-01-01,holiday" in en
    with pytest.raises(CalendarYearMissing):
        add_working_days(CALENDAR, date(2098, 1, 1), 400)
    assert next_working_day(lenient(CALENDAR), date(2099, 1, 17)) == date(2099, 1, 19)     # a Saturday


def test_company_days_count_only_in_the_company_view():
    monday = date(2026, 11, 16)
    calendar = WorkCalendar(CALENDAR.days, CALENDAR.years, {monday: CalendarDay(monday, False)})
    assert is_working_day(calendar, monday)
    assert not is_working_day(company_view(calendar), monday)
    assert company_view(CALENDAR) is CALENDAR


def test_the_day_of_a_moment_is_shanghais():
    assert shanghai_day(datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC)) == date(2026, 10, 31)
    assert shanghai_day(datetime(2026, 10, 31, 16, 0, tzinfo=UTC)) == date(2026, 11, 1)        # month end is over in Shanghai
    assert shanghai_day(datetime(2026, 10, 31, 23, 0, tzinfo=timezone(timedelta(hours=-8)))) == date(2026, 11, 1)
    assert shanghai_day(datetime(2026, 10, 31, 23, 0)) == date(2026, 10, 31)
    assert shanghai_day(date(2026, 10, 31)) == date(2026, 10, 31)
    # Friday 30 October 16:30 UTC is Saturday in Shanghai.
    assert not is_working_day(CALENDAR, datetime(2026, 10, 30, 16, 30, tzinfo=UTC))
    assert next_working_day(CALENDAR, datetime(2026, 10, 30, 16, 30, tzinfo=UTC)) == date(2026, 11, 2)


def test_years_are_told_as_spans():
    assert spans([2006, 2004, 2005, 2008]) == "2004-2006, 2008"
    assert spans([]) == "-"
