"""`eastbound calendar`: what is due, what is late, what is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etl.commands.common import DateParam, command, echo_json, echo_table, format_option, packs_option, workspace_option
from etl.language import pick, say

if TYPE_CHECKING:
    from etl.deadlines.definition import Judged
    from etl.deadlines.status import Survey

STATES = {"due": ("待报", "due"), "late": ("逾期", "late"), "done": ("完成", "done")}
RUN_STATES = {"running": ("进行中", "is running"), "blocked": ("已阻断", "was blocked"), "failed": ("失败", "failed"), "interrupted": ("中断", "was interrupted")}
WEEKDAYS = (("一", "Mon"), ("二", "Tue"), ("三", "Wed"), ("四", "Thu"), ("五", "Fri"), ("六", "Sat"), ("日", "Sun"))


@command("calendar", zh="各标准、各辖区的报送期限：待报、逾期、已完成。期限遇休息日顺延到下一个工作日，调休上班日算工作日。有逾期时退出码为 1。",
         en="Deadlines of all standards and jurisdictions: due, late, done. A deadline on a day off moves to the next working day; make-up working days count. "
            "Exit code 1 when something is late.",
         examples=["eastbound calendar", "eastbound calendar --year 2026 --standard east_life_2020", "eastbound calendar --from 2026-10-01 --to 2026-12-31 --format json",
                   "eastbound calendar --jurisdiction all"])
@click.option("--year", type=click.IntRange(2000, 2999), default=None, help=say("到期日在该年的全部报送期", "all that is due in this year"))
@click.option("--from", "first", type=DateParam(), default=None, help=say("到期日不早于；默认为首个有运行的报送期", "due on this day or later; default from the first period with a run"))
@click.option("--to", "last", type=DateParam(), default=None, help=say("到期日不晚于；默认本年末或两个月后", "due on this day or earlier; default the end of the year, or two months ahead"))
@click.option("--standard", "-s", "standards", multiple=True, help=say("标准或标准族，可多次给出；默认为有运行的标准", "standard or family, may be given several times; default those with runs"))
@click.option("--jurisdiction", "jurisdictions", multiple=True, metavar="CODE|all",
              help=say("有地方规则或期限的辖区也列出；默认只列有运行的辖区", "list this jurisdiction with local rules or deadlines too; default those with runs"))
@click.option("--today", type=DateParam(), default=None, help=say("今天，默认上海时间的今天", "the day it is; default today in Asia/Shanghai"))
@format_option()
@packs_option
@workspace_option
@click.pass_context
def calendar(ctx: click.Context, workspace: Path, packs: tuple[str, ...], form: str, today: date | None, jurisdictions: tuple[str, ...], standards: tuple[str, ...],
             last: date | None, first: date | None, year: int | None) -> None:
    from etl.deadlines.definition import today_in_shanghai
    from etl.deadlines.status import Window, survey
    from etl.ledger import open_ledger
    from etl.packs.roots import PackRoots
    from etl.workspace import Workspace

    if year is not None and (first or last):
        raise click.UsageError(say("--year 不能与 --from、--to 同用", "--year goes without --from and --to"))
    if year is not None:
        first, last = date(year, 1, 1), date(year, 12, 31)
    if first and last and last < first:
        raise click.UsageError(say(f"--from {first} 晚于 --to {last}", f"--from {first} is after --to {last}"))
    opened = Workspace.open(workspace)
    roots = PackRoots.of(*opened.packs, *packs)
    with open_ledger(opened.ledger_place) as ledger:
        ledger.mark_interrupted()
        runs = ledger.runs(parts=True)
    day = today or today_in_shanghai()
    found = survey(roots, runs, day, workspace=opened.root, window=Window(first, last), standards=standards, jurisdictions=jurisdictions)
    rows = [_row(judged, found) for judged in found.judged]
    counts = Counter(row["state"] for row in rows)
    if form == "json":
        echo_json({
            "today": day, "known_years": sorted(found.known_years), "counts": {state: counts[state] for state in STATES}, "deadlines": rows,
            "without_deadline": found.without_deadline, "unknown_standards": found.unknown_standards, "unknown_years": [error.values["year"] for error in found.unknown_years],
            "overlays_without_runs": [{"standard": standard, "jurisdiction": place} for standard, place in found.quiet_overlays]})
    else:
        _show(rows, counts, found, day, bool(standards))
    ctx.exit(1 if counts["late"] else 0)


def _row(judged: Judged, found: Survey) -> dict[str, Any]:
    one = judged.obligation
    return {"standard": one.standard, "name": pick(found.titles.get(one.standard)), "jurisdiction": one.jurisdiction, "period": one.period, "period_end": one.period_end,
            "nominal": one.nominal, "due": one.due, "state": judged.state, "run": judged.run, "run_status": judged.run_status,
            "sealed_at": judged.sealed_at.isoformat(timespec="seconds") if judged.sealed_at else None, "working_days_left": judged.working_days_left, "days_late": judged.days_late}


def _show(rows: list[dict[str, Any]], counts: Counter[str], found: Survey, today: date, asked: bool) -> None:
    """The table, then what is not in it."""
    if rows:
        lines = [_line(list(group)) for _, group in groupby(_by_kind(rows), key=_kind)]
        echo_table([say("标准", "standard"), say("辖区", "jurisdiction"), say("报送期", "period"), say("期限", "due"), say("状态", "state"), say("说明", "about")], lines)
    elif not (found.without_deadline or found.unknown_standards):
        click.echo(say("该时段没有到期的报送。", "Nothing is due in these days.") if asked else
                   say("还没有任何运行；用 --standard 指定标准。", "There is no run yet; name a standard with --standard."))
    click.echo(say(f"{today}：待报 {counts['due']}，逾期 {counts['late']}，完成 {counts['done']}。", f"{today}: {counts['due']} due, {counts['late']} late, {counts['done']} done."))
    if found.without_deadline:
        click.echo(say(f"标准包中没有期限：{'、'.join(found.without_deadline)}", f"no deadline in the pack of: {', '.join(found.without_deadline)}"))
    if found.unknown_standards:
        click.echo(say(f"有运行但找不到标准包（请用 --packs）：{'、'.join(found.unknown_standards)}", f"runs, but no pack here (give --packs): {', '.join(found.unknown_standards)}"))
    if found.quiet_overlays:
        named = [f"{standard} {place}" for standard, place in found.quiet_overlays]
        click.echo(say(f"有地方规则但没有运行的辖区（--jurisdiction all 可列出）：{'、'.join(named)}",
                       f"local rules, but no run of the jurisdiction (list with --jurisdiction all): {', '.join(named)}"))
    for error in found.unknown_years:
        click.echo(say("注意：", "Note: ") + str(error), err=True)


def _kind(row: dict[str, Any]) -> tuple[Any, ...]:
    """Days in a row of a daily standard that stand alike share a line; everything else has one of its own."""
    daily = len(row["period"]) == 10
    return (row["standard"], row["jurisdiction"], row["state"], row["run_status"] is None) if daily else (row["standard"], row["jurisdiction"], row["period"])


def _by_kind(rows: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["standard"], row["jurisdiction"] or "", row["period_end"]))


def _line(group: list[dict[str, Any]]) -> tuple[str, ...]:
    first, last = group[0], group[-1]
    place = first["jurisdiction"] or say("全国", "national")
    state = say(*STATES[first["state"]])
    if len(group) > 1:
        days = say(f"{len(group)} 日", f"{len(group)} days")
        return first["standard"], place, f"{first['period']}..{last['period']}", f"{_day(first['due'])} .. {_day(last['due'])}", state, days
    return first["standard"], place, first["period"], _day(first["due"]), state, _about(first)


def _day(day: date) -> str:
    zh, en = WEEKDAYS[day.weekday()]
    return f"{day} {say('周' + zh, en)}"


def _about(row: dict[str, Any]) -> str:
    """One sentence: since when it is done, how late it is, or how much time is left."""
    from datetime import datetime

    from etl.deadlines.definition import SHANGHAI

    parts = []
    if row["sealed_at"]:
        at = datetime.fromisoformat(row["sealed_at"]).astimezone(SHANGHAI)
        parts.append(say(f"{at:%Y-%m-%d %H:%M} 封包（{row['run']}）", f"sealed {at:%Y-%m-%d %H:%M} ({row['run']})"))
    if row["state"] == "late":
        parts.append(say(f"迟 {row['days_late']} 日", f"{row['days_late']} day(s) late"))
    elif row["state"] == "due":
        left = row["working_days_left"]
        parts.append(say("剩余工作日未知", "working days left unknown") if left is None else say(f"剩 {left} 个工作日", f"{left} working day(s) left"))
    if not row["sealed_at"] and row["run_status"] in RUN_STATES:
        zh, en = RUN_STATES[row["run_status"]]
        parts.append(say(f"运行 {row['run']} {zh}", f"run {row['run']} {en}"))
    if row["due"] != row["nominal"]:
        parts.append(say(f"由 {row['nominal']} 顺延", f"moved from {row['nominal']}"))
    return say("，", "; ").join(parts)
