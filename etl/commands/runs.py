"""`eastbound runs`: what ran, and its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etl.commands.changes import changes
from etl.commands.common import command, echo_json, echo_table, format_option, group, workspace_option
from etl.commands.coverage import coverage
from etl.language import say

runs = group("runs", zh="已有运行。", en="Runs so far.")
STATUS_NAMES = {"running": "进行中", "blocked": "已阻断", "sealed": "已封包", "failed": "失败", "interrupted": "中断"}


@command("list", zh="列出运行，最近的在前。", en="List runs, the latest first.", examples=["eastbound runs list", "eastbound runs list --period 2026-10 --format json"])
@click.option("--standard", "-s", default=None, help=say("只看某个标准", "only this standard"))
@click.option("--period", "-p", default=None, help=say("只看某个报送期", "only this period"))
@click.option("--parts", is_flag=True, help=say("连同按监管辖区拆出的各部分", "with the parts that packages were split into by jurisdiction"))
@format_option()
@workspace_option
def list_runs(workspace: Path, form: str, standard: str | None, period: str | None, parts: bool) -> None:
    from etl.ledger import open_ledger
    from etl.workspace import Workspace

    with open_ledger(Workspace.open(workspace).ledger_place) as ledger:
        ledger.mark_interrupted()
        found = ledger.runs(standard, period, parts=parts)
        rows = [{"run": r.id, "standard": r.standard, "period": r.period, "report_date": r.report_date.isoformat(), "status": r.status,
                 "started_at": r.started_at, "finished_at": r.finished_at, "package": r.package, "jurisdiction": r.jurisdiction, "part_of": r.part_of} for r in found]
    if form == "json":
        echo_json(rows)
        return
    echo_table([say("运行", "run"), say("标准", "standard"), say("报送期", "period"), say("上报日期", "report date"), say("状态", "status"),
                say("开始（UTC）", "started (UTC)"), say("报送包", "package")],
               [(r["run"], r["standard"], r["period"], r["report_date"], say(STATUS_NAMES.get(r["status"], r["status"]), r["status"]),
                 f"{r['started_at']:%Y-%m-%d %H:%M:%S}", r["package"] or "") for r in rows])


@command("show", zh="一次运行的各阶段行数、发现与报送包。默认最近一次。", en="Rows per stage, findings and package of a run; by default the latest.",
         examples=["eastbound runs show", "eastbound runs show 20261115-3fa9c1 --format json"])
@click.argument("run_id", required=False)
@click.option("--stages", is_flag=True, help=say("显示所有阶段", "show all stages"))
@format_option()
@workspace_option
def show(workspace: Path, form: str, run_id: str | None, stages: bool) -> None:
    from etl.commands.report import describe, held_back, show_run
    from etl.ledger import open_ledger
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        about = describe(ledger, run_id or latest_run(ledger))
        about["held"] = held_back(opened, about["run"])
    if form == "json":
        echo_json(about)
        return
    if stages:
        echo_table([say("阶段", "stage"), say("表", "table"), say("取入行", "rows in"), say("产出行", "rows out"), say("搁置行", "set aside"), say("秒", "seconds")],
                   [(s["stage"], s["table"], s["rows_in"], s["rows_out"], s["rows_aside"], f"{s['seconds']:.2f}") for s in about["stages"]], right=(2, 3, 4, 5))
    show_run(opened, about)


@command("release", zh="释放调度（Airflow）已不再管理的运行：记为中断，并加密其明文文件；之后可用 eastbound resume 继续。",
         en="Let go of a run that its scheduler (Airflow) no longer knows: it counts as interrupted and its clear files are encrypted; go on with eastbound resume.",
         examples=["eastbound runs release 20261115-3fa9c1"])
@click.argument("run_id")
@workspace_option
def release(workspace: Path, run_id: str) -> None:
    from etl.pipeline.held import release_run
    from etl.pipeline.road import actor
    from etl.workspace import Workspace

    release_run(Workspace.open(workspace), run_id, by=actor())
    click.echo(say(f"已释放运行 {run_id}；继续：eastbound resume {run_id}", f"let go of run {run_id}; go on with: eastbound resume {run_id}"))


def latest_run(ledger: Any) -> str:
    """Id of the latest run."""
    found = ledger.runs()
    if not found:
        raise click.UsageError(say("还没有任何运行；先执行 eastbound run", "there is no run yet; start one with eastbound run"))
    return found[0].id


runs.add_command(list_runs)
runs.add_command(coverage)
runs.add_command(show)
runs.add_command(release)
runs.add_command(changes)
