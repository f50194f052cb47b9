"""Arithmetic with working days: make-up Saturdays and Sundays count, public holidays do not.

All functions take a `WorkCalendar` and raise CalendarYearMissing where it does not know a year that they have to look at.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from etl.deadlines.definition import WorkCalendar, shanghai_day

ONE_DAY = timedelta(days=1)


def company_view(calendar: WorkCalendar) -> WorkCalendar:
    """The calendar with the company's own days off and working days in it."""
    return replace(calendar, days={**calendar.days, **calendar.company}, company={}) if calendar.company else calendar


def lenient(calendar: WorkCalendar) -> WorkCalendar:
    """The calendar that takes Monday to Friday as working days in years it does not know, and never raises."""
    return replace(calendar, lenient=True)


def is_working_day(calendar: WorkCalendar, day: date) -> bool:
    """Is it worked on `day`? Raises CalendarYearMissing."""
    day = shanghai_day(day)
    calendar.need((day.year,))
    special = calendar.days.get(day)
    return special.working if special else day.weekday() < 5


def next_working_day(calendar: WorkCalendar, day: date) -> date:
    """`day` itself if it is a working day, else the first one after it."""
    day = shanghai_day(day)
    while not is_working_day(calendar, day):
        day += ONE_DAY
    return day


def previous_working_day(calendar: WorkCalendar, day: date) -> date:
    """`day` itself if it is a working day, else the last one before it."""
    day = shanghai_day(day)
    while not is_working_day(calendar, day):
        day -= ONE_DAY
    return day


def add_working_days(calendar: WorkCalendar, day: date, count: int) -> date:
    """The `count`-th working day after `day` (before it for a negative count); `day` itself for 0, whatever it is."""
    day = shanghai_day(day)
    step = ONE_DAY if count > 0 else -ONE_DAY
    for _ in range(abs(count)):
        day += step
        while not is_working_day(calendar, day):
            day += step
    return day


def working_days_between(calendar: WorkCalendar, first: date, last: date) -> int:
    """How many working days lie after `first` up to and including `last`; negative, with the sides exchanged, when `last` is earlier."""
    first, last = shanghai_day(first), shanghai_day(last)
    if last < first:
        return -working_days_between(calendar, last, first)
    return sum(is_working_day(calendar, first + timedelta(days=n)) for n in range(1, (last - first).days + 1))
