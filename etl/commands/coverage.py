"""`eastbound runs coverage`: table x period, what was submitted and where there is a gap."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etl.commands.common import DateParam, command, echo_json, echo_table, format_option, packs_option, workspace_option
from etl.language import pick, say

if TYPE_CHECKING:
    from etl.pipeline.coverage import Coverage, PeriodCoverage

# One character for each state: a year of months is twelve of them. ASCII ones, for every terminal has them in one width.
SYMBOLS = {"approved": "A", "sealed": "S", "blocked": "B", "failed": "F", "interrupted": "I", "running": "R", "none": ".", "empty": "0", "gap": "-"}
STATES = {"approved": ("已批准", "approved"), "sealed": ("已封包", "sealed"), "blocked": ("已阻断", "blocked"), "failed": ("失败", "failed"),
          "interrupted": ("中断", "interrupted"), "running": ("进行中", "running"), "empty": ("已封包，0 行", "sealed, no rows"), "gap": ("缺口：没有运行", "gap: no run"),
          "none": ("无需运行或无此表", "nothing to run, or no such table")}


@command("coverage", zh="各表、各报送期的覆盖情况：报送行数、状态、首次与最近运行；没有运行的报送期标为缺口。默认从首个有运行的报送期到最近一个已结束的报送期。",
         en="Coverage by table and period: rows submitted, state, first and last run; periods without a run are gaps. By default from the first period with a run to the "
            "last one that is over.",
         examples=["eastbound runs coverage", "eastbound runs coverage -s east_life_2020 --from 2024-01 --to 2026-10", "eastbound runs coverage --format json"])
@click.option("--standard", "-s", "standards", multiple=True, help=say("标准，可多次给出；默认为有运行的标准", "standard, may be given several times; default those with runs"))
@click.option("--from", "first", default=None, metavar="PERIOD", help=say("首个报送期，如 2024-01", "first period, such as 2024-01"))
@click.option("--to", "last", default=None, metavar="PERIOD", help=say("最后报送期", "last period"))
@click.option("--jurisdiction", default=None, metavar="CODE", help=say("该监管辖区的报送包，默认全国", "packages of this jurisdiction; default the national ones"))
@click.option("--today", type=DateParam(), default=None, help=say("今天，默认上海时间的今天", "the day it is; default today in Asia/Shanghai"))
@format_option()
@packs_option
@workspace_option
def coverage(workspace: Path, packs: tuple[str, ...], form: str, today: date | None, jurisdiction: str | None, last: str | None, first: str | None,
             standards: tuple[str, ...]) -> None:
    from etl.deadlines.definition import today_in_shanghai
    from etl.deadlines.loader import load_head
    from etl.ledger import open_ledger
    from etl.packs.roots import PackRoots
    from etl.pipeline.coverage import coverage as cover
    from etl.submission.definition import Period
    from etl.workspace import Workspace

    begin, end = (Period.parse(text) if text else None for text in (first, last))
    if begin and end and end.end < begin.start:
        raise click.UsageError(say(f"--from {first} 晚于 --to {last}", f"--from {first} is after --to {last}"))
    opened = Workspace.open(workspace)
    roots = PackRoots.of(*opened.packs, *packs)
    found = []
    with open_ledger(opened.ledger_place) as ledger:
        ledger.mark_interrupted()
        for name in standards or sorted({run.standard for run in ledger.runs(parts=True)}):
            found.append(cover(ledger, load_head(name, roots), today=today or today_in_shanghai(), first=begin.start if begin else None, last=end.end if end else None,
                               jurisdiction=jurisdiction, tables=_tables(name, roots)))
    if form == "json":
        echo_json({"standards": [_named(one) for one in found]})
        return
    if not found:
        click.echo(say("还没有任何运行；用 --standard 指定标准。", "There is no run yet; name a standard with --standard."))
    for one in found:
        _show(one)


def _tables(name: str, roots: Any) -> dict[str, dict[str, str]]:
    """What the standard submits, in load order."""
    from etl.standard.loader import load_standard

    return {table.code: table.name for table in load_standard(name, roots).submitted_tables}


def _named(one: Coverage) -> dict[str, Any]:
    record = one.as_record()
    return {**record, "tables": [{**table, "name": pick(table["name"])} for table in record["tables"]]}


def _show(one: Coverage) -> None:
    click.secho(" ".join(part for part in (one.standard, one.jurisdiction) if part), bold=True)
    if not one.periods:
        click.echo(say("该时段没有报送期。", "There is no period in these days."))
        return
    if one.frequency in ("monthly", "quarterly", "yearly"):
        _show_matrix(one)
    else:
        _show_months(one)
    counts = Counter("gap" if period.gap else period.state for period in one.periods)
    told = [f"{say(*STATES[state])} {counts[state]}" for state in STATES if counts[state]]
    click.echo(say("、", ", ").join(told))
    if one.gaps:
        gaps = _spans(one)
        click.echo(say(f"缺口：{'、'.join(gaps)}", f"gaps: {', '.join(gaps)}"))
    click.echo("")


def _show_matrix(one: Coverage) -> None:
    """A line for each table, a character for each period, a column for each year; then the runs behind it."""
    years = [(year, list(group)) for year, group in groupby(one.periods, key=lambda period: period.period.end.year)]
    lines: list[tuple[Any, ...]] = [(code, pick(name), *("".join(_symbol(period, code) for period in group) for _, group in years), sum(period.rows.get(code, 0) for period in one.periods))
                                    for code, name in one.tables.items()]
    heads = [_head(year, group) for year, group in years]
    echo_table([say("表", "table"), say("名称", "name"), *heads, say("报送行", "rows sent")], lines, right=(len(heads) + 2,))
    used = sorted({char for line in lines for cell in line[2:-1] for char in cell}, key=list(SYMBOLS.values()).index)
    click.echo(say("图例：", "Legend: ") + "  ".join(f"{char} {say(*STATES[state])}" for state, char in SYMBOLS.items() if char in used))
    shown = [period for period in one.periods if period.runs]
    echo_table([say("报送期", "period"), say("状态", "state"), say("运行", "run"), say("首次", "first run"), say("最近", "last run"), say("次数", "runs"), say("报送行", "rows sent")],
               [(period.period.label, say(*STATES[period.state]), period.run, period.first_run, period.last_run, period.runs, sum(period.rows.values()) if period.done else "")
                for period in shown], right=(5, 6))


def _head(year: int, group: list[PeriodCoverage]) -> str:
    """`2026 1-10` for ten months, `2026Q1-3` for quarters, `2026` for the year."""
    first, last = group[0].period, group[-1].period
    if "Q" in first.label:
        return f"{year}Q{first.label[-1]}-{last.label[-1]}"
    return f"{year} {first.end.month}-{last.end.month}" if len(group) > 1 else first.label


def _show_months(one: Coverage) -> None:
    """Daily standards: a line for each month, with the days that are done and those that are missing."""
    from etl.pipeline.coverage import by_month

    lines = []
    for month, days in by_month(one.periods).items():
        states = Counter("gap" if day.gap else day.state for day in days)
        other = {state: states[state] for state in ("blocked", "failed", "interrupted", "running") if states[state]}
        runs = [day for day in days if day.runs]
        lines.append((month, f"{states['approved'] + states['sealed']}/{len(days)}", states["approved"], say("、", ", ").join(f"{say(*STATES[s])} {n}" for s, n in other.items()),
                      states["gap"], runs[0].first_run if runs else "", runs[-1].last_run if runs else "", sum(sum(day.rows.values()) for day in days)))
    echo_table([say("月份", "month"), say("完成/日", "done/days"), say("已批准", "approved"), say("其他", "other"), say("缺口", "missing"), say("首次运行", "first run"),
                say("最近运行", "last run"), say("报送行", "rows sent")], lines, right=(1, 2, 4, 7))
    tables = [(code, pick(name), sum(1 for day in one.periods if code in day.rows), sum(day.rows.get(code, 0) for day in one.periods)) for code, name in one.tables.items()]
    echo_table([say("表", "table"), say("名称", "name"), say("日数", "days"), say("报送行", "rows sent")], tables, right=(2, 3))


def _symbol(period: PeriodCoverage, table: str) -> str:
    from etl.pipeline.coverage import cell_state

    if period.gap:
        return SYMBOLS["gap"]
    state = cell_state(period, table)
    return SYMBOLS["empty"] if state in ("approved", "sealed") and not period.rows.get(table) else SYMBOLS[state]


def _spans(one: Coverage) -> list[str]:
    """Gaps as people write them: `2026-02..2026-04`."""
    told = []
    for gap, group in groupby(one.periods, key=lambda period: period.gap):
        if gap:
            own = list(group)
            told.append(own[0].period.label if len(own) == 1 else f"{own[0].period.label}..{own[-1].period.label}")
    return told
