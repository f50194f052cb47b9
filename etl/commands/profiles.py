"""`eastbound profiles`: what the pack expects of each table as a whole, against earlier periods, judged by Great Expectations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, workspace_option
from etl.language import say

OUTCOME_NAMES = {"passed": ("符合", "met"), "failed": ("不符合", "not met"), "skipped": ("跳过", "skipped"), "errored": ("出错", "errored")}


@command(zh="各表数据画像与期望：行数、空值占比、不同值占比、合计、分布偏移，与往期（默认 12 期已封包的报送期）比较。默认最近一次运行。",
         en="Profiles of the tables against what is expected of them: volume, shares of nulls and distinct values, sums, drift of distributions, against "
            "earlier periods (by default 12 sealed ones). By default of the latest run.",
         examples=["eastbound profiles", "eastbound profiles 20261115-3fa9c1 --no-docs", "eastbound profiles --table GRBDB --not-met", "eastbound profiles --format json"])
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--docs/--no-docs", default=True, show_default=True, help=say("生成 Data Docs 网页（运行目录下 data_docs/index.html）", "build the Data Docs (data_docs/index.html in the run's folder)"))
@click.option("--table", "tables", multiple=True, help=say("只显示这些表，可多次给出", "show these tables only; may be given several times"))
@click.option("--not-met", is_flag=True, help=say("只显示不符合与出错的", "show only what is not met or errored"))
@click.option("--current", is_flag=True, help=say("用规范包现在的阈值，而不是运行当时的（只显示，不保存）", "use the thresholds of the packs as they are now, not as they were for the run (shown only, not kept)"))
@format_option()
@workspace_option
def profiles(workspace: Path, form: str, run_id: str | None, docs: bool, tables: tuple[str, ...], not_met: bool, current: bool) -> int:
    from etl.commands.runs import latest_run
    from etl.ledger import open_ledger
    from etl.packs.roots import PackRoots
    from etl.profiles.judging import judge_run
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        about = judge_run(opened, ledger, run_id or latest_run(ledger), docs=docs and not current, roots=PackRoots.of(*opened.packs) if current else None)
    lines = [line for line in about["results"] if (not tables or line["table"] in tables) and not (not_met and line["outcome"] in ("passed", "skipped"))]
    if form == "json":
        echo_json({**about, "results": lines})
    else:
        _show(about, lines)
    return 1 if any(line["outcome"] in ("failed", "errored") and line["severity"] == "error" for line in about["results"]) else 0


def _show(about: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    from etl.profiles.definition import MEASURES

    if not about["results"]:
        click.echo(say(f"标准 {about['standard']} 的规范包没有 profiles.yaml，没有要评判的期望。", f"the pack of {about['standard']} has no profiles.yaml: there is nothing to judge."))
        return
    echo_table([say("结果", "outcome"), say("编号", "id"), say("数据项", "item"), say("度量", "measure"), say("实际", "observed"), say("应为", "expected"), say("期数", "periods"), say("说明", "text")],
               [(say(*OUTCOME_NAMES[line["outcome"]]), line["rule"], line["item"], say(MEASURES[line["measure"]].name["zh"], MEASURES[line["measure"]].name["en"]),
                 line["value_shown"], line["expected_shown"], len(line["periods"]) or "", _text(line)) for line in lines], right=(4, 6))
    counts = about["counts"]
    click.echo(say(f"{about['period']}：{len(about['results'])} 条期望，符合 {counts['passed']}，不符合 {counts['failed']}，跳过 {counts['skipped']}，出错 {counts['errored']}",
                   f"{about['period']}: {len(about['results'])} expectations, {counts['passed']} met, {counts['failed']} not met, {counts['skipped']} skipped, {counts['errored']} errored"))
    click.echo(history_line(about))
    if about["docs"]:
        click.echo(say(f"网页：{about['docs']}", f"Pages: {about['docs']}"))


def history_line(about: dict[str, Any]) -> str:
    """Which earlier periods there were, said plainly where they are fewer than wanted."""
    periods, wanted = about["periods"], about["periods_wanted"]
    text = (say(f"参照往期 {len(periods)} 期：{periods[-1]} 至 {periods[0]}", f"Compared with {len(periods)} earlier period(s): {periods[-1]} to {periods[0]}") if periods
            else say("没有可参照的往期：看变动的期望一律跳过，不算符合", "No earlier period to compare with: what looks at change is skipped, not met"))
    if 0 < len(periods) < wanted:
        text += say(f"；少于应有的 {wanted} 期，界限仅供参考", f"; fewer than the {wanted} wanted, so take the ranges with care")
    if about["unprofiled"]:
        text += say(f"；已封包但没有画像：{'、'.join(about['unprofiled'])}", f"; sealed without profiles: {', '.join(about['unprofiled'])}")
    return text


def _text(line: dict[str, Any]) -> str:
    """The pack's text of what is not met; of what is met there is nothing to say."""
    from etl.profiles.docs import REASONS

    if line["outcome"] == "passed":
        return ""
    text = say(line["message_zh"], line["message_en"])
    return text + (say(f"（{REASONS[line['reason']][0]}）", f" ({REASONS[line['reason']][1]})") if line["reason"] else "")
