"""What a timetable asks, and gets an answer to whatever is missing: none of these functions raises.

A scheduler that meets an exception in a timetable stops planning every run. Where the calendar of a year is missing, Monday to Friday are
taken as working days and the answer says `certain: False`: plan with it, and let the run itself ask the strict functions and tell people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from etl.deadlines.definition import SHANGHAI, DeadlineRule, WorkCalendar, shanghai_day
from etl.deadlines.due import LONGEST_REST, due_day, nominal_day, periods_ending
from etl.deadlines.loader import load_calendar
from etl.deadlines.workdays import lenient
from etl.packs.roots import PackRoots


@dataclass(frozen=True)
class NextDeadline:
    """A deadline, by its period. `ready_at`: the first moment after the period. `certain`: the calendar knows the years it lies in."""

    period: str
    period_start: date
    period_end: date
    nominal: date
    due: date
    ready_at: datetime
    certain: bool


def timetable_calendar(roots: PackRoots | None = None, workspace: Path | None = None, jurisdiction: str | None = None) -> tuple[WorkCalendar, str]:
    """A calendar that never raises, and what is wrong with the files ('' for nothing): a broken file of days is passed over."""
    try:
        return lenient(load_calendar(roots, workspace, jurisdiction)), ""
    except Exception as error:  # noqa: BLE001 - see the module: a timetable must not fail, and is told why it knows less
        problem = str(error)
    try:
        return lenient(load_calendar(PackRoots.of())), problem
    except Exception:  # noqa: BLE001 - even the built-in days are broken: weekends are all that is known
        return WorkCalendar(lenient=True), problem


def next_deadline(frequency: str, rule: DeadlineRule | None, after: date | datetime, calendar: WorkCalendar) -> NextDeadline | None:
    """The first deadline after the Shanghai day of `after`; None without a rule."""
    return _nearest(frequency, rule, after, calendar, forward=True)


def previous_deadline(frequency: str, rule: DeadlineRule | None, before: date | datetime, calendar: WorkCalendar) -> NextDeadline | None:
    """The last deadline before the Shanghai day of `before`; None without a rule."""
    return _nearest(frequency, rule, before, calendar, forward=False)


def deadline_of(rule: DeadlineRule | None, start: date, end: date, calendar: WorkCalendar) -> NextDeadline | None:
    """The deadline of the period from `start` to `end`; None without a rule."""
    try:
        return None if rule is None else _deadline(rule, start, end, calendar)
    except Exception:  # noqa: BLE001 - dates at the end of time
        return None


def _nearest(frequency: str, rule: DeadlineRule | None, moment: date | datetime, calendar: WorkCalendar, *, forward: bool) -> NextDeadline | None:
    if rule is None:
        return None
    try:
        day = shanghai_day(moment)
        reach = LONGEST_REST + timedelta(days=62 + (rule.days_after or 0))
        # A year holds at least one period of every frequency.
        first, last = (day - reach, day + timedelta(days=400)) if forward else (day - reach - timedelta(days=400), day)
        periods = list(periods_ending(frequency, first, last))
        for period in periods if forward else reversed(periods):
            found = _deadline(rule, period.start, period.end, calendar)
            if (found.due > day) if forward else (found.due < day):
                return found
    except Exception:  # noqa: BLE001 - see the module
        return None
    return None


def _deadline(rule: DeadlineRule, start: date, end: date, calendar: WorkCalendar) -> NextDeadline:
    from etl.submission.definition import Period

    nominal, due = nominal_day(rule, end), due_day(rule, end, lenient(calendar))
    certain = not rule.postpone or all(calendar.knows(year) for year in range(nominal.year, due.year + 1))
    ready = datetime.combine(end + timedelta(days=1), time(), SHANGHAI)
    return NextDeadline(Period(start, end).label, start, end, nominal, due, ready, certain)
