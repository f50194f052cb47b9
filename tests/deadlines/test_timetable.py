"""What a timetable may call, and the ladder of alerts. Expected moments are worked out on paper."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from etl.deadlines.alerts import Alert, alert_ladder, alert_reached
from etl.deadlines.definition import SHANGHAI, CalendarDay, CalendarYearMissing, DeadlineRule, WorkCalendar
from etl.deadlines.loader import load_calendar
from etl.deadlines.timetable import deadline_of, next_deadline, previous_deadline, timetable_calendar
from tests.deadlines.calendars import write_days

CALENDAR, FIFTEENTH, NEXT_DAY = load_calendar(), DeadlineRule(15), DeadlineRule(days_after=1, postpone=False)


def test_deadlines_follow_one_another_through_2026():
    moment, found = date(2025, 12, 31), []
    while (one := next_deadline("monthly", FIFTEENTH, moment, CALENDAR)).due.year == 2026:
        found.append(f"{one.due:%m-%d}")
        moment = one.due
        if one.period == "2026-11":
            break
    assert found == ["01-15", "02-24", "03-16", "04-15", "05-15", "06-15", "07-15", "08-17", "09-15", "10-15", "11-16", "12-15"]


def test_the_day_counts_in_shanghai():
    # 16 November, the day of the deadline, ends at 16:00 UTC.
    assert next_deadline("monthly", FIFTEENTH, datetime(2026, 11, 15, 15, 59, tzinfo=UTC), CALENDAR).due == date(2026, 11, 16)
    assert next_deadline("monthly", FIFTEENTH, datetime(2026, 11, 15, 16, 0, tzinfo=UTC), CALENDAR).due == date(2026, 12, 15)
    assert previous_deadline("monthly", FIFTEENTH, datetime(2026, 11, 16, 15, 59, tzinfo=UTC), CALENDAR).due == date(2026, 10, 15)
    assert previous_deadline("monthly", FIFTEENTH, datetime(2026, 11, 16, 16, 0, tzinfo=UTC), CALENDAR).due == date(2026, 11, 16)


def test_what_a_deadline_tells():
    one = next_deadline("monthly", FIFTEENTH, date(2026, 11, 1), CALENDAR)
    assert (one.period, one.period_start, one.period_end, one.nominal, one.due, one.certain) == (
        "2026-10", date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 15), date(2026, 11, 16), True)
    assert one.ready_at.astimezone(UTC) == datetime(2026, 10, 31, 16, tzinfo=UTC)      # midnight of 1 November in Shanghai
    daily = next_deadline("daily", NEXT_DAY, date(2026, 10, 31), CALENDAR)
    assert (daily.period, daily.due) == ("2026-10-31", date(2026, 11, 1))
    assert deadline_of(FIFTEENTH, date(2026, 1, 1), date(2026, 1, 31), CALENDAR).due == date(2026, 2, 24)
    assert next_deadline("quarterly", DeadlineRule(20), date(2026, 4, 20), CALENDAR).period == "2026Q2"
    assert next_deadline("yearly", FIFTEENTH, date(2025, 2, 1), CALENDAR).due == date(2026, 1, 15)


def test_a_year_without_data_never_raises_and_is_said_to_be_uncertain():
    # 15 January 2099 is a Thursday, 15 February 2099 a Sunday.
    one = next_deadline("monthly", FIFTEENTH, date(2099, 1, 1), CALENDAR)
    assert (one.period, one.due, one.certain) == ("2098-12", date(2099, 1, 15), False)
    assert next_deadline("monthly", FIFTEENTH, one.due, CALENDAR).due == date(2099, 2, 16)
    # Not postponed, so that nothing about it is uncertain.
    assert next_deadline("daily", NEXT_DAY, date(2099, 1, 1), CALENDAR).certain


@pytest.mark.parametrize("moment", [date.min, date.max, datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), None, "2026"])
@pytest.mark.parametrize("frequency", ["monthly", "daily", "no such thing"])
def test_nothing_makes_it_raise(moment, frequency):
    for function in (next_deadline, previous_deadline):
        found = function(frequency, FIFTEENTH, moment, CALENDAR)
        assert found is None or found.due > date.min
        assert function(frequency, None, moment, CALENDAR) is None
    assert deadline_of(FIFTEENTH, date.max, date.max, CALENDAR) is None


def test_a_broken_file_of_days_is_passed_over_and_told(tmp_path):
    calendar, problem = timetable_calendar(None, tmp_path)
    assert problem == "" and calendar.lenient and calendar.knows(2026)
    write_days(tmp_path, "2026-02-30,holiday,,,")
    calendar, problem = timetable_calendar(None, tmp_path)
    assert "calendar.csv" in problem and calendar.knows(2026)
    assert next_deadline("monthly", FIFTEENTH, date(2026, 2, 1), calendar).due == date(2026, 2, 24)


def moments(ladder):
    return [(f"{step.at:%m-%d %H:%M}", step.working_days, step.hours) for step in ladder]


def test_the_ladder_counts_working_days_then_hours():
    # Before Thursday 15 October: Wednesday, Tuesday, Monday, the make-up Saturday, Friday 9 October.
    ladder = alert_ladder(date(2026, 10, 15), CALENDAR)
    assert moments(ladder) == [
        ("10-09 09:00", 5, None), ("10-13 09:00", 2, None), ("10-14 09:00", 1, None),
        ("10-15 10:00", 0, 8), ("10-15 14:00", 0, 4), ("10-15 16:00", 0, 2), ("10-15 17:00", 0, 1)]
    assert all(step.at.tzinfo is SHANGHAI for step in ladder)


def test_the_ladder_over_the_spring_festival():
    assert moments(alert_ladder(date(2026, 2, 24), CALENDAR, hours=()))== [("02-10 09:00", 5, None), ("02-13 09:00", 2, None), ("02-14 09:00", 1, None)]


def test_the_ladder_keeps_to_the_companys_days():
    days = {date(2026, 10, 14): CalendarDay(date(2026, 10, 14), False)}
    calendar = WorkCalendar(CALENDAR.days, CALENDAR.years, days)
    assert moments(alert_ladder(date(2026, 10, 15), calendar, working_days=(1,), hours=())) == [("10-13 09:00", 1, None)]


def test_the_step_that_is_reached():
    ladder = alert_ladder(date(2026, 10, 15), CALENDAR)
    assert alert_reached(ladder, datetime(2026, 10, 9, 0, 59, tzinfo=UTC)) is None
    assert alert_reached(ladder, datetime(2026, 10, 9, 1, 0, tzinfo=UTC)) == Alert(datetime(2026, 10, 9, 9, tzinfo=SHANGHAI), 5)
    assert alert_reached(ladder, datetime(2026, 10, 15, 8, 30, tzinfo=UTC)).hours == 2
    assert alert_reached(ladder, datetime(2026, 12, 1, tzinfo=UTC)).hours == 1


def test_the_ladder_in_a_year_without_data():
    with pytest.raises(CalendarYearMissing):
        alert_ladder(date(2099, 1, 15), CALENDAR)
    assert len(alert_ladder(date(2099, 1, 15), timetable_calendar()[0])) == 7
