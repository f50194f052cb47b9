"""`eastbound lineage`: which source columns the submitted items of a run were made of; its OpenLineage events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_jsonl, echo_table, workspace_option
from etl.language import pick, say

SUBTYPES = {
    "IDENTITY": ("原值", "as it is"), "TRANSFORMATION": ("转换", "converted"), "AGGREGATION": ("汇总", "aggregated"), "JOIN": ("连接", "join"),
    "FILTER": ("筛选", "filter"), "GROUP_BY": ("分组", "grouping"), "CONDITIONAL": ("条件", "condition"),
}


@command(zh="一次运行的血缘：每个报送数据项取自哪些来源列、经何种处理；或导出、补发该运行的 OpenLineage 事件。只含名称与行数，不含任何数据值。",
         en="The lineage of a run: which source columns each submitted item was made of, and how; or its OpenLineage events, to export or to send again. "
            "Names and counts only, never a value.",
         examples=["eastbound lineage", "eastbound lineage 20261115-3fa9c1 --table GRBDB --item BDZT", "eastbound lineage 20261115-3fa9c1 --format openlineage > events.jsonl",
                   "eastbound lineage 20261115-3fa9c1 --emit"])
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option("--table", "-t", default=None, help=say("只看一张表", "only this table"))
@click.option("--item", default=None, help=say("只看一个数据项（与 --table 同用）", "only this data item (with --table)"))
@click.option("--emit", is_flag=True, help=say("按 workspace.yaml 的 openlineage 重新发出该运行的全部事件", "send all events of the run again, to where openlineage in workspace.yaml says"))
@click.option("--format", "form", default="table", show_default=True, type=click.Choice(["table", "json", "openlineage"]),
              help=say("输出格式；openlineage 为每行一个事件", "output format; openlineage is one event per line"))
@workspace_option
def lineage(workspace: Path, form: str, emit: bool, item: str | None, table: str | None, run_id: str | None) -> None:
    from etl.commands.runs import latest_run
    from etl.ledger import open_ledger
    from etl.lineage.columns import table_origins
    from etl.lineage.emit import emit_again, run_events
    from etl.pipeline.road import open_context
    from etl.workspace import Workspace

    if item and not table:
        raise click.UsageError(say("--item 须与 --table 同用", "--item goes with --table"))
    if (emit or form == "openlineage") and table:
        raise click.UsageError(say("事件总是整个运行的，不能只取一张表", "events are those of the whole run, not of one table"))
    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        context = open_context(opened, run_id or latest_run(ledger), ledger)
        if emit:
            number = emit_again(context)
            click.echo(say(f"已发出运行 {context.run} 的 {number} 个事件。", f"sent {number} events of run {context.run}."), err=form != "table")
        if form == "openlineage":
            echo_jsonl(run_events(context))
            return
        if emit and form == "table":
            return
        codes = [one.code for one in context.standard.submitted_tables]
        if table and table not in codes:
            raise click.UsageError(say(f"标准 {context.standard.name} 不报送表 {table}", f"{context.standard.name} submits no table {table}"))
        found = [_table(context, code, table_origins(context.mappings.tables[code]), item) for code in codes if not table or code == table]
        if item and not found[0]["items"]:
            raise click.UsageError(say(f"表 {table} 没有数据项 {item}", f"table {table} has no item {item}"))
    if form == "json":
        echo_json({"run": context.run, "standard": context.standard.name, "period": context.request.period.label, "tables": found})
        return
    for one in found:
        _show(one)


def _table(context: Any, code: str, origins: Any, item: str | None) -> dict[str, Any]:
    """The origins of one table as scripts get them."""
    from etl.lineage.columns import is_masked

    table = context.standard.tables[code]
    return {
        "table": code, "name": pick(table.name),
        "items": [{"item": one.code, "name": pick(one.name), "masked": is_masked(context.standard, one), "origins": [_origin(o) for o in origins.items.get(one.code, ())]}
                  for one in table.items if not item or one.code == item],
        "rows": [_origin(o) for o in origins.rows]}


def _origin(origin: Any) -> dict[str, Any]:
    return {"system": origin.system, "table": origin.table, "column": origin.column,
            "steps": [{"type": step.kind, "subtype": step.subtype, "expression": step.text or None} for step in origin.steps]}


def _show(table: dict[str, Any]) -> None:
    """One line per item and source column; columns that only decide are named by how they do."""
    lines = []
    for item in table["items"]:
        for number, origin in enumerate(item["origins"] or [None]):
            head = (item["item"], item["name"], say("是", "yes") if item["masked"] else "") if number == 0 else ("", "", "")
            lines.append((*head, *_line(origin)))
    echo_table([say("数据项", "item"), say("名称", "name"), say("脱敏", "masked"), say("来源列", "source column"), say("处理", "how"), say("表达式", "expression")], lines,
               title=f"{table['table']} {table['name']}")
    if table["rows"]:
        names = [f"{o['system']}.{o['table']}.{o['column']}" for o in table["rows"]]
        click.echo(say(f"决定取哪些行：{'、'.join(names)}", f"which rows there are depends on: {', '.join(names)}"))


def _line(origin: dict[str, Any] | None) -> tuple[str, str, str]:
    if origin is None:
        return say("（常量、缺省值或系统编制）", "(a constant, a default, or made by the house)"), "", ""
    how = say("、", ", ").join(dict.fromkeys(say(*SUBTYPES[step["subtype"]]) for step in origin["steps"]))
    return f"{origin['system']}.{origin['table']}.{origin['column']}", how, next((step["expression"] for step in origin["steps"] if step["expression"]), "")
