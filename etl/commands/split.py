"""`eastbound split`: the national package as one package per jurisdiction, and the proof that they are together the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, packs_option, workspace_option
from etl.language import say

STATUS = {"sealed": ("已封包", "sealed"), "blocked": ("已阻断", "blocked")}


@command(zh="把已批准的全国报送包按监管辖区拆成各辖区的报送包，用该辖区的地方规则与文件细节，并证明各部分之和等于全国。",
         en="Split the approved national package into one per jurisdiction, by its local rules and file details, and prove that the parts together are the whole.",
         examples=["eastbound split 20261115-3fa9c1", "eastbound split 20261115-3fa9c1 --jurisdiction 310000 --jurisdiction 440300",
                   "eastbound split 20261115-3fa9c1 --unapproved --format json"])
@click.argument("run_id", metavar="RUN")
@click.option("--jurisdiction", "chosen", multiple=True, metavar="CODE", help=say("只拆分这个辖区，可多次给出；默认有行的全部辖区", "only this jurisdiction; may be given several times; default all that have rows"))
@click.option("--unapproved", is_flag=True, help=say("全国报送包尚未批准也拆分（试做）", "split although the national package is not approved (a rehearsal)"))
@format_option()
@packs_option
@workspace_option
def split(workspace: Path, packs: tuple[str, ...], form: str, run_id: str, chosen: tuple[str, ...], unapproved: bool) -> int:
    from etl.pipeline.provinces import jurisdictions_of, split_one
    from etl.pipeline.union import as_record, prove_union
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    names = list(dict.fromkeys(chosen)) or jurisdictions_of(opened, run_id)
    parts = [split_one(opened, run_id, name, unapproved=unapproved, packs=packs) for name in names]
    union = prove_union(opened, run_id)
    if form == "json":
        echo_json({"run": run_id, "parts": [_record(opened, part) for part in parts], "union": as_record(union)})
    else:
        _show(opened, parts)
        _show_union(opened, union)
    if any(part.status == "blocked" for part in parts):
        return 1
    # Parts that were not asked for may be missing without anything having failed.
    others = set(union.absent) - set(names)
    return 0 if union.equal or (others and not union.damaged and not (set(union.absent) - others) and not _wrong(union)) else 3


def _wrong(union: Any) -> bool:
    """Whether a line is too many or has changed: that no missing part explains."""
    return any(table.extra_rows or table.changed_rows for table in union.tables)


def _record(workspace: Any, part: Any) -> dict[str, Any]:
    package = part.package.relative_to(workspace.root).as_posix() if part.package else None
    return {**vars(part), "package": package}


def _show(workspace: Any, parts: list[Any]) -> None:
    echo_table([say("监管辖区", "jurisdiction"), say("行", "rows"), say("错误", "errors"), say("警告", "warnings"), say("状态", "status"), say("运行", "run"), say("报送包", "package")],
               [(part.jurisdiction, part.rows, part.findings["error"], part.findings["warning"], say(*STATUS.get(part.status, (part.status, part.status))), part.run,
                 part.package.relative_to(workspace.root).as_posix() if part.package else "") for part in parts], right=(1, 2, 3))
    for part in parts:
        if part.status == "blocked":
            click.echo(say(f"{part.jurisdiction} 被其地方规则阻断，其他辖区不受影响：eastbound findings --run {part.run} --severity error",
                           f"{part.jurisdiction} is blocked by its local rules, the others are not: eastbound findings --run {part.run} --severity error"))
        elif part.report_folder:
            click.echo(say(f"{part.jurisdiction} 要求放在 {part.report_folder}", f"{part.jurisdiction} wants it in {part.report_folder}"))


def _show_union(workspace: Any, union: Any) -> None:
    rows = [(table.table, table.rows_whole, table.rows_parts, _sums(table), say("相等", "equal") if table.equal else _difference(table))
            for table in union.tables if table.rows_whole or table.rows_parts]
    echo_table([say("表", "table"), say("全国行", "rows of the whole"), say("各辖区行之和", "rows of the parts"), say("相同的控制合计", "equal control totals"), ""], rows, right=(1, 2, 3))
    whole, parts = (sum(getattr(table, f"rows_{side}") for table in union.tables) for side in ("whole", "parts"))
    place = union.path.relative_to(workspace.root).as_posix()
    if union.equal:
        click.echo(say(f"各辖区之和等于全国：{whole:,} 行，逐行相同，控制合计相同。证明：{place}",
                       f"The parts are the whole: {whole:,} rows, line by line, and every control total. Proof: {place}"))
        return
    click.echo(say(f"各辖区之和不等于全国：全国 {whole:,} 行，各辖区 {parts:,} 行。详见 {place}", f"The parts are not the whole: {whole:,} rows against {parts:,}. See {place}"))
    if union.absent:
        click.echo(say(f"还没有封包的辖区：{'、'.join(union.absent)}", f"no sealed package yet of: {', '.join(union.absent)}"))
    if union.damaged:
        click.echo(say(f"已不是封包时原样的报送包：{'、'.join(union.damaged)}", f"packages that are not as sealed: {', '.join(union.damaged)}"))


def _sums(table: Any) -> str:
    """How many of the sums of its numeric items agree."""
    same = sum(total == table.totals_parts.get(item) for item, total in table.totals_whole.items())
    return f"{same}/{len(table.totals_whole)}" if table.totals_whole else ""


def _difference(table: Any) -> str:
    return say(f"缺 {table.missing_rows:,}，多 {table.extra_rows:,}，改 {table.changed_rows:,}", f"{table.missing_rows:,} missing, {table.extra_rows:,} too many, {table.changed_rows:,} changed")
