"""`eastbound trace`: from a submitted line back to the rows it was made of."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, workspace_option
from etl.language import pick, say


@command(zh="由流水号追溯：报送行、映射表达式与代码对照、取数时的来源记录。个人信息默认遮盖。",
         en="From a serial number to the submitted line, the mapping and code maps, and the source rows as extracted. Personal values are masked.",
         examples=["eastbound trace 000999202611150000000001", "eastbound trace 000999202611150000000001 --item BDZT",
                   "eastbound trace 000999202611150000000001 --reveal --key-file var/keys/vault.key --format json"])
@click.argument("serial")
@click.option("--item", default=None, help=say("只看一个数据项", "only this data item"))
@click.option("--run", "run_id", default=None, help=say("运行编号，默认含有该流水号的最近一次", "run id; default the latest that holds the serial number"))
@click.option("--reveal", is_flag=True, help=say("显示明文，需要保险库密钥；每次都会记入台账", "show clear values; needs the vault key, and is noted in the ledger"))
@click.option("--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None,
              help=say("保险库密钥文件（也可用 EASTBOUND_REVEAL_KEY）", "file with the vault key (or EASTBOUND_REVEAL_KEY)"))
@format_option()
@workspace_option
def trace(workspace: Path, form: str, serial: str, item: str | None, run_id: str | None, reveal: bool, key_file: Path | None) -> None:
    from etl.lineage.trace import SerialUnknown
    from etl.pipeline.tracing import trace_serial, trace_transaction
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    try:
        found = trace_serial(opened, serial, run_id=run_id, reveal=reveal, key_file=key_file)
    except SerialUnknown:
        # A standard without serial numbers: the number is a transaction's, and its lines are what can be traced.
        run, lines = trace_transaction(opened, serial, run_id=run_id)
        if form == "json":
            echo_json({"transaction": serial, "run": run, "lines": [{"table": table, "serial": line} for table, line in lines]})
        else:
            echo_table([say("表", "table"), say("行（可再追溯）", "line (trace it by this name)")], lines,
                       title=say(f"交易 {serial}　运行 {run}", f"transaction {serial}  run {run}"))
        return
    if item and item not in found.items:
        raise click.UsageError(say(f"表 {found.table} 没有数据项 {item}；有：{', '.join(found.items)}", f"table {found.table} has no item {item}; it has {', '.join(found.items)}"))
    if form == "json":
        echo_json(as_json(found, item))
        return
    _show(found, item)


def as_json(found: Any, item: str | None) -> dict[str, Any]:
    """The trace as scripts get it."""
    origins = {o.item: {k: v for k, v in asdict(o).items() if k != "item"} for o in found.origins}
    items = found.items
    if item:
        items, origins = {item: items[item]}, {k: v for k, v in origins.items() if k == item}
    return {"serial": found.serial, "run": found.run, "table": found.table, "items": items,
            "sources": [{"system": s.system, "table": s.table, "key": s.key, "part": s.part, "row": s.row} for s in found.sources], "mapping": origins}


def _show(found: Any, item: str | None) -> None:
    click.echo(say(f"流水号 {found.serial}　表 {found.table}　运行 {found.run}", f"serial {found.serial}  table {found.table}  run {found.run}"))
    rows = []
    for origin in found.origins:
        if item and origin.item != item:
            continue
        maps = "; ".join(f"{name}: {', '.join(f'{k} → {v}' for k, v in entries.items()) or '-'}" for name, entries in origin.code_maps.items())
        how = origin.expression if origin.kind.startswith("expression") else f"{say({'constant': '常量', 'default': '默认值'}[origin.kind], origin.kind)}：{pick(origin.why)}"
        rows.append((origin.item, origin.name, origin.value, how, maps))
    echo_table([say("数据项", "item"), say("名称", "name"), say("值", "value"), say("取数口径", "from"), say("代码对照", "code map")], rows)
    wanted = {c.split(".")[0] for o in found.origins if o.item == item for c in o.columns} if item else None
    used = {c for o in found.origins if o.item == item for c in o.columns} if item else None
    for source in found.sources:
        if wanted is not None and source.part not in wanted:
            continue
        shown = [(k, v) for k, v in source.row.items() if used is None or f"{source.part}.{k}" in used or not any(u.startswith(source.part + ".") for u in used)]
        echo_table([say("列", "column"), say("值", "value")], shown, title=f"{source.system}.{source.table} ({source.part})  {source.key}")


