"""What is due, late and done: obligations held against the runs in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from etl.deadlines.definition import DONE, DUE, LATE, CalendarYearMissing, DeadlineRule, Judged, JurisdictionUnknown, Obligation, WorkCalendar, shanghai_day
from etl.deadlines.due import due_day, obligations
from etl.deadlines.loader import load_calendar, load_head, local_deadlines
from etl.deadlines.workdays import company_view, working_days_between
from etl.errors import EastboundError
from etl.packs.roots import PackRoots
from etl.submission.definition import Period

if TYPE_CHECKING:
    from etl.ledger.definition import Run

# How far beyond the end of the year one looks ahead when nothing else is asked: January's deadlines are prepared in December.
AHEAD = timedelta(days=62)


@dataclass(frozen=True)
class Window:
    """The days whose deadlines are asked for; None = chosen for the asker (see `survey`)."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Survey:
    """`judged` by due day. `without_deadline`: standards that name none. `unknown_standards`: have runs, but no pack here.
    `quiet_overlays`: (standard, jurisdiction) with local rules or a deadline of its own, but without any run. `unknown_years`: not looked at."""

    judged: tuple[Judged, ...]
    without_deadline: tuple[str, ...] = ()
    unknown_standards: tuple[str, ...] = ()
    quiet_overlays: tuple[tuple[str, str], ...] = ()
    unknown_years: tuple[CalendarYearMissing, ...] = ()
    known_years: frozenset[int] = frozenset()
    titles: dict[str, dict[str, str]] = field(default_factory=dict)


def jurisdiction_of(run: Run) -> str | None:
    """Whose local rules a run was checked by; None for the national package."""
    return str(run.options.get("jurisdiction") or "") or None


def judge(obligation: Obligation, runs: Iterable[Run], calendar: WorkCalendar, today: date) -> Judged:
    """Done when a run of the period was sealed up to the end of the due day in Shanghai; late when sealed later, or not by `today`.

    Sealing again later, for a correction, does not make a period late that was in time.
    """
    own = [run for run in runs if (run.standard, run.period, jurisdiction_of(run)) == (obligation.standard, obligation.period, obligation.jurisdiction)]
    sealed = min((run for run in own if run.status == "sealed" and run.finished_at), key=lambda run: run.finished_at, default=None)
    if sealed is not None:
        day = shanghai_day(sealed.finished_at)
        return Judged(obligation, DONE if day <= obligation.due else LATE, sealed.id, sealed.status, sealed.finished_at, None, max((day - obligation.due).days, 0))
    latest = max(own, key=lambda run: run.started_at, default=None)
    run, status = (latest.id, latest.status) if latest else (None, None)
    if today > obligation.due:
        return Judged(obligation, LATE, run, status, days_late=(today - obligation.due).days)
    try:
        left = working_days_between(company_view(calendar), today, obligation.due)
    except CalendarYearMissing:
        left = None
    return Judged(obligation, DUE, run, status, working_days_left=left)


def survey(roots: PackRoots, runs: Sequence[Run], today: date, *, workspace: Path | None = None, window: Window | None = None, standards: Sequence[str] = (),
           jurisdictions: Sequence[str] = ()) -> Survey:
    """What is due, late and done of `standards` (default: those with runs), nationally and for the jurisdictions with runs and `jurisdictions`
    (`all`: every one with an overlay).

    Days of the window that are not given: from the deadline of the first period with a run (without one, from the 1st of this month); to the
    end of this year or two months ahead, as far as the calendar is known. A year of a window that is given must be known.
    Raises CalendarYearMissing, JurisdictionUnknown, StandardUnknown, PackFileBroken, Problems.
    """
    window = window or Window()
    names, unknown = _standards(roots, runs, standards)
    heads = [load_head(name, roots) for name in names]
    local = local_deadlines(roots)
    national = load_calendar(roots, workspace)
    last, unknown_years = _last_day(national, today, window)
    if window.first:
        national.need(range(window.first.year, last.year + 1))
    judged: list[Judged] = []
    quiet: list[tuple[str, str]] = []
    calendars: dict[str | None, WorkCalendar] = {None: national}
    everywhere = {head.name: sorted({*roots.overlays(head.name), *(place for name, place in local if name == head.name)}) for head in heads}
    known = sorted({place for places in everywhere.values() for place in places})
    for place in jurisdictions:
        if place not in known and place != "all":
            raise JurisdictionUnknown(standards=", ".join(everywhere) or "-", jurisdiction=place, known=", ".join(known) or "-")
    for head in heads:
        places = everywhere[head.name]
        started = {jurisdiction_of(run) for run in runs if run.standard == head.name}
        asked = sorted({*(place for place in places if place in jurisdictions or "all" in jurisdictions), *(place for place in started if place)})
        quiet += [(head.name, place) for place in places if place not in asked]
        for place in (None, *asked):
            rule = local.get((head.name, place or ""), head.rule)
            if rule is None:
                continue
            if place not in calendars:
                calendars[place] = load_calendar(roots, workspace, place)
            own = [run for run in runs if run.standard == head.name and jurisdiction_of(run) == place]
            first = window.first or _first_day(own, rule, calendars[place], today)
            listed = obligations(head, calendars[place], first, last, jurisdiction=place, rule=rule) if first <= last else []
            by_period: dict[str, list[Run]] = {}
            for run in own:
                by_period.setdefault(run.period, []).append(run)
            judged += [judge(one, by_period.get(one.period, ()), calendars[place], today) for one in listed]
    judged.sort(key=lambda one: (one.obligation.due, one.obligation.standard, one.obligation.jurisdiction or "", one.obligation.period_end))
    return Survey(tuple(judged), tuple(head.name for head in heads if head.rule is None), unknown, tuple(quiet), unknown_years, national.years,
                  {head.name: head.title for head in heads})


def _standards(roots: PackRoots, runs: Sequence[Run], asked: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Names of the standards to look at, and of those that have runs but no pack. The name of a family stands for its editions."""
    from etl.standard.editions import editions
    from etl.standard.loader import standard_names

    known = standard_names(roots)
    if asked:
        names = [each for name in asked for each in ([name] if name in known else [one.standard for one in editions(name, roots)] or [name])]
        return list(dict.fromkeys(names)), ()
    ran = sorted({run.standard for run in runs})
    return [name for name in ran if name in known], tuple(name for name in ran if name not in known)


def _last_day(calendar: WorkCalendar, today: date, window: Window) -> tuple[date, tuple[CalendarYearMissing, ...]]:
    """The end of the window, and the years that it was cut short of because nothing is known of them."""
    if window.last:
        calendar.need((window.last.year,))
        return window.last, ()
    calendar.need((today.year,))
    end = date(today.year, 12, 31)
    wanted = max(end, today + AHEAD)
    if wanted.year == today.year or calendar.knows(wanted.year):
        return wanted, ()
    return end, (calendar.missing(wanted.year),)


def _first_day(runs: Sequence[Run], rule: DeadlineRule, calendar: WorkCalendar, today: date) -> date:
    """The deadline of the first period with a run; without one, the 1st of this month."""
    days = []
    for run in runs:
        try:
            days.append(due_day(rule, Period.parse(run.period).end, calendar))
        except EastboundError:
            continue  # a period of another kind, or in a year without a calendar
    return min(days, default=today.replace(day=1))
