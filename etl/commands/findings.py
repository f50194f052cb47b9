"""`eastbound findings`: every failing row, filtered, on the screen or as CSV, Excel, JSON."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import click

from etl.cells import TEXT_ONLY, cell_text, unformulated
from etl.commands.common import command, echo_json, echo_jsonl, echo_table, workspace_option
from etl.errors import EastboundError
from etl.language import say

SCREEN_ROWS = 50


class NothingEarlier(EastboundError):
    zh = "运行 {run} 没有可比较的更早运行（{against}）；先对同一报送期或上一报送期运行一次 eastbound run"
    en = "run {run} has no earlier run to compare with ({against}); run the same period, or the period before, first"
    exit_code = 2


@command(zh="查看检核发现。屏幕上分页显示，导出与 JSON 总是全部。", en="See findings. The screen pages over them; exports and JSON hold all of them.",
         examples=["eastbound findings --severity error", "eastbound findings --rule EL20-GRBDB-BDZZRQ1-CR-01 --format jsonl",
                   "eastbound findings --table GRBDB --branch 310000 --output findings.xlsx", "eastbound findings --summary",
                   "eastbound findings --state new --department 理赔部", "eastbound findings --fixed"])
@click.option("--run", "run_id", default=None, help=say("运行编号，默认最近一次", "run id; default the latest"))
@click.option("--rule", default=None, help=say("规则编号，可用 % 通配", "rule id; % matches anything"))
@click.option("--table", default=None, help=say("表代码", "table code"))
@click.option("--item", default=None, help=say("数据项代码", "item code"))
@click.option("--branch", default=None, help=say("机构代码", "branch code"))
@click.option("--severity", type=click.Choice(["error", "warning"]), default=None, help=say("级别", "severity"))
@click.option("--family", default=None, help=say("规则类别", "rule family"))
@click.option("--department", default=None, help=say("负责部门", "responsible department"))
@click.option("--state", type=click.Choice(["new", "open"]), default=None,
              help=say("与同一报送期上一次运行相比：new 新增，open 仍未解决", "against the run before of the same period: new, or still open"))
@click.option("--fixed", "fixed", is_flag=False, flag_value="period", default=None, type=click.Choice(["period", "month"]),
              help=say("列出已解决的发现：与同一报送期上一次运行（period）或上月（month）相比", "list what is fixed: against the run before of the same period (period), or last month (month)"))
@click.option("--format", "form", type=click.Choice(["table", "json", "jsonl", "csv"]), default="table", show_default=True, help=say("输出格式", "output format"))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), default=None,
              help=say("写入文件，按后缀 .csv .xlsx .json .jsonl", "write to a file by its ending: .csv .xlsx .json .jsonl"))
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help=say("屏幕页码", "page on the screen"))
@click.option("--summary", is_flag=True, help=say("按规则汇总", "count by rule"))
@workspace_option
def findings(workspace: Path, run_id: str | None, form: str, output: Path | None, page: int, summary: bool, fixed: str | None, **chosen: Any) -> int:
    from etl.commands.runs import latest_run
    from etl.engines import open_engine
    from etl.ledger import open_ledger
    from etl.rules.findings import COLUMNS, FindingFilter, count_findings, group_findings, query_findings, register_findings
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        run = ledger.run(run_id or latest_run(ledger))
    folder = opened.run_folder(run.id)
    wanted = FindingFilter(**chosen)
    files = sorted((folder / "findings").glob("*.parquet")) if fixed is None else _fixed_file(folder, run.id, fixed)
    with open_engine() as engine:
        register_findings(engine, files, {p.stem: p for p in (folder / "serials").glob("*.parquet")})
        total = count_findings(engine, wanted)
        errors = count_findings(engine, FindingFilter(**{**chosen, "severity": "error"})) if wanted.severity != "warning" else 0
        if summary:
            rows = group_findings(engine, ["severity", "rule", "table", "item", "message_zh", "message_en"], wanted)
            if form in ("json", "jsonl"):
                (echo_json if form == "json" else echo_jsonl)(rows)
            else:
                echo_table([say("级别", "severity"), say("规则", "rule"), say("说明", "text"), say("发现", "findings")],
                           [(r["severity"], r["rule"], say(r["message_zh"], r["message_en"]), r["findings"]) for r in rows], right=(3,))
        elif output:
            written = export(query_findings(engine, wanted), COLUMNS, output)
            click.echo(say(f"已写入 {written:,} 条发现：{output}", f"{written:,} finding(s) written to {output}"))
        elif form == "json":
            echo_json(list(query_findings(engine, wanted)))
        elif form == "jsonl":
            echo_jsonl(query_findings(engine, wanted))
        elif form == "csv":
            write_csv(query_findings(engine, wanted), COLUMNS, sys.stdout)
        else:
            shown = query_findings(engine, wanted, limit=SCREEN_ROWS, offset=(page - 1) * SCREEN_ROWS)
            show_findings(list(shown))
            first, last = (page - 1) * SCREEN_ROWS + 1, min(page * SCREEN_ROWS, total)
            if total:
                more = say(f"；下一页：--page {page + 1}", f"; next: --page {page + 1}") if last < total else ""
                click.echo(say(f"第 {first:,}–{last:,} 条，共 {total:,} 条{more}", f"{first:,} to {last:,} of {total:,}{more}"))
            else:
                click.echo(say("没有发现。", "No findings."))
    return 1 if errors and fixed is None else 0


def _fixed_file(folder: Path, run: str, against: str) -> list[Path]:
    """The findings of an earlier run that this run has no more."""
    path = folder / "fixed" / f"{against}.parquet"
    if not path.is_file():
        raise NothingEarlier(run=run, against=against)
    return [path]


def show_findings(rows: list[dict[str, Any]]) -> None:
    """Findings as a table for people."""
    columns: list[tuple[str, Any]] = [
        (say("级别", "severity"), lambda r: r["severity"]), (say("状态", "state"), lambda r: _state(r["state"])), (say("规则", "rule"), lambda r: r["rule"]),
        (say("主键", "key"), lambda r: r["key"]), (say("值", "value"), lambda r: _short(r["value"])), (say("应为", "expected"), lambda r: _short(r["expected"])),
        (say("差额", "difference"), lambda r: r["difference"] or ""), (say("部门", "department"), lambda r: r["department"] or ""),
        (say("来源", "source"), _source), (say("说明", "text"), lambda r: say(r["message_zh"], r["message_en"])),
    ]
    # Room on a screen is short: where nothing differs or is known there is no column, nor for "new" where all is new.
    told = {title for title, cell in columns if any(cell(r) for r in rows)} - (set() if any(r["state"] == "open" for r in rows) else {say("状态", "state")})
    kept = [(title, cell) for title, cell in columns if title in told]
    echo_table([title for title, _ in kept], [tuple(cell(r) for _, cell in kept) for r in rows])


def _state(state: str | None) -> str:
    return {"new": say("新增", "new"), "open": say("未解决", "open")}.get(state or "", "")


def _source(row: dict[str, Any]) -> str:
    return f"{row['source_system']}.{row['source_table']} {row['source_key']}" if row["source_system"] else ""


def _short(text: str | None, most: int = 60) -> str:
    """Control characters made visible; long texts cut for the screen only."""
    if text is None:
        return ""
    seen = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return seen if len(seen) <= most else seen[: most - 1] + "…"


def export(rows: Any, columns: tuple[str, ...], path: Path) -> int:
    """Write all rows to `path`; returns how many. Excel gets texts only: no number turns into a float, no text into a formula."""
    kind = path.suffix.lower()
    if kind == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as stream:
            return write_csv(rows, columns, stream)
    if kind in (".json", ".jsonl"):
        import json

        count = 0
        with path.open("w", encoding="utf-8") as stream:
            if kind == ".json":
                stream.write("[")
            for row in rows:
                stream.write((",\n" if count and kind == ".json" else "") + json.dumps(row, ensure_ascii=False, default=str) + ("\n" if kind == ".jsonl" else ""))
                count += 1
            if kind == ".json":
                stream.write("]\n")
        return count
    if kind == ".xlsx":
        return _write_excel(rows, columns, path)
    raise click.UsageError(say(f"不支持的后缀 {path.suffix}；用 .csv .xlsx .json .jsonl", f"{path.suffix} is not supported; use .csv .xlsx .json .jsonl"))


def write_csv(rows: Any, columns: tuple[str, ...], stream: Any) -> int:
    """Write rows as CSV with a header; returns how many. No text is a formula to a spreadsheet."""
    writer = csv.writer(stream)
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([unformulated(row[c]) for c in columns])
        count += 1
    return count


EXCEL_ROWS = 1_048_575


def _write_excel(rows: Any, columns: tuple[str, ...], path: Path) -> int:
    import xlsxwriter

    count = 0
    with xlsxwriter.Workbook(str(path), TEXT_ONLY) as book:
        head, text = book.add_format({"bold": True}), book.add_format({"num_format": "@"})
        sheet = None
        for row in rows:
            if count % EXCEL_ROWS == 0:
                sheet = book.add_worksheet(f"findings {count // EXCEL_ROWS + 1}")
                for index, column in enumerate(columns):
                    sheet.write_string(0, index, column, head)
                sheet.freeze_panes(1, 0)
            assert sheet is not None
            for index, column in enumerate(columns):
                if row[column] is not None:
                    sheet.write_string(count % EXCEL_ROWS + 1, index, cell_text(row[column]), text)
            count += 1
        if sheet is None:
            sheet = book.add_worksheet("findings 1")
            for index, column in enumerate(columns):
                sheet.write_string(0, index, column, head)
    return count
