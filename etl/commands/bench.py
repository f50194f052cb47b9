"""`eastbound bench`: how fast rules are checked, here and now."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, group, workspace_option
from etl.language import say

bench = group("bench", zh="测速：规则检核有多快。", en="Measure how fast rules are checked.")
CUT_OFF = {"time": ("超时中止", "cut off: time"), "memory": ("超内存中止", "cut off: memory"), "failed": ("失败", "failed")}


class Memory(click.ParamType):
    """A memory limit as the engine takes it."""

    name = "memory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if re.fullmatch(r"\d+(\.\d+)? ?[KMGT]i?B", str(value), re.IGNORECASE):
            return str(value)
        self.fail(say(f"{value!r} 应写作 1GB 或 512MB", f"{value!r} should be written as 1GB or 512MB"), param, ctx)


MEMORY = Memory()


@command("rules", zh="在同一份数据上并排比较：本产品、朴素的 DuckDB 语句、pandera（polars 与 pandas）、pandas。各自单独进程；发现必须完全一致，否则退出码 3。",
         en="Side by side on the same data: the product, the naive DuckDB statement, pandera (on polars and on pandas), plain pandas. "
            "Each in a process of its own; the findings must be equal, or the exit code is 3.",
         examples=["eastbound bench rules --rows 200000", "eastbound bench rules --rows 5000000 --dirty 0.1 --timeout 600",
                   "eastbound bench rules --only ours,naive --repeat 3 --format json"])
@click.option("--rows", default=200_000, show_default=True, type=click.IntRange(1), help=say("保单行数，40 列", "policies, of 40 columns"))
@click.option("--dirty", default=0.01, show_default=True, type=click.FloatRange(0, 1), help=say("含差错的行所占比例", "share of rows that carry a fault"))
@click.option("--only", default=None, help=say("只比较这些，逗号分隔", "only these, separated by commas") + ": ours,naive,pandera-polars,pandera-pandas,pandas")
@click.option("--repeat", default=1, show_default=True, type=click.IntRange(1), help=say("轮数，各方交替，取中位数", "rounds, taken in turn; medians are shown"))
@click.option("--timeout", default=None, type=click.FloatRange(0, min_open=True), help=say("每次最多秒数，超时即中止并注明", "seconds that one may take before it is cut off, and said so"))
@click.option("--memory", default=None, type=MEMORY, help=say("DuckDB 的内存上限（前两者），如 1GB", "DuckDB's memory limit (the first two), such as 1GB"))
@click.option("--memory-cap", default=None, type=click.FloatRange(0, min_open=True), help=say("任何一方超过此 GB 即中止，默认可用内存的九成", "GB at which any is cut off; default 9/10 of what is free"))
@click.option("--folder", default=None, type=click.Path(file_okay=False, path_type=Path), help=say("数据目录，默认 <工作区>/bench；已有的数据会再用", "folder of the data, default <workspace>/bench; data that is there is used again"))
@format_option()
@workspace_option
def rules(workspace: Path, form: str, folder: Path | None, memory_cap: float | None, only: str | None, repeat: int, **chosen: Any) -> int:
    from etl.bench.contenders import CONTENDERS
    from etl.bench.race import assert_equal, run_race

    names = [name.strip() for name in only.split(",")] if only else list(CONTENDERS)
    for name in names:
        if name not in CONTENDERS:
            raise click.BadParameter(say(f"没有 {name}，可选 {'、'.join(CONTENDERS)}", f"there is no {name}; choose from {', '.join(CONTENDERS)}"), param_hint="--only")

    def progress(name: str, lap: int, event: str) -> None:
        if event == "start":
            click.echo(say(f"第 {lap} 轮 {name} …" if name != "data" else "生成数据 …", f"round {lap}: {name} ..." if name != "data" else "making the data ..."), err=True)

    race = run_race(folder or workspace / "bench", names=list(dict.fromkeys(names)), rounds=repeat,
                    memory_cap=int(memory_cap * 1e9) if memory_cap else None, progress=progress, **chosen)
    report = race.report()
    if form == "json":
        echo_json(report)
    else:
        _show(report)
    assert_equal(race)
    return 3 if any(c["outcome"] == "failed" for c in report["contenders"]) else 0


def _show(report: dict[str, Any]) -> None:
    from etl.bench.contenders import CONTENDERS

    title = say(f"{report['rows']:,} 行 × 40 列（{report['data_mb']} MB），{report['rules']} 条规则，差错率 {report['dirty']:g}，{report['rounds']} 轮",
                f"{report['rows']:,} rows of 40 columns ({report['data_mb']} MB), {report['rules']} rules, dirty {report['dirty']:g}, {report['rounds']} round(s)")
    rows = []
    for c in report["contenders"]:
        done = c["outcome"] == "finished"
        seconds = f"{c['seconds']:.2f}" if done else f"{say(*CUT_OFF[c['outcome']])} ({c['seconds']:.0f} s)"
        speed = f"{c['rows_rules_per_second'] / 1e6:,.1f} M" if done else ""
        equal = "" if not done else say("基准", "reference") if c["missing"] is None else "=" if not c["missing"] and not c["extra"] else f"-{c['missing']:,} +{c['extra']:,}"
        rows.append((c["name"], seconds, f"{c['ratio']:.2f}" if c["ratio"] is not None else "", f"{c['user_seconds']:.2f}" if done else "", speed,
                     c["peak_mb"], c["findings"], equal, say(CONTENDERS[c["name"]].about_zh, CONTENDERS[c["name"]].about_en)))
    echo_table([say("参赛者", "contender"), say("秒", "seconds"), say("比朴素语句", "to naive"), say("CPU 秒", "user CPU"), say("行×规则/秒", "rows x rules/s"),
                say("内存峰值 MB", "peak MB"), say("发现", "findings"), say("一致", "equal"), say("说明", "what")], rows, title=title, right=(1, 2, 3, 4, 5, 6))
    about = report["machine"]
    versions = ", ".join(f"{name} {about[name]}" for name in about if name != "cpus")
    click.echo(say(f"{about['cpus']} 个处理器；{versions}", f"{about['cpus']} processors; {versions}"))
    for c in report["contenders"]:
        for reason in dict.fromkeys(lap["reason"] for lap in c["laps"] if lap["reason"]):
            click.echo(f"{c['name']}: {reason}", err=True)


@command("check", zh="把一次真实运行的检核阶段重做一遍并计时：每表行数、规则数、秒、行×规则/秒、内存峰值。只读，不改动该运行。默认最近一次运行。",
         en="The check stage of a real run once more, with a watch: per table rows, rules, seconds, rows x rules per second, peak memory. "
            "Nothing of the run is changed. By default the latest run.",
         examples=["eastbound bench check", "eastbound bench check --run 20261115-3fa9c1 --table GRBDB --format json"])
@click.option("--run", "run_id", default=None, help=say("运行编号，默认最近一次", "run id; default the latest"))
@click.option("--table", "tables", multiple=True, help=say("只看这些表，可多次给出", "only these tables; may be given several times"))
@click.option("--memory", default=None, type=MEMORY, help=say("DuckDB 的内存上限，默认与该运行相同", "DuckDB's memory limit; default that of the run"))
@format_option()
@workspace_option
def check(workspace: Path, form: str, run_id: str | None, tables: tuple[str, ...], memory: str | None) -> int:
    from etl.bench.recheck import as_report, recheck
    from etl.commands.runs import latest_run
    from etl.ledger import open_ledger
    from etl.pipeline.road import open_context
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        context = open_context(opened, run_id or latest_run(ledger), ledger)
        for table in tables:
            if table not in context.standard.tables:
                raise click.BadParameter(say(f"没有表 {table}", f"there is no table {table}"), param_hint="--table")
        report = as_report(context.run, recheck(context, tables, memory, progress=lambda table: click.echo(f"{table} ...", err=True)))
    if form == "json":
        echo_json(report)
        return 0
    columns = [say("表", "table"), say("行", "rows"), say("规则", "rules"), say("秒", "seconds"), say("行×规则/秒", "rows x rules/s"),
               say("内存峰值 MB", "peak MB"), say("发现", "findings"), say("该运行记录", "in the run")]
    lines = [*report["tables"], {"table": say("合计", "total"), **report["total"]}]
    echo_table(columns, [(t["table"], t["rows"], t["rules"], f"{t['seconds']:.2f}", f"{t['rows_rules_per_second'] / 1e6:,.2f} M", t["peak_mb"], t["findings"], t["recorded"])
                         for t in lines], title=say(f"运行 {report['run']} 的检核阶段", f"check stage of run {report['run']}"), right=(1, 2, 3, 4, 5, 6, 7))
    return 0


bench.add_command(rules)
bench.add_command(check)
