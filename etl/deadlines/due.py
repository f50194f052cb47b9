"""When periods are due."""

from __future__ import annotations

import calendar as months
from collections.abc import Iterator
from datetime import date, timedelta

from etl.deadlines.definition import DeadlineMissing, DeadlineRule, Obligation, WorkCalendar
from etl.deadlines.loader import Head
from etl.deadlines.workdays import next_working_day
from etl.submission.definition import Period

# No stretch of days off is as long: a deadline is never moved further.
LONGEST_REST = timedelta(days=31)
LENGTH_IN_MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}


def nominal_day(rule: DeadlineRule, period_end: date) -> date:
    """The day that the rule names for a period ending on `period_end`, before any postponement."""
    named = []
    if rule.day is not None:
        year, month = (period_end.year + period_end.month // 12, period_end.month % 12 + 1)
        named.append(date(year, month, min(rule.day, months.monthrange(year, month)[1])))
    if rule.days_after is not None:
        named.append(period_end + timedelta(days=rule.days_after))
    return max(named)


def due_day(rule: DeadlineRule, period_end: date, calendar: WorkCalendar) -> date:
    """The last day on which the period is in time. Raises CalendarYearMissing where it may have to be postponed and the year is not known."""
    nominal = nominal_day(rule, period_end)
    return next_working_day(calendar, nominal) if rule.postpone else nominal


def periods_ending(frequency: str, first: date, last: date) -> Iterator[Period]:
    """Periods of a frequency whose last day lies from `first` to `last`, in order."""
    if frequency not in LENGTH_IN_MONTHS:
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            yield Period(day, day)
        return
    length = LENGTH_IN_MONTHS[frequency]
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        if (month + 1) % length:
            continue
        year, number = month // 12, month % 12 + 1
        end = date(year, number, months.monthrange(year, number)[1])
        if first <= end <= last:
            begin = month - length + 1
            yield Period(date(begin // 12, begin % 12 + 1, 1), end)


def obligations(head: Head, calendar: WorkCalendar, first: date, last: date, *, jurisdiction: str | None = None,
                rule: DeadlineRule | None = None) -> list[Obligation]:
    """What is due from `first` to `last`, in order of the periods; `rule` instead of the standard's own. Only periods on whose last day the
    standard is in force. Raises DeadlineMissing, CalendarYearMissing."""
    rule = rule or head.rule
    if rule is None:
        raise DeadlineMissing(standard=head.name)
    found = []
    reach = LONGEST_REST + timedelta(days=62 + (rule.days_after or 0))
    for period in periods_ending(head.frequency, first - reach, last):
        nominal = nominal_day(rule, period.end)
        in_force = (head.effective_from or date.min) <= period.end <= (head.effective_to or date.max)
        if not in_force or not first - LONGEST_REST <= nominal <= last:
            continue
        due = due_day(rule, period.end, calendar)
        if first <= due <= last:
            found.append(Obligation(head.name, jurisdiction, period.label, period.end, nominal, due))
    return found
