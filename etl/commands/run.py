"""`eastbound run`, `resume`, and the stages one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

from etl.commands.common import DateParam, ProgressPrinter, command, echo_json, format_option, jurisdiction_option, packs_option, workspace_option
from etl.language import say


def _run_options(function: Callable) -> Callable:
    for option in reversed([
        click.option("--standard", "-s", "standards", required=True, multiple=True,
                     help=say("标准名称，如 east_life_2020；也可写系列名 east_life，由报送期确定版本；可给出多个，依次运行",
                              "name of the standard, e.g. east_life_2020, or of its family, e.g. east_life: the period picks the edition; several are run in turn")),
        click.option("--period", "-p", required=True, help=say("报送期：月报 2026-10，季报 2026Q3，日报 2026-10-31", "period: 2026-10 for a month, 2026Q3 for a quarter, 2026-10-31 for a day")),
        click.option("--report-date", type=DateParam(), default=None, help=say("流水号中的上报日期，默认上海时间的今天", "date inside the serial numbers; default today in Asia/Shanghai")),
        click.option("--capture", type=click.Choice(["full", "incremental", "change"]), default="full", show_default=True,
                     help=say("取数方式：full 全量；incremental 按水位与主键取增量；change 全部读取并逐行比对", "how core systems are read: in full; what changed by watermark and key; all, and compared row by row")),
        click.option("--memory", default=None, help=say("引擎内存上限，如 2GB", "memory limit of the engine, e.g. 2GB")),
        click.option("--quiet", "-q", is_flag=True, help=say("不显示进度", "no progress")),
    ]):
        function = option(function)
    return format_option()(packs_option(jurisdiction_option(workspace_option(function))))


@command(zh="从核心系统取数，映射、检核、脱敏、写文件，经独立复核后封包。", en="Extract, map, check, mask, write, and seal after an independent re-read.",
         examples=["eastbound run --standard east_life_2020 --period 2026-10",
                   "eastbound run -s east_life_2020 -p 2026-10 --report-date 2026-11-15 --format json",
                   "eastbound run -s east_life_2020 -p 2026-10 --jurisdiction 440300",
                   "eastbound run -s east_life_2020 -p 2026-11 --capture incremental"])
@_run_options
def run(workspace: Path, packs: tuple[str, ...], form: str, standards: tuple[str, ...], period: str, report_date: date | None, memory: str | None,
        jurisdiction: str | None, quiet: bool, capture: str) -> int:
    return _start(workspace, packs, form, standards, period, report_date, memory, jurisdiction, quiet, capture, "seal")


def _stage_command(stage: str, zh: str, en: str) -> click.Command:
    @command(stage, zh=zh, en=en, examples=[f"eastbound {stage} --standard east_life_2020 --period 2026-10", "eastbound resume RUN"])
    @_run_options
    def call(workspace: Path, packs: tuple[str, ...], form: str, standards: tuple[str, ...], period: str, report_date: date | None, memory: str | None,
             jurisdiction: str | None, quiet: bool, capture: str) -> int:
        return _start(workspace, packs, form, standards, period, report_date, memory, jurisdiction, quiet, capture, stage)

    return call


extract = _stage_command("extract", "开始一次新的运行，做到取数为止；之后用 resume 继续。", "Start a new run and stop after extraction; go on with resume.")
standardise = _stage_command("standardise", "开始一次新的运行，做到标准化为止。", "Start a new run and stop after standardising.")
mask = _stage_command("mask", "开始一次新的运行，做到脱敏为止。", "Start a new run and stop after masking.")
write = _stage_command("write", "开始一次新的运行，做到写文件为止。", "Start a new run and stop after writing.")
seal = _stage_command("seal", "开始一次新的运行，做到封包为止（同 run）。", "Start a new run up to the sealed package (the same as run).")


@command(zh="继续一次中断、失败或被阻断的运行；已完成的取数与标准化不再重做。",
         en="Go on with a run that was interrupted, failed or blocked; what was extracted and standardised is not done again.",
         examples=["eastbound resume 20261115-3fa9c1"])
@click.argument("run_id")
@click.option("--until", type=click.Choice(["extract", "standardise", "check", "mask", "write", "seal"]), default="seal", show_default=True,
              help=say("做到哪一步为止", "stage to stop after"))
@click.option("--quiet", "-q", is_flag=True, help=say("不显示进度", "no progress"))
@format_option()
@workspace_option
def resume(workspace: Path, form: str, run_id: str, until: str, quiet: bool) -> int:
    from etl.pipeline import resume_run
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with ProgressPrinter(quiet or form == "json") as progress:
        result = resume_run(opened, run_id, progress=progress, until=until)
    return _show(opened, [result.run], form)


def _start(workspace: Path, packs: tuple[str, ...], form: str, standards: tuple[str, ...], period: str, report_date: date | None, memory: str | None,
           jurisdiction: str | None, quiet: bool, capture: str, until: str) -> int:
    from etl.packs.roots import PackRoots
    from etl.pipeline import RunRequest, start_run
    from etl.pipeline.road import today
    from etl.standard.editions import edition_on
    from etl.submission.definition import Period
    from etl.workspace import Workspace

    opened, chosen = Workspace.open(workspace), Period.parse(period)
    roots = PackRoots.of(*opened.packs, *packs)
    # All names, the jurisdiction's too, are looked up before the first run begins, and an edition that two names stand for is run once.
    editions = list(dict.fromkeys(edition_on(name, chosen.end, roots) for name in standards))
    if jurisdiction is not None:
        from etl.rules.overlays import overlay_folder

        for edition in editions:
            overlay_folder(edition, jurisdiction, roots)
    with ProgressPrinter(quiet or form == "json") as progress:
        runs = [start_run(opened, RunRequest(edition, chosen, report_date or today(), memory, jurisdiction, capture), packs=packs, progress=progress, until=until).run
                for edition in editions]
    return _show(opened, runs, form)


def _show(workspace: Any, runs: list[str], form: str) -> int:
    """Print what runs came to; returns the exit code. One run is an object in JSON, several are a list."""
    from etl.commands.report import describe, held_back, show_run
    from etl.ledger import open_ledger

    with open_ledger(workspace.ledger_place) as ledger:
        about = [{**describe(ledger, run), "held": held_back(workspace, run)} for run in runs]
    if form == "json":
        echo_json(about if len(about) > 1 else about[0])
    else:
        for one in about:
            show_run(workspace, one)
    return 1 if any(one["status"] == "blocked" for one in about) else 0
