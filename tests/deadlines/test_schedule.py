"""When runs begin. Expected days are worked out on paper from the State Council's notice for 2026; 1 January 2026 is a Thursday."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from etl.deadlines.definition import SHANGHAI, CalendarDay
from etl.deadlines.schedule import midnight, schedule_of
from tests.deadlines.calendars import write_days
from tests.deadlines.test_due import ANSWERS_2026

EAST = schedule_of("east_life_2020")
# period -> the first working day after it
BEGINS_2026 = {
    "2025-12": "2026-01-04",    # 1 to 3 January off; Sunday the 4th is a make-up working day
    "2026-01": "2026-02-02",    # Sunday to Monday
    "2026-02": "2026-03-02",    # Sunday to Monday
    "2026-03": "2026-04-01",
    "2026-04": "2026-05-06",    # Labour Day, 1 to 5 May
    "2026-05": "2026-06-01",
    "2026-06": "2026-07-01",
    "2026-07": "2026-08-03",    # Saturday to Monday
    "2026-08": "2026-09-01",
    "2026-09": "2026-10-08",    # National Day, 1 to 7 October
    "2026-10": "2026-11-02",    # Sunday to Monday
    "2026-11": "2026-12-01",
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(("standard", "column"), [("east_life_2020", 0), ("east_life_2024", 1)])
@pytest.mark.parametrize("period", ANSWERS_2026)
def test_every_month_of_2026_begins_in_time(standard, column, period):
    schedule, start = schedule_of(standard), date.fromisoformat(f"{period}-01")
    assert schedule.begins(start) == at(f"{BEGINS_2026[period]} 02:00")
    assert schedule.deadline(start).due == date.fromisoformat(ANSWERS_2026[period][column])
    assert schedule.begins(start).date() < schedule.deadline(start).due


@pytest.mark.parametrize(("period", "lead", "begins"), [
    ("2026-01", 5, "2026-02-10"),   # due 24 February; before the festival the make-up Saturday 14, then 13, 12, 11, 10
    ("2026-09", 5, "2026-10-09"),   # due 15 October: 14, 13, 12, the make-up Saturday 10, 9
    ("2026-10", 5, "2026-11-09"),   # due Monday 16 November: Friday 13 back to Monday 9
    ("2026-10", 0, "2026-11-16"),
    ("2026-02", 40, "2026-03-01"),  # never before the month is over
])
def test_so_many_working_days_before_the_deadline(period, lead, begins):
    schedule = replace(EAST, lead_working_days=lead, at=time(6, 30))
    assert schedule.begins(date.fromisoformat(f"{period}-01")) == at(f"{begins} 06:30")


def test_moved_by_calendar_days_but_not_into_the_period():
    assert replace(EAST, offset_days=3).begins(date(2026, 10, 1)) == at("2026-11-05 02:00")
    assert replace(EAST, offset_days=-1).begins(date(2026, 10, 1)) == at("2026-11-01 02:00")
    assert replace(EAST, offset_days=-9).begins(date(2026, 10, 1)) == at("2026-11-01 02:00")


def test_the_companys_days_off_count():
    closed = replace(EAST.calendar, company={date(2026, 11, 2): CalendarDay(date(2026, 11, 2), False)})
    assert replace(EAST, calendar=closed).begins(date(2026, 10, 1)) == at("2026-11-03 02:00")


def test_days_begin_on_the_next_day_whatever_day_it_is():
    registry = schedule_of("registry_life_2", at=time(1, 30))
    assert registry.frequency == "daily"
    # Into National Day, over a month's end.
    assert registry.begins(date(2026, 9, 30)) == at("2026-10-01 01:30")
    assert registry.begins(date(2026, 12, 31)) == at("2027-01-01 01:30")
    assert (registry.period_of(at("2026-10-03 00:00:00")), registry.after(date(2026, 10, 31))) == (date(2026, 10, 3), date(2026, 11, 1))


def test_quarters_and_years():
    audit = schedule_of("audit_life")
    assert (audit.frequency, audit.rule, audit.problem) == ("quarterly", None, "")
    assert audit.period_of(date(2026, 6, 30)) == date(2026, 4, 1) and audit.after(date(2026, 10, 1)) == date(2027, 1, 1)
    assert audit.begins(date(2026, 7, 1)) == at("2026-10-08 02:00")
    yearly = replace(audit, frequency="yearly")
    assert yearly.period_of(date(2026, 6, 30)) == date(2026, 1, 1) and yearly.complete_at(at("2026-12-31 23:59:59")) == date(2025, 1, 1)


def test_the_month_changes_at_midnight_in_shanghai():
    assert EAST.complete_at(datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC)) == date(2026, 9, 1)
    assert EAST.complete_at(datetime(2026, 10, 31, 16, 0, 0, tzinfo=UTC)) == date(2026, 10, 1)
    assert EAST.complete_at(at("2026-12-31 23:59:59")) == date(2026, 11, 1)
    assert EAST.complete_at(at("2027-01-01 00:00:00")) == date(2026, 12, 1)
    # No summer time: every day of the year has 24 hours.
    assert all(midnight(day + timedelta(days=1)).timestamp() - midnight(day).timestamp() == 86_400
               for day in (date(2026, 1, 1) + timedelta(days=n) for n in range(365)))


def test_which_run_should_be_under_way():
    assert EAST.due_now(at("2026-11-02 01:59:59")) == date(2026, 9, 1)
    assert EAST.due_now(at("2026-11-02 02:00:00")) == date(2026, 10, 1)
    # A new system does not begin with what is past its deadline: October's passed at the end of 16 November.
    assert EAST.due_now(at("2026-11-16 23:59:59"), late_too=False) == date(2026, 10, 1)
    assert EAST.due_now(at("2026-11-17 00:00:00"), late_too=False) == date(2026, 11, 1)
    # With a start long after the period, November is complete while October has still to begin.
    slow = replace(EAST, offset_days=45)
    assert slow.begins(date(2026, 10, 1)) == at("2026-12-17 02:00") and slow.due_now(at("2026-12-10 12:00:00")) == date(2026, 9, 1)


def walk(schedule, earliest, latest, count=100, *, catchup=True):
    last, found, now = None, [], at("2026-11-22 12:00:00")
    while (start := schedule.next_period(last, earliest=earliest, latest=latest, catchup=catchup, now=now)) is not None and len(found) < count:
        found.append(start)
        last = (midnight(start), midnight(schedule.after(start)))
    return found


def test_three_years_give_each_month_once():
    found = walk(EAST, datetime(2023, 11, 1, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC))
    assert found == [date(year, month, 1) for year in range(2023, 2027) for month in range(1, 13) if (2023, 11) <= (year, month) <= (2026, 10)]
    assert len(found) == 36


def test_bounds_are_inclusive():
    assert walk(EAST, at("2026-01-01 00:00:00"), at("2026-03-01 00:00:00")) == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
    assert walk(EAST, at("2026-01-01 00:00:01"), at("2026-02-28 23:59:59")) == [date(2026, 2, 1)]
    # A date without a time, as it is typed for a backfill, is midnight UTC, which is 08:00 in Shanghai.
    assert walk(EAST, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)) == [date(2026, 1, 1)]
    assert walk(EAST, datetime(2026, 1, 1, 0, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)) == [date(2026, 2, 1)]
    assert walk(EAST, at("2026-06-01 00:00:00"), at("2026-05-01 00:00:00")) == []
    assert EAST.next_period(None, earliest=None, latest=None, catchup=True, now=at("2026-11-22 12:00:00")) is None


def test_without_catchup_the_past_is_passed_over():
    now, october = at("2026-11-10 09:00:00"), (at("2026-10-01 00:00:00"), at("2026-11-01 00:00:00"))
    old = (at("2026-03-01 00:00:00"), at("2026-04-01 00:00:00"))

    def ask(last, earliest="2021-01-01 00:00:00"):
        earliest = at(earliest) if earliest else None
        return EAST.next_period(last, earliest=earliest, latest=None, catchup=False, now=now)

    assert ask(None) == ask(old) == ask(None, None) == date(2026, 10, 1)
    assert ask(october) == date(2026, 11, 1)
    assert ask(None, "2027-01-01 00:00:00") == date(2027, 1, 1)
    # After the deadline: a system that was down still owes October, a new one starts with November.
    now = at("2026-11-20 09:00:00")
    assert (ask(old), ask(None)) == (date(2026, 10, 1), date(2026, 11, 1))


def test_another_schedule_before_gives_no_first_day_twice():
    days = (at("2026-11-01 00:00:00"), at("2026-11-02 00:00:00"))   # a daily run of the 1st has the same first moment as November
    now = at("2026-11-22 12:00:00")
    assert EAST.next_period(days, earliest=None, latest=None, catchup=True, now=now) == date(2026, 12, 1)
    assert EAST.next_period((at("2026-10-15 00:00:00"), at("2026-11-15 00:00:00")), earliest=None, latest=None, catchup=True, now=now) == date(2026, 11, 1)


def test_only_while_the_standard_is_in_force():
    short = replace(EAST, in_force_from=date(2026, 2, 10), in_force_to=date(2026, 5, 30))
    # May ends on the 31st, when the standard is no longer in force.
    assert walk(short, at("2021-01-01 00:00:00"), None) == [date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)]
    assert walk(EAST, at("2019-01-01 00:00:00"), at("2021-02-01 00:00:00")) == [date(2021, 1, 1), date(2021, 2, 1)]


def test_a_leap_year_without_a_calendar(monkeypatch):
    # 1 March 2028 is a Wednesday, 15 March too; 1 July 2028 a Saturday.
    assert EAST.begins(date(2028, 2, 1)) == at("2028-03-01 02:00") and EAST.after(date(2028, 2, 1)) == date(2028, 3, 1)
    assert EAST.begins(date(2028, 6, 1)) == at("2028-07-03 02:00")
    assert EAST.deadline(date(2028, 2, 1)).due == date(2028, 3, 15) and not EAST.deadline(date(2028, 2, 1)).certain
    monkeypatch.setenv("EASTBOUND_LANG", "en")
    assert EAST.about(at("2028-03-01 12:00")) == (
        "2028-02 is due 2028-03-15; begins 2028-03-01 02:00; no calendar of 2028: Monday to Friday are taken as working days")


def test_a_sentence_for_people(monkeypatch):
    monkeypatch.setenv("EASTBOUND_LANG", "en")
    assert EAST.about(at("2026-02-16 12:00")) == "2026-01 is due 2026-02-24 (postponed from 2026-02-15); begins 2026-02-02 02:00"
    assert EAST.about(at("2026-11-17 00:00")) == "2026-11 is due 2026-12-15; begins 2026-12-01 02:00"
    assert schedule_of("audit_life").about(at("2026-08-10 12:00")) == "no deadline; begins 2026-10-08 02:00"
    monkeypatch.setenv("EASTBOUND_LANG", "zh")
    assert EAST.about(at("2026-02-24 12:00")) == "2026-01 应于 2026-02-24 报送（由 2026-02-15 顺延）；2026-02-02 02:00 开始"


def test_what_cannot_be_read_is_told_and_done_without(tmp_path):
    unknown = schedule_of("no_such_standard")
    assert (unknown.frequency, unknown.rule) == ("monthly", None) and "no_such_standard" in unknown.problem
    assert unknown.begins(date(2026, 9, 1)) == at("2026-10-08 02:00")
    write_days(tmp_path, "2026-13-01,holiday,,,")
    (tmp_path / "workspace.yaml").write_text("company: '000999'\npacks: [nowhere]\n", encoding="utf-8")
    broken = schedule_of("east_life_2020", workspace=tmp_path)
    assert "calendar.csv" in broken.problem and "nowhere" in broken.problem
    assert broken.begins(date(2026, 9, 1)) == at("2026-10-08 02:00")
    assert schedule_of("east_life_2020", workspace=tmp_path / "missing").problem == ""
