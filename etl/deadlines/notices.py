"""What needs people now: each thing as a notice with the step it has come to, so that a step is told once.

| kind | step | again |
|---|---|---|
| late | the last working morning | every working day until a run is sealed |
| deadline | the last step of the ladder that was reached: `5d`, `2d`, `1d`, `8h` ... | at the next step |
| blocked | the run | a new run |
| failed | the run, and when it ended | when it ends so again |
| waiting | working days since it was sealed: `0d`, `2d`, `5d` | at the next step; a new decision begins anew |
| calendar | the year that is missing, or the file that is broken; the month | once a month |

Only names, numbers and moments are in a notice; no value of a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from etl.deadlines.alerts import MORNING, alert_ladder, alert_reached
from etl.deadlines.definition import DUE, LATE, SHANGHAI, CalendarYearMissing, Judged, WorkCalendar, shanghai_day
from etl.deadlines.status import Survey, survey
from etl.deadlines.timetable import timetable_calendar
from etl.deadlines.workdays import company_view, previous_working_day, working_days_between
from etl.errors import EastboundError
from etl.ledger.definition import BLOCKED, FAILED, INTERRUPTED, RUNNING, Run
from etl.packs.roots import PackRoots
from etl.submission.definition import Period

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.workspace import Workspace

KINDS = ("late", "deadline", "blocked", "failed", "waiting", "calendar")
TOP_RULES = 5
WAITING_STEPS = (5, 2, 0)
DAY_LENGTH = len("2026-10-31")


@dataclass(frozen=True)
class Notice:
    """One thing to see to. `subject` and `step` name it for good; `zh` and `en` are its line, `more` the lines below it."""

    kind: str
    subject: str
    step: str
    zh: str
    en: str
    more: tuple[tuple[str, str], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.kind} {self.subject} {self.step}"


def collect(workspace: Workspace, ledger: Ledger, now: datetime, packs: Sequence[str] = ()) -> list[Notice]:
    """Everything that needs people at `now`, told or not, the most pressing kind first."""
    roots = PackRoots.of(*workspace.packs, *packs)
    ledger.mark_interrupted()
    runs = ledger.runs(parts=True)
    calendar, _ = timetable_calendar(roots, workspace.root)
    calendar = company_view(calendar)
    found: list[Notice] = []
    try:
        surveyed = survey(roots, runs, shanghai_day(now), workspace=workspace.root)
    except EastboundError as error:
        found.append(_broken_calendar(error, now))
    else:
        found += [_broken_calendar(error, now) for error in surveyed.unknown_years]
        found += [*_late(surveyed, calendar, now), *_deadlines(surveyed, calendar, now)]
    for run in _latest(runs):
        if run.status == BLOCKED:
            found.append(_blocked(ledger, run))
        elif run.status in (FAILED, INTERRUPTED) and (run.message or {}).get("code") != "stopped":
            found.append(_failed(run))
    found += _waiting(workspace, ledger, calendar, now)
    return sorted(found, key=lambda one: KINDS.index(one.kind))


def _name(standard: str, period: str, jurisdiction: str | None) -> str:
    return " ".join(part for part in (standard, period, jurisdiction) if part)


def _late(found: Survey, calendar: WorkCalendar, now: datetime) -> Iterable[Notice]:
    """Periods whose day has passed without a sealed run; days of a daily standard in one notice."""
    groups: dict[tuple[str, ...], list[Judged]] = defaultdict(list)
    for judged in found.judged:
        one = judged.obligation
        if judged.state == LATE and judged.sealed_at is None:
            groups[(one.standard, one.jurisdiction or "", "" if len(one.period) == DAY_LENGTH else one.period)].append(judged)
    morning = last_working_morning(calendar, now)
    for late in groups.values():
        first, last = late[0], late[-1]
        one = first.obligation
        period = one.period if len(late) == 1 else f"{one.period}..{last.obligation.period}"
        name = _name(one.standard, period, one.jurisdiction)
        days_zh, days_en = (f"共 {len(late)} 日，", f"{len(late)} days, ") if len(late) > 1 else ("", "")
        run_zh, run_en = _state(last)
        yield Notice("late", _name(one.standard, one.period if len(one.period) != DAY_LENGTH else "", one.jurisdiction), str(max(morning, one.due + timedelta(days=1))),
                     f"{name}：{days_zh}期限 {one.due}，已迟 {first.days_late} 日{run_zh}", f"{name}: {days_en}was due {one.due}, {first.days_late} day(s) late{run_en}",
                     facts={"standard": one.standard, "period": period, "jurisdiction": one.jurisdiction, "due": one.due.isoformat(), "days_late": first.days_late,
                            "periods": len(late), "run": last.run, "run_status": last.run_status})


def _deadlines(found: Survey, calendar: WorkCalendar, now: datetime) -> Iterable[Notice]:
    """Periods not sealed yet that have come to a step of the ladder. Steps before the end of the period are none."""
    for judged in found.judged:
        one = judged.obligation
        if judged.state != DUE:
            continue
        over = datetime.combine(Period.parse(one.period).end + timedelta(days=1), time(), SHANGHAI)
        reached = alert_reached((step for step in alert_ladder(one.due, calendar) if step.at >= over), now)
        if reached is None:
            continue
        name, (run_zh, run_en) = _name(one.standard, one.period, one.jurisdiction), _state(judged)
        if reached.hours is not None:
            left = (f"今日截止，距 18:00 不到 {reached.hours} 小时", f"due today, less than {reached.hours} h before 18:00")
        else:
            days = working_days_between(calendar, now.astimezone(SHANGHAI).date(), one.due)
            left = (f"还剩 {days} 个工作日", f"{days} working day(s) left") if days else ("今日截止", "due today")
        yield Notice("deadline", name, f"{reached.hours}h" if reached.hours is not None else f"{reached.working_days}d",
                     f"{name}：期限 {one.due}，{left[0]}{run_zh}", f"{name}: due {one.due}, {left[1]}{run_en}",
                     facts={"standard": one.standard, "period": one.period, "jurisdiction": one.jurisdiction, "due": one.due.isoformat(),
                            "working_days_left": judged.working_days_left, "run": judged.run, "run_status": judged.run_status})


def _state(judged: Judged) -> tuple[str, str]:
    """What the latest run of a period is doing, for the end of a line."""
    names = {RUNNING: ("进行中", "is running"), BLOCKED: ("已阻断", "is blocked"), FAILED: ("失败", "failed"), INTERRUPTED: ("中断", "was interrupted")}
    if judged.run is None or judged.run_status not in names:
        return "，尚未运行", ", not run yet"
    zh, en = names[judged.run_status]
    return f"，运行 {judged.run} {zh}", f", run {judged.run} {en}"


def _latest(runs: Iterable[Run]) -> list[Run]:
    """The latest run of every period, the latest period first."""
    last: dict[tuple[str, str, str | None], Run] = {}
    for run in runs:  # from the latest on
        last.setdefault((run.standard, run.period, run.jurisdiction), run)
    return sorted(last.values(), key=lambda run: (run.period, run.standard), reverse=True)


def _blocked(ledger: Ledger, run: Run) -> Notice:
    """One notice for all findings of a run: how many, and the rules with the most."""
    failing = [one for one in ledger.findings(run.id) if one.outcome in ("failed", "errored")]
    counts = {one.rule: one.failed or 1 for one in failing if one.severity == "error"}
    warnings = sum(one.failed or 1 for one in failing if one.severity == "warning")
    top = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:TOP_RULES]
    name, errors = _name(run.standard, run.period, run.jurisdiction), sum(counts.values())
    more = [(f"{rule}：{count} 处", f"{rule}: {count}") for rule, count in top]
    if len(counts) > len(top):
        more.append((f"另有 {len(counts) - len(top)} 条规则；eastbound findings --run {run.id} --severity error",
                     f"and {len(counts) - len(top)} more rules; eastbound findings --run {run.id} --severity error"))
    return Notice("blocked", run.id, "blocked", f"{name}：运行 {run.id} 有 {errors} 处错误（{len(counts)} 条规则）、{warnings} 处警告，未封包",
                  f"{name}: run {run.id} has {errors} error(s) of {len(counts)} rule(s) and {warnings} warning(s), nothing is sealed", tuple(more),
                  {"standard": run.standard, "period": run.period, "jurisdiction": run.jurisdiction, "run": run.id, "errors": errors, "warnings": warnings,
                   "rules": len(counts), "top_rules": [{"rule": rule, "findings": count} for rule, count in top]})


def _failed(run: Run) -> Notice:
    name, code = _name(run.standard, run.period, run.jurisdiction), str((run.message or {}).get("code") or "?")
    told = ("失败", "failed") if run.status == FAILED else ("中断", "was interrupted")
    ended, owner = run.finished_at or run.started_at, run.options.get("owner")
    # A run of a scheduler is best taken up there: its tasks know what is left.
    there_zh, there_en = (f"在调度中重试 {owner}，或 ", f"try it again in the scheduler ({owner}), or ") if owner else ("", "")
    return Notice("failed", run.id, ended.isoformat(timespec="seconds"), f"{name}：运行 {run.id} {told[0]}（{code}）；继续：{there_zh}eastbound resume {run.id}",
                  f"{name}: run {run.id} {told[1]} ({code}); go on with: {there_en}eastbound resume {run.id}",
                  facts={"standard": run.standard, "period": run.period, "jurisdiction": run.jurisdiction, "run": run.id, "status": run.status, "code": code,
                         "at": ended.isoformat(timespec="seconds")})


def _waiting(workspace: Workspace, ledger: Ledger, calendar: WorkCalendar, now: datetime) -> Iterable[Notice]:
    """Sealed packages that nobody has decided on, or whose last decision was against them."""
    from etl.approvals.summary import WAITING, waiting
    from etl.ledger.approvals import REJECTED, ApprovalBook

    book = ApprovalBook(ledger)
    for run, state in waiting(ledger, workspace.company):
        last = book.last(run.id) if state != WAITING else None
        since = last.at if last else run.finished_at or run.started_at
        days = working_days_between(calendar, shanghai_day(since), shanghai_day(now))
        step = next((step for step in WAITING_STEPS if days >= step), 0)
        name, at = _name(run.standard, run.period, run.jurisdiction), f"{since.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
        if state == REJECTED:
            zh, en = f"{name}：运行 {run.id} 的报送包已于 {at} 被退回，请更正后重新运行", f"{name}: the package of run {run.id} was rejected at {at}; mend it and run again"
        else:
            zh = f"{name}：运行 {run.id} 的报送包自 {at} 待批准；eastbound approve {run.id}"
            en = f"{name}: the package of run {run.id} waits for approval since {at}; eastbound approve {run.id}"
        yield Notice("waiting", run.id, f"{state}{last.number if last else ''} {step}d", zh, en,
                     facts={"standard": run.standard, "period": run.period, "jurisdiction": run.jurisdiction, "run": run.id, "state": state,
                            "since": since.isoformat(timespec="seconds"), "working_days": days})


def _broken_calendar(error: EastboundError, now: datetime) -> Notice:
    year = error.values.get("year") if isinstance(error, CalendarYearMissing) else None
    lines = [tuple(text.splitlines()) for text in (error.sentence("zh"), error.sentence("en"))]
    return Notice("calendar", str(year or type(error).__name__), f"{shanghai_day(now):%Y-%m}", lines[0][0], lines[1][0],
                  tuple(zip(lines[0][1:], lines[1][1:])), {"year": year, "error": type(error).__name__})


def last_working_morning(calendar: WorkCalendar, now: datetime) -> date:
    """The last working day whose morning (09:00 in Shanghai) has come."""
    local = now.astimezone(SHANGHAI)
    return previous_working_day(calendar, local.date() if local.time() >= MORNING else local.date() - timedelta(days=1))
