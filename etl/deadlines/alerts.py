"""The ladder of alerts before a deadline: some working days ahead, then hours on the day itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from etl.deadlines.definition import SHANGHAI, WorkCalendar
from etl.deadlines.workdays import add_working_days, company_view

WORKING_DAYS = (5, 2, 1)
HOURS = (8, 4, 2, 1)
MORNING, CLOSE = time(9), time(18)


@dataclass(frozen=True)
class Alert:
    """One step of the ladder: at `at` (Asia/Shanghai), with `working_days` left, or on the day itself `hours` until the office closes."""

    at: datetime
    working_days: int = 0
    hours: int | None = None


def alert_ladder(due: date, calendar: WorkCalendar, *, working_days: Sequence[int] = WORKING_DAYS, hours: Sequence[int] = HOURS,
                 morning: time = MORNING, close: time = CLOSE) -> tuple[Alert, ...]:
    """The alerts of a deadline, the earliest first. Working days are the company's. Raises CalendarYearMissing; give a `lenient` calendar
    where that must not be. `hours` count back from `close`, the end of the office day (the deadline itself is the end of the day)."""
    days = company_view(calendar)
    steps = [Alert(datetime.combine(add_working_days(days, due, -left), morning, SHANGHAI), left) for left in working_days if left > 0]
    steps += [Alert(datetime.combine(due, close, SHANGHAI) - timedelta(hours=left), 0, left) for left in hours]
    return tuple(sorted(steps, key=lambda step: step.at))


def alert_reached(ladder: Iterable[Alert], now: datetime) -> Alert | None:
    """The last step whose time has come, None before the first: a sender that notes the step it sent never sends one twice."""
    return max((step for step in ladder if step.at <= now), key=lambda step: step.at, default=None)
