"""Deadlines of 2026, worked out on paper: 1 January 2026 is a Thursday, days off as in the notice 国办发明电〔2025〕7号."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.deadlines.definition import CalendarYearMissing, DeadlineMissing, DeadlineRule
from etl.deadlines.due import due_day, nominal_day, obligations, periods_ending
from etl.deadlines.loader import Head, load_calendar, load_head
from etl.deadlines.workdays import is_working_day

CALENDAR = load_calendar()

# period -> (due for the 15th, due for the 20th)
ANSWERS_2026 = {
    "2025-12": ("2026-01-15", "2026-01-20"),    # Thursday, Tuesday
    "2026-01": ("2026-02-24", "2026-02-24"),    # both inside the Spring Festival, 15 to 23 February
    "2026-02": ("2026-03-16", "2026-03-20"),    # Sunday to Monday; Friday
    "2026-03": ("2026-04-15", "2026-04-20"),    # Wednesday, Monday
    "2026-04": ("2026-05-15", "2026-05-20"),    # Friday, Wednesday
    "2026-05": ("2026-06-15", "2026-06-22"),    # Monday; the Saturday of the Dragon Boat Festival, 19 to 21 June
    "2026-06": ("2026-07-15", "2026-07-20"),    # Wednesday, Monday
    "2026-07": ("2026-08-17", "2026-08-20"),    # Saturday to Monday; Thursday
    "2026-08": ("2026-09-15", "2026-09-20"),    # Tuesday; Sunday 20 September is a make-up working day: not moved
    "2026-09": ("2026-10-15", "2026-10-20"),    # Thursday, Tuesday
    "2026-10": ("2026-11-16", "2026-11-20"),    # Sunday to Monday; Friday
    "2026-11": ("2026-12-15", "2026-12-21"),    # Tuesday; Sunday to Monday
}


@pytest.mark.parametrize(("standard", "column"), [("east_life_2020", 0), ("east_life_2024", 1)])
def test_all_deadlines_of_2026(standard, column):
    found = obligations(load_head(standard), CALENDAR, date(2026, 1, 1), date(2026, 12, 31))
    assert {one.period: one.due.isoformat() for one in found} == {period: days[column] for period, days in ANSWERS_2026.items()}
    assert [one.period for one in found] == list(ANSWERS_2026)
    assert {one.nominal.day for one in found} == {(15, 20)[column]}


@pytest.mark.parametrize(("day", "period_end", "due"), [
    (14, "2026-01-31", "2026-02-14"),   # make-up Saturday before the Spring Festival
    (28, "2026-01-31", "2026-02-28"),   # make-up Saturday after it
    (9, "2026-04-30", "2026-05-09"),    # make-up Saturday
    (10, "2026-09-30", "2026-10-10"),   # make-up Saturday
    (4, "2025-12-31", "2026-01-04"),    # make-up Sunday
    (1, "2025-12-31", "2026-01-04"),    # New Year's Day to the make-up Sunday
    (1, "2026-09-30", "2026-10-08"),    # the National Day week
    (4, "2026-03-31", "2026-04-07"),    # Tomb-sweeping, Saturday to Monday
    (31, "2026-01-31", "2026-02-28"),   # a shorter month: its last day
    (31, "2026-10-31", "2026-11-30"),
])
def test_other_days_of_the_month(day, period_end, due):
    assert due_day(DeadlineRule(day), date.fromisoformat(period_end), CALENDAR).isoformat() == due


def test_across_the_end_of_a_year():
    assert nominal_day(DeadlineRule(15), date(2025, 12, 31)) == date(2026, 1, 15)
    assert due_day(DeadlineRule(31), date(2025, 11, 30), CALENDAR) == date(2025, 12, 31)
    assert due_day(DeadlineRule(days_after=1, postpone=True), date(2025, 12, 31), CALENDAR) == date(2026, 1, 4)
    # Saturday 27 December 2025 goes to Monday 29 December, inside the year.
    assert due_day(DeadlineRule(27), date(2025, 11, 30), CALENDAR) == date(2025, 12, 29)


def test_a_deadline_in_a_year_without_data_is_refused():
    assert due_day(DeadlineRule(15), date(2026, 11, 30), CALENDAR) == date(2026, 12, 15)
    with pytest.raises(CalendarYearMissing, match="2098"):
        due_day(DeadlineRule(15), date(2097, 12, 31), CALENDAR)
    # Never postponed: no calendar is needed.
    assert due_day(DeadlineRule(days_after=1, postpone=False), date(2097, 12, 31), CALENDAR) == date(2098, 1, 1)


def test_the_registry_is_due_the_next_day_whatever_day_that_is():
    head = load_head("registry_life_2")
    assert head.frequency == "daily" and head.rule == DeadlineRule(None, 1, postpone=False)
    found = obligations(head, CALENDAR, date(2026, 10, 1), date(2026, 10, 3))
    assert [(one.period, one.due.isoformat()) for one in found] == [("2026-09-30", "2026-10-01"), ("2026-10-01", "2026-10-02"), ("2026-10-02", "2026-10-03")]


def test_only_periods_in_which_the_standard_is_in_force():
    head = Head("some", {}, "monthly", DeadlineRule(15), date(2026, 3, 1), date(2026, 5, 31))
    assert [one.period for one in obligations(head, CALENDAR, date(2026, 1, 1), date(2026, 12, 31))] == ["2026-03", "2026-04", "2026-05"]


def test_the_window_is_one_of_due_days_not_of_nominal_ones():
    head = Head("some", {}, "monthly", DeadlineRule(15))
    assert [one.period for one in obligations(head, CALENDAR, date(2026, 2, 24), date(2026, 3, 15))] == ["2026-01"]
    assert obligations(head, CALENDAR, date(2026, 2, 15), date(2026, 2, 23)) == []


def test_quarters_and_years():
    quarterly = Head("some", {}, "quarterly", DeadlineRule(20))
    assert [(one.period, one.due.isoformat()) for one in obligations(quarterly, CALENDAR, date(2026, 1, 1), date(2026, 12, 31))] == [
        ("2025Q4", "2026-01-20"), ("2026Q1", "2026-04-20"), ("2026Q2", "2026-07-20"), ("2026Q3", "2026-10-20")]
    assert [period.label for period in periods_ending("yearly", date(2025, 1, 1), date(2026, 12, 30))] == ["2025-01-01..2025-12-31"]


def test_both_kinds_of_deadline_the_later_counts():
    assert nominal_day(DeadlineRule(15, 20), date(2026, 10, 31)) == date(2026, 11, 20)
    assert nominal_day(DeadlineRule(15, 2), date(2026, 10, 31)) == date(2026, 11, 15)


def test_what_is_postponed_unless_the_pack_says_otherwise():
    assert DeadlineRule.of({"day": 15}).postpone is True
    assert DeadlineRule.of({"days_after": 1}).postpone is False
    assert DeadlineRule.of({"days_after": 1, "postpone": True}).postpone is True
    assert DeadlineRule.of({"day": 15, "postpone": False}).postpone is False
    assert DeadlineRule.of({}) is None and DeadlineRule.of(None) is None


def test_a_standard_without_a_deadline():
    head = load_head("audit_life")
    assert head.rule is None
    with pytest.raises(DeadlineMissing) as caught:
        obligations(head, CALENDAR, date(2026, 1, 1), date(2026, 12, 31))
    assert "audit_life" in caught.value.sentence("zh") and "deadline: {day: 15}" in caught.value.sentence("en")


@given(st.integers(1, 31), st.dates(date(2005, 1, 1), date(2026, 10, 31)))
def test_a_deadline_is_the_first_working_day_from_the_nominal_one(day, period_end):
    rule = DeadlineRule(day)
    nominal, due = nominal_day(rule, period_end), due_day(rule, period_end, CALENDAR)
    assert due >= nominal > period_end and is_working_day(CALENDAR, due)
    assert not any(is_working_day(CALENDAR, nominal + timedelta(days=n)) for n in range((due - nominal).days))


@given(st.integers(1, 31), st.dates(date(2005, 2, 1), date(2026, 9, 30)), st.integers(0, 400))
def test_every_deadline_in_a_window_is_found_once(day, first, length):
    head = Head("some", {}, "monthly", DeadlineRule(day))
    last = min(first + timedelta(days=length), date(2026, 12, 1))
    found = [one.due for one in obligations(head, CALENDAR, first, last)]
    month_ends = [date(y, m, 1) - timedelta(days=1) for y in range(2004, 2028) for m in range(1, 13) if date(2004, 3, 1) <= date(y, m, 1) <= date(2026, 12, 1)]
    expected = [due for end in month_ends if first <= (due := due_day(head.rule, end, CALENDAR)) <= last]
    assert found == expected
