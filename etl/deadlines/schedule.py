"""When the run of a period begins: early enough for its deadline, and not before the period is over. For schedulers: nothing here raises.

A period is named by its first day. Moments are Asia/Shanghai, which knows no summer time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from etl.deadlines.definition import SHANGHAI, DeadlineRule, WorkCalendar, shanghai_day
from etl.deadlines.due import LENGTH_IN_MONTHS
from etl.deadlines.loader import load_head
from etl.deadlines.timetable import NextDeadline, deadline_of, next_deadline, timetable_calendar
from etl.deadlines.workdays import ONE_DAY, add_working_days, company_view, lenient
from etl.language import say
from etl.packs.roots import PackRoots

# Further back than that nobody looks for the period whose run is under way: a quarter, its deadline and a long holiday.
LOOK_BACK = 400


@dataclass(frozen=True)
class Schedule:
    """When runs of a standard begin.

    A daily period begins the next day at `at`, working day or not. A longer one begins on the first working day after its end, or, with
    `lead_working_days`, that many working days before its deadline; `offset_days` moves it by calendar days; never before the period is over.
    `problem`: what could not be read, '' for nothing; the answers are then the best that can be given.
    """

    frequency: str = "monthly"
    rule: DeadlineRule | None = None
    calendar: WorkCalendar = field(default_factory=lambda: WorkCalendar(lenient=True))
    at: time = time(2)
    lead_working_days: int | None = None
    offset_days: int = 0
    in_force_from: date = date.min
    in_force_to: date = date.max
    problem: str = ""

    def period_of(self, day: date | datetime) -> date:
        """First day of the period in which a day lies."""
        day = shanghai_day(day)
        if self.frequency not in LENGTH_IN_MONTHS:
            return day
        month = day.year * 12 + day.month - 1
        return _month(month - month % LENGTH_IN_MONTHS[self.frequency])

    def after(self, start: date) -> date:
        """First day of the next period."""
        if self.frequency not in LENGTH_IN_MONTHS:
            return start + ONE_DAY
        return _month(start.year * 12 + start.month - 1 + LENGTH_IN_MONTHS[self.frequency])

    def before(self, start: date) -> date:
        """First day of the period before."""
        return self.period_of(start - ONE_DAY)

    def complete_at(self, moment: date | datetime) -> date:
        """First day of the last period that is over on the Shanghai day of `moment`."""
        return self.before(self.period_of(moment))

    def deadline(self, start: date) -> NextDeadline | None:
        """The deadline of a period; None where the standard names none."""
        return deadline_of(self.rule, start, self.after(start) - ONE_DAY, self.calendar)

    def begins(self, start: date) -> datetime:
        """The moment at which the run of a period begins."""
        first = self.after(start)
        working, deadline = company_view(self.calendar), self.deadline(start)
        if self.frequency not in LENGTH_IN_MONTHS:
            day = first
        elif self.lead_working_days is not None and deadline is not None:
            day = add_working_days(working, deadline.due, -max(self.lead_working_days, 0))
        else:
            day = add_working_days(working, first - ONE_DAY, 1)
        return datetime.combine(max(day + timedelta(days=self.offset_days), first), self.at, SHANGHAI)

    def due_now(self, now: datetime, *, late_too: bool = True) -> date:
        """The latest period whose run should have begun by `now`. Without `late_too`, the next one where its deadline has passed: nobody wants
        a system that starts with a period that is over and done with."""
        start = self.period_of(now)
        for _ in range(LOOK_BACK):
            start = self.before(start)
            if self.begins(start) <= now:
                break
        deadline = self.deadline(start)
        passed = deadline is not None and deadline.due < shanghai_day(now)
        return self.after(start) if passed and not late_too else start

    def next_period(self, last: tuple[datetime, datetime] | None, *, earliest: datetime | None, latest: datetime | None, catchup: bool,
                    now: datetime) -> date | None:
        """The period to plan after the interval `last` (None: nothing was run), or None.

        Not before `earliest` nor after `latest`, both inclusive and about a period's first moment; midnight UTC stands for the plain date that
        somebody typed. Without `catchup`, periods of the past are passed over. Only periods on whose last day the standard is in force.
        """
        floors = [self.first_from(earliest)] if earliest is not None else []
        if not catchup:
            floors.append(self.due_now(now, late_too=last is not None))
        if self.in_force_from > date.min:
            floors.append(self.period_of(self.in_force_from))
        if last is not None:
            start = self.period_of(last[1])
            # Where another schedule left off inside a period, the same first day must not be given out twice.
            floors.append(start if start > shanghai_day(last[0]) else self.after(start))
        elif earliest is None and catchup:
            return None
        start = max(floors)
        if latest is not None and midnight(start) > latest:
            return None
        return start if self.after(start) - ONE_DAY <= self.in_force_to else None

    def first_from(self, earliest: datetime) -> date:
        """The first period that begins at `earliest` or later."""
        utc = earliest.astimezone(UTC) if earliest.tzinfo else earliest
        if utc.time() == time():
            day = utc.date()
        else:
            day = shanghai_day(earliest)
            day += ONE_DAY if midnight(day) < earliest else timedelta()
        start = self.period_of(day)
        return start if start >= day else self.after(start)

    def about(self, now: datetime) -> str:
        """A sentence on the next deadline and the run before it."""
        deadline = next_deadline(self.frequency, self.rule, shanghai_day(now) - ONE_DAY, self.calendar)
        if deadline is None:
            start = self.due_now(now)
            begins = self.begins(start) if self.begins(start) >= now else self.begins(self.after(start))
            zh, en, days = "无报送期限", "no deadline", {begins.year}
        else:
            begins, moved = self.begins(deadline.period_start), deadline.due != deadline.nominal
            zh = f"{deadline.period} 应于 {deadline.due} 报送" + (f"（由 {deadline.nominal} 顺延）" if moved else "")
            en = f"{deadline.period} is due {deadline.due}" + (f" (postponed from {deadline.nominal})" if moved else "")
            days = {begins.year} | ({deadline.nominal.year, deadline.due.year} if not deadline.certain else set())
        unknown = ", ".join(str(year) for year in sorted(days) if self.frequency in LENGTH_IN_MONTHS and not self.calendar.knows(year))
        return say(f"{zh}；{begins:%Y-%m-%d %H:%M} 开始" + (f"；没有 {unknown} 年的放假数据，暂按周一至周五推算" if unknown else ""),
                   f"{en}; begins {begins:%Y-%m-%d %H:%M}" + (f"; no calendar of {unknown}: Monday to Friday are taken as working days" if unknown else ""))


def schedule_of(standard: str, *, workspace: Path | None = None, packs: Iterable[str] = (), frequency: str | None = None, at: time = time(2),
                lead_working_days: int | None = None, offset_days: int = 0) -> Schedule:
    """The schedule of a standard as a workspace sees it. What cannot be read is told in `problem`, and done without."""
    problems = []
    roots, problem = _roots(workspace, packs)
    problems.append(problem)
    calendar, problem = timetable_calendar(roots, workspace if workspace and workspace.is_dir() else None)
    problems.append(problem)
    rule, since, until, told = None, None, None, "monthly"
    try:
        head = load_head(standard, roots)
        rule, since, until, told = head.rule, head.effective_from, head.effective_to, head.frequency
    except Exception as error:  # noqa: BLE001 - a scheduler must go on
        problems.append(str(error))
    return Schedule(frequency or told, rule, lenient(calendar), at, lead_working_days, offset_days, since or date.min, until or date.max,
                    "; ".join(problem for problem in problems if problem))


def midnight(day: date) -> datetime:
    """The first moment of a day in Shanghai."""
    return datetime.combine(day, time(), SHANGHAI)


def _roots(workspace: Path | None, packs: Iterable[str]) -> tuple[PackRoots, str]:
    """The packs of a workspace, or the built-in ones where they cannot be found."""
    from etl.workspace import SETTINGS, Workspace

    try:
        own = Workspace.open(workspace).packs if workspace and (workspace / SETTINGS).is_file() else ()
        return PackRoots.of(*own, *packs), ""
    except Exception as error:  # noqa: BLE001 - as above
        return PackRoots.of(), str(error)


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)
