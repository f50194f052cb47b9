"""`eastbound runs changes`: what was new, changed or gone in the core systems, and in what is reported."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, workspace_option
from etl.language import say

MODE_NAMES = {"full": ("全量", "full"), "incremental": ("增量", "incremental"), "change": ("比对", "change")}
REASONS = {
    "no_base": ("没有已接受的先前运行", "no earlier accepted run"), "base_unreadable": ("先前的数据读不出", "earlier data unreadable"),
    "contract_changed": ("来源契约已变", "contract changed"), "source_moved": ("数据库地址已变", "database moved"), "no_watermark": ("无水位列", "no watermark"),
    "too_many_changed": ("变化过多", "too many changes"), "key_not_unique": ("主键不唯一", "key not unique"), "key_unusable": ("主键有空值或无法识别", "key unusable"),
    "key_not_found": ("按主键取不回记录", "rows not found by key"), "watermark_stands_still": ("记录变而水位未动", "rows change, watermark does not"),
}
CHANGES = ("inserted", "updated", "deleted", "unchanged")


@command("changes", zh="一次运行各来源表与先前运行相比的新增、更新、删除行数；--reported 另比较报送表。默认最近一次。",
         en="Rows inserted, updated and deleted per source table since the run compared with; --reported compares the reported tables too. By default the latest run.",
         examples=["eastbound runs changes", "eastbound runs changes 20261115-3fa9c1 --reported --format json"])
@click.argument("run_id", required=False)
@click.option("--reported", is_flag=True, help=say("另将报送的行与上次被接受的报送逐行比较（需解密，较慢）", "also compare the reported rows with the last accepted submission (decrypts, takes longer)"))
@format_option()
@workspace_option
def changes(workspace: Path, form: str, run_id: str | None, reported: bool) -> None:
    from etl.commands.runs import latest_run
    from etl.ledger import open_ledger
    from etl.ledger.capture import capture_counts
    from etl.pipeline.road import open_context
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        run = ledger.run(run_id or latest_run(ledger))
        context = open_context(opened, run.id, ledger)
        sources = [{name: value for name, value in asdict(count).items() if name != "place"} for count in capture_counts(ledger, run.id)]
        tables = _reported(context, ledger, run, opened.capture_base, reported)
    if form == "json":
        echo_json({"run": run.id, "capture": run.options.get("capture", "full"), "sources": sources, "reported": tables})
        return
    if not sources:
        click.echo(say(f"运行 {run.id} 没有取数计数", f"run {run.id} has no capture counts"))
    else:
        echo_table([say("来源表", "source table"), say("方式", "mode"), say("说明", "why"), say("对比的运行", "compared with"), say("水位", "watermark"),
                    say("读取行", "rows read"), *_headings()],
                   [(f"{c['system']}.{c['table']}", say(*MODE_NAMES[c["mode"]]), say(*REASONS.get(c["reason"], (c["reason"], c["reason"]))), c["base_run"] or "",
                     c["watermark"] or "", f"{c['rows_read']:,}", *_numbers(c)) for c in sources], right=(5, 6, 7, 8, 9))
    click.echo("")
    echo_table([say("报送表", "reported table"), say("监管采集方式", "capture wanted"), say("行数", "rows"), say("对比的运行", "compared with"), *_headings()],
               [(t["table"], say(*MODE_NAMES.get(t["capture"], (t["capture"], t["capture"]))), f"{t['rows']:,}", t["base_run"] or "", *_numbers(t)) for t in tables], right=(2, 4, 5, 6, 7))
    if not reported:
        click.echo(say("报送行的增减：加 --reported", "What changed in the reported rows: add --reported"))


def _reported(context: Any, ledger: Any, run: Any, policy: str, compare: bool) -> list[dict[str, Any]]:
    """The submitted tables with their rows; compared where that is asked for."""
    from etl.capture.reported import ReportedChange, reported_changes

    if compare:
        return [asdict(change) for change in reported_changes(context.vault, ledger, run, context.standard, policy)]
    rows = {count.table: count.rows_out for count in ledger.stages(run.id) if count.stage == "standardise"}
    return [asdict(ReportedChange(table.code, table.capture, rows.get(table.code, 0))) for table in context.standard.submitted_tables]


def _headings() -> tuple[str, ...]:
    return say("新增", "inserted"), say("更新", "updated"), say("删除", "deleted"), say("未变", "unchanged")


def _numbers(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple("" if entry[name] is None else f"{entry[name]:,}" for name in CHANGES)
