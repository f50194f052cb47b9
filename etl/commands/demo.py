"""`eastbound demo`: the demo insurer, and the story in two acts that shows what the house does."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Any

import click

from etl.commands.common import DateParam, ProgressPrinter, command, echo_json, echo_table, format_option, group, workspace_option
from etl.demo import SYSTEMS
from etl.language import say

demo = group("demo", zh="演示保险公司：九个核心系统，可注入差错并修复。", en="The demo insurer: nine core systems, with planted faults on demand.")
COMPANY = "000999"
AS_OF = date(2026, 10, 31)


def _urls(workspace: Path, given: tuple[str, ...]) -> dict[str, str]:
    """System -> URL: SQLite files in the workspace, or what --url says (one for all systems, or SYSTEM=URL each)."""
    urls = {name: f"sqlite:///demo/{name}.db" for name in SYSTEMS}
    for text in given:
        name, separator, url = text.partition("=")
        if separator and name in SYSTEMS:
            urls[name] = url
        elif "://" in text:
            urls = dict.fromkeys(SYSTEMS, text)
        else:
            raise click.UsageError(say(f"--url 应为数据库地址，或 系统=地址；系统有 {', '.join(SYSTEMS)}", f"--url takes a database address, or SYSTEM=address; systems are {', '.join(SYSTEMS)}"))
    return urls


def _truth(workspace: Path) -> Path:
    """The folder with faults.csv and what repairing needs."""
    return workspace / "demo"


def _rows(summary: Any) -> int:
    return sum(sum(tables.values()) for tables in summary.rows.values())


def create(workspace: Path, *, policies: int, seed: int, faults: float, urls: dict[str, str], as_of: date, progress: Any = None) -> Any:
    """Make the insurer and the workspace's settings."""
    from etl.demo.insurer import create_insurer
    from etl.workspace import Workspace

    opened = Workspace(workspace.absolute(), COMPANY, urls)
    _truth(opened.root).mkdir(parents=True, exist_ok=True)
    opened.save()
    return create_insurer({name: opened.url(name) for name in SYSTEMS}, policies=policies, seed=seed, fault_rate=faults, as_of=as_of, truth=_truth(opened.root), progress=progress)


@command("init", zh="建立演示保险公司：寿险核心、理赔、客服、财务、人力、再保险、养老金、投资、关联交易九个系统。", en="Make the demo insurer: life administration, claims, service, finance, people, reinsurance, pensions, investments, related parties.",
         examples=["eastbound demo init", "eastbound demo init --policies 100000 --seed 7", "eastbound demo init --faults 0.02",
                   "eastbound demo init --url postgresql://user@localhost/demo"])
@click.option("--policies", default=2000, show_default=True, type=click.IntRange(50), help=say("保单数", "number of policies"))
@click.option("--seed", default=20261031, show_default=True, help=say("随机种子，相同则数据相同", "the same seed gives the same data"))
@click.option("--faults", default=0.0, show_default=True, type=click.FloatRange(0, 1), help=say("差错率；大于 0 时每类至少一个", "fault rate; above 0 every kind occurs at least once"))
@click.option("--url", multiple=True, help=say("数据库地址（默认 SQLite）；或 系统=地址，可多次给出", "database address (default SQLite), or SYSTEM=address, several times"))
@click.option("--as-of", type=DateParam(), default=AS_OF, show_default=True, help=say("数据截止日", "last day of the data"))
@format_option()
@workspace_option
def init(workspace: Path, form: str, policies: int, seed: int, faults: float, url: tuple[str, ...], as_of: date) -> None:
    started = time.monotonic()
    with ProgressPrinter(quiet=form == "json") as progress:
        summary = create(workspace, policies=policies, seed=seed, faults=faults, urls=_urls(workspace, url), as_of=as_of,
                         progress=lambda table, rows: progress("demo", table, "rows", {"rows": rows}))
    seconds = time.monotonic() - started
    if form == "json":
        echo_json({"workspace": str(workspace), "rows": summary.rows, "faults": summary.faults, "seconds": round(seconds, 1)})
        return
    rows = _rows(summary)
    click.echo(say(f"演示保险公司已建立：{policies:,} 份保单，{rows:,} 行，用时 {seconds:.1f} 秒。", f"The demo insurer is there: {policies:,} policies, {rows:,} rows, {seconds:.1f} s."))
    if summary.faults:
        click.echo(say(f"注入差错 {summary.faults:,} 处，真相在 {_truth(workspace) / 'faults.csv'}；修复：eastbound demo repair", f"{summary.faults:,} faults were planted; the truth is in {_truth(workspace) / 'faults.csv'}; mend them with eastbound demo repair"))
    click.echo(say(f"接下来：eastbound run --standard east_life_2020 --period {as_of:%Y-%m}", f"Next: eastbound run --standard east_life_2020 --period {as_of:%Y-%m}"))


@command("repair", zh="更正所有注入的差错，如同核心系统已整改。", en="Mend every planted fault, as if the core systems had been corrected.", examples=["eastbound demo repair"])
@workspace_option
def repair(workspace: Path) -> None:
    click.echo(_repaired(workspace))


def _repaired(workspace: Path) -> str:
    count = _repair(workspace)
    return say(f"已更正 {count:,} 处差错。接下来：再次 eastbound run", f"{count:,} fault(s) mended. Next: eastbound run again")


def _repair(workspace: Path) -> int:
    from etl.demo.insurer import repair_insurer
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    return repair_insurer({name: opened.url(name) for name in SYSTEMS if name in opened.systems}, truth=_truth(opened.root))


@command("change", zh="让一部分保单如业务中那样变化：更新、一日两改、新增、补录、删除、删后重建。", en="Change a share of the policies as business does: updates, twice a day, new, entered late, deleted, created again.",
         examples=["eastbound demo change", "eastbound demo change --share 0.01 --day 2026-11-02", "eastbound demo change --seed 7 --format json"])
@click.option("--share", default=0.001, show_default=True, type=click.FloatRange(0, 1, min_open=True), help=say("变化的保单所占比例；每种变化至少一例", "share of the policies that change; every kind happens at least once"))
@click.option("--seed", default=1, show_default=True, help=say("随机种子", "seed"))
@click.option("--day", type=DateParam(), default=None, help=say("变化发生的日期，默认最近一次变化的次日", "day of the changes; by default the day after the last change"))
@format_option()
@workspace_option
def change(workspace: Path, form: str, share: float, seed: int, day: date | None) -> None:
    from etl.demo.change import change_insurer
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    started = time.monotonic()
    done = change_insurer({name: opened.url(name) for name in SYSTEMS if name in opened.systems}, share=share, seed=seed, day=day)
    seconds = time.monotonic() - started
    if form == "json":
        echo_json({"day": done.day.isoformat(), "policies": dict(done.kinds), "seconds": round(seconds, 1),
                   "rows": [{"table": table, "change": kind, "rows": rows} for (table, kind), rows in sorted(done.rows.items())]})
        return
    names = {"updated": say("更新", "updated"), "updated twice": say("一日两改", "updated twice"), "new": say("新增", "new"), "entered late": say("补录", "entered late"),
             "deleted": say("删除", "deleted"), "created again": say("删后重建", "created again"), "inserted": say("新增", "inserted")}
    listed = say("、", ", ").join(f"{names[kind]} {count:,}" for kind, count in done.kinds.items())
    click.echo(say(f"{done.day:%Y-%m-%d} 的变化（{seconds:.1f} 秒）：{listed}", f"Changes of {done.day:%Y-%m-%d} ({seconds:.1f} s): {listed}"))
    echo_table([say("来源表", "source table"), say("变化", "change"), say("行数", "rows")], [(table, names[kind], f"{rows:,}") for (table, kind), rows in sorted(done.rows.items()) if rows], right=(2,))


@command("recall", zh="注入的差错与运行发现逐条对照：漏检的差错、无法解释的发现。", en="Compare planted faults with a run's findings: faults missed, findings unexplained.",
         examples=["eastbound demo recall", "eastbound demo recall --run 20261115-3f9a1c", "eastbound demo recall --format json"])
@click.option("--run", "run_id", default=None, help=say("运行编号，默认最近一次", "run id; default the latest"))
@format_option()
@workspace_option
def recall(workspace: Path, run_id: str | None, form: str) -> int:
    from dataclasses import asdict

    from etl.commands.runs import latest_run
    from etl.demo.recall import read_truth, recall_of_run
    from etl.ledger import open_ledger
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    read_truth(_truth(opened.root))
    with open_ledger(opened.ledger_place) as ledger:
        run = ledger.run(run_id or latest_run(ledger))
    outcome = recall_of_run(_truth(opened.root), run.id, sorted((opened.run_folder(run.id) / "findings").glob("*.parquet")))
    if form == "json":
        echo_json({**asdict(outcome), "complete": outcome.complete})
        return 0 if outcome.complete else 1
    share = 100 * outcome.found / outcome.planted if outcome.planted else 100.0
    click.echo(say(f"运行 {outcome.run}：注入差错 {outcome.planted:,} 处（{outcome.kinds} 类），检出 {outcome.found:,} 处（{share:.1f}%），漏检 {len(outcome.missed):,} 处",
                   f"run {outcome.run}: {outcome.planted:,} faults planted ({outcome.kinds} kinds), {outcome.found:,} found ({share:.1f} %), {len(outcome.missed):,} missed"))
    click.echo(say(f"发现 {outcome.findings:,} 条：直接对应 {outcome.direct:,} 条，已声明的连带后果 {outcome.consequences:,} 条，无法解释 {len(outcome.unexplained):,} 条",
                   f"{outcome.findings:,} findings: {outcome.direct:,} directly, {outcome.consequences:,} as a stated consequence, {len(outcome.unexplained):,} unexplained"))
    if outcome.missed:
        click.echo(say("漏检的差错：", "Faults missed:"))
        echo_table([say("差错", "fault"), say("来源", "source"), say("规则", "rule")],
                   [(m["fault"], f"{m['system']}.{m['table']} {m['key']}", m["rule"]) for m in outcome.missed])
    if outcome.unexplained:
        click.echo(say("无法解释的发现：", "Findings unexplained:"))
        echo_table([say("规则", "rule"), say("主键", "key"), say("来源", "source")],
                   [(f["rule"], f["key"], f"{f['source_system']}.{f['source_table']} {f['source_key']}" if f["source_system"] else "") for f in outcome.unexplained])
    if outcome.mended and not outcome.complete:
        click.echo(say("差错已被修复；要对照修复之前的运行，请用 --run 指明。", "The faults have been mended since; to compare with a run from before, name it with --run."))
    return 0 if outcome.complete else 1


@command("story", zh="两幕演示：带差错的月份被阻断；更正后封包。", en="The story in two acts: a month with faults is blocked; corrected, it is sealed.", examples=["eastbound demo story --policies 2000"])
@click.option("--policies", default=2000, show_default=True, type=click.IntRange(50), help=say("保单数", "number of policies"))
@click.option("--seed", default=20261031, show_default=True, help=say("随机种子", "seed"))
@click.option("--faults", default=0.02, show_default=True, type=click.FloatRange(0, 1, min_open=True), help=say("差错率", "fault rate"))
@workspace_option
def story(workspace: Path, policies: int, seed: int, faults: float) -> int:
    from etl.commands.findings import show_findings
    from etl.commands.report import describe, show_run
    from etl.engines import open_engine
    from etl.ledger import open_ledger
    from etl.pipeline import RunRequest, start_run
    from etl.pipeline.road import today
    from etl.rules.findings import register_findings
    from etl.submission.definition import Period
    from etl.workspace import Workspace

    click.secho(say("第一幕：带差错的月份", "Act one: a month with faults"), bold=True)
    started = time.monotonic()
    summary = create(workspace, policies=policies, seed=seed, faults=faults, urls=_urls(workspace, ()), as_of=AS_OF)
    click.echo(say(f"九个核心系统：{policies:,} 份保单，{_rows(summary):,} 行，其中注入 {summary.faults:,} 处差错（{time.monotonic() - started:.1f} 秒）",
                   f"nine core systems: {policies:,} policies, {_rows(summary):,} rows, {summary.faults:,} faults planted ({time.monotonic() - started:.1f} s)"))
    opened = Workspace.open(workspace)
    request = RunRequest("east_life_2020", Period.parse(f"{AS_OF:%Y-%m}"), today())
    pipeline = 0.0
    codes = []
    for act in (1, 2):
        if act == 2:
            click.secho("\n" + say("第二幕：核心系统更正之后", "Act two: after the core systems are corrected"), bold=True)
            click.echo(_repaired(workspace))
        begun = time.monotonic()
        with ProgressPrinter(by_stage=True) as progress:
            result = start_run(opened, request, progress=progress)
        pipeline += time.monotonic() - begun
        codes.append(result.status)
        with open_ledger(opened.ledger_place) as ledger:
            about = describe(ledger, result.run)
        if act == 1:
            with open_engine() as engine:
                register_findings(engine, sorted((opened.run_folder(result.run) / "findings").glob("*.parquet")), {})
                worst = engine.dicts(
                    "SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY rule) AS n FROM _findings WHERE severity = 'error') "
                    "QUALIFY row_number() OVER (PARTITION BY family ORDER BY n DESC, rule, key) = 1 ORDER BY family")
            click.echo(say("每类发现举一例：", "One example of each family:"))
            show_findings(worst)
        show_run(opened, about)
    click.echo(say(f"\n两次运行共用时 {pipeline:.1f} 秒。", f"\nThe two runs took {pipeline:.1f} s."))
    if codes != ["blocked", "sealed"]:
        click.echo(say("演示没有按预期进行，请检查上面的输出。", "the story did not go as expected; see above"), err=True)
        return 3
    return 0


demo.add_command(init)
demo.add_command(repair)
demo.add_command(change)
demo.add_command(recall)
demo.add_command(story)
