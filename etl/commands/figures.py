"""`eastbound figures`: named figures of a run, split by branch, channel, product or month, down to the rows that make them up."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_jsonl, echo_table, packs_option, workspace_option
from etl.language import pick, say

COLUMNS = ("figure", "name_zh", "name_en", "by", "member", "member_name", "value", "unit", "period", "rows", "unjudged", "reason")
SCREEN_ROWS = 50


def run_options(function: Any) -> Any:
    for option in reversed([
        click.option("--standard", "-s", default=None, help=say("标准，默认最近一次运行的标准", "standard; default that of the latest run")),
        click.option("--period", "-p", default=None, help=say("报送期，默认最近一期", "period; default the latest")),
        click.option("--run", "run_id", default=None, help=say("运行编号，代替 -s 与 -p", "run id, in place of -s and -p")),
        click.option("--current", is_flag=True, help=say("用现在的定义，而不是随该次运行保存的定义", "definitions as they are now, not those kept with the run")),
    ]):
        function = option(function)
    return function


@command(zh="按 figures.yaml 的定义计算指标。没有数据或除数为零时没有值并说明原因，绝不显示为 0。",
         en="Compute the figures that figures.yaml defines. Without data, or with a divisor of 0, there is no value but a reason, never 0.",
         examples=["eastbound figures -s east_life_2020 -p 2026-10", "eastbound figures premium_income simple_loss_ratio --by branch",
                   "eastbound figures surrender_rate --explain", "eastbound figures --rows outstanding_registered_opening --format csv",
                   "eastbound figures premium_income --by month --output premium.xlsx"])
@click.argument("figures", nargs=-1, metavar="[FIGURE]...")
@run_options
@click.option("--by", type=click.Choice(["branch", "channel", "product", "month"]), default=None,
              help=say("按机构、渠道、产品或月份（各期运行）拆分", "split by branch, channel, product, or month (over the runs of all periods)"))
@click.option("--rows", "rows_of", default=None, metavar="FIGURE", help=say("列出构成该指标的全部行（已遮盖）", "all rows that make up this figure, masked"))
@click.option("--explain", is_flag=True, help=say("显示定义、口径与依据", "with definition, expression and basis"))
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help=say("--rows 的屏幕页码", "page of --rows on the screen"))
@click.option("--format", "form", type=click.Choice(["table", "json", "jsonl", "csv"]), default="table", show_default=True, help=say("输出格式", "output format"))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), default=None,
              help=say("写入文件，按后缀 .csv .xlsx .json .jsonl", "write to a file by its ending: .csv .xlsx .json .jsonl"))
@packs_option
@workspace_option
def figures(workspace: Path, packs: tuple[str, ...], figures: tuple[str, ...], standard: str | None, period: str | None, run_id: str | None, current: bool,
            by: str | None, rows_of: str | None, explain: bool, page: int, form: str, output: Path | None) -> int:
    from etl.figures.runs import choose_run, open_book
    from etl.ledger import open_ledger
    from etl.packs.roots import PackRoots
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        run = choose_run(ledger, PackRoots.of(*opened.packs, *packs), standard, period, run_id)
        with open_book(opened, ledger, run, packs, current) as book:
            defined = book.figures()
            # Asked for no figure in particular: all of them, or all that can be split so.
            wanted = list(figures) or [name for name in defined.figures if by in (None, "month") or by in defined.dimensions(name)]
            for name in [*wanted, *([rows_of] if rows_of else [])]:
                if name not in defined.figures:
                    _unknown(name, defined)
            if rows_of:
                from etl.figures.drill import COLUMNS as ROW_COLUMNS
                from etl.figures.drill import figure_rows

                found = figure_rows(book, rows_of)
                if form == "table" and not output:
                    _show_rows(found, page)
                else:
                    _put(found, ROW_COLUMNS, form, output)
                return 0
            rows = list(_by_month(book, wanted, current, packs) if by == "month" else _values(book, defined, wanted, by))
            if form == "table" and not output:
                _show(book, defined, wanted, rows, by, explain)
            else:
                if explain:
                    rows = [row | _about(defined, row["figure"]) for row in rows]
                _put(rows, COLUMNS + (("definition_zh", "definition_en", "expression", "basis") if explain else ()), form, output)
    return 0


def _unknown(name: str, defined: Any) -> None:
    from etl.packs.shape import hint

    raise click.UsageError(say(f"没有指标 {name}{hint(name, defined.figures)[0]}", f"there is no figure {name}{hint(name, defined.figures)[1]}"))


def _values(book: Any, defined: Any, wanted: list[str], by: str | None) -> Iterable[dict[str, Any]]:
    from etl.figures.compute import compute
    from etl.figures.names import member_names

    book.open_for(defined, wanted)
    names = member_names(book, defined, by) if by else {}
    for name, values in compute(book.engine, defined, wanted, book.tables, by).items():
        for value in values:
            yield _row(defined.figures[name], value, by if value.member is not None else None, names.get(value.member or "", ""))


def _by_month(book: Any, wanted: list[str], current: bool, packs: tuple[str, ...]) -> Iterable[dict[str, Any]]:
    """Each figure over the runs of all periods up to this one."""
    from dataclasses import replace

    from etl.figures.compute import compute
    from etl.figures.runs import best_runs, open_book

    found: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    runs = best_runs(book.ledger, book.run.standard) | {book.period: book.run}
    for period, run in sorted(runs.items(), key=lambda one: (one[0].end, one[0].start)):
        if period.end > book.period.end:
            continue
        with open_book(book.workspace, book.ledger, run, packs, current) as earlier:
            earlier.roots = book.roots
            defined = earlier.figures()
            earlier.open_for(defined, wanted)
            for name, values in compute(earlier.engine, defined, wanted, earlier.tables).items():
                found[name].append(_row(defined.figures[name], replace(values[0], member=period.label), "month", ""))
    for rows in found.values():
        yield from rows


def _row(figure: Any, value: Any, by: str | None, member_name: str) -> dict[str, Any]:
    return {"figure": figure.id, "name_zh": figure.name["zh"], "name_en": figure.name["en"], "by": by, "member": value.member, "member_name": member_name,
            "value": as_number(figure.rounded(value.value)) if value.value is not None else None, "unit": figure.unit, "period": figure.period, "rows": value.rows,
            "unjudged": value.unjudged, "reason": value.reason.sentence() if value.reason else None}


def as_number(value: Decimal) -> int | float | str:
    """For JSON: a number where it comes back the same, else its digits as text."""
    if value == value.to_integral_value() and value.as_tuple().exponent == 0:
        return int(value)
    return float(value) if len(value.as_tuple().digits) <= 15 else format(value, "f")


def _about(defined: Any, name: str) -> dict[str, Any]:
    figure = defined.figures[name]
    return {"definition_zh": figure.definition["zh"], "definition_en": figure.definition["en"], "expression": figure.expression(), "basis": figure.basis}


def _put(rows: Iterable[dict[str, Any]], columns: tuple[str, ...], form: str, output: Path | None) -> None:
    if output:
        from etl.commands.findings import export

        count = export((_flat(row) for row in rows) if output.suffix.lower() in (".csv", ".xlsx") else rows, columns, output)
        click.echo(say(f"已写入 {count:,} 行：{output}", f"{count:,} row(s) written to {output}"))
    elif form == "json":
        echo_json(list(rows))
    elif form == "jsonl":
        echo_jsonl(rows)
    else:
        from etl.commands.findings import write_csv

        write_csv(map(_flat, rows), columns, sys.stdout)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row for a spreadsheet: what is nested becomes one text."""
    return {key: "; ".join(f"{k}={'' if v is None else v}" for k, v in value.items()) if isinstance(value, dict) else value for key, value in row.items()}


def shown_number(value: Any, decimals: int) -> str:
    return "—" if value is None else f"{Decimal(str(value)):,.{decimals}f}"


def _show(book: Any, defined: Any, wanted: list[str], rows: list[dict[str, Any]], by: str | None, explain: bool) -> None:
    from etl.figures.definition import PERIOD_NAMES, UNITS

    title = say(f"运行 {book.run.id}　{book.run.standard}　{book.run.period}（{book.run.status}）", f"run {book.run.id}  {book.run.standard}  {book.run.period} ({book.run.status})")
    columns = [say("指标", "figure"), say("名称", "name"), *([say({"branch": "机构", "channel": "渠道", "product": "产品", "month": "月份"}[by], by)] if by else []),
               say("值", "value"), say("单位", "unit"), *([] if by else [say("时点", "when")]), say("行数", "rows"), say("无值原因、备注", "reason, remark")]
    listed = []
    for row in rows:
        figure = defined.figures[row["figure"]]
        member = [f"{row['member'] or say('（无）', '(none)')} {row['member_name']}".strip() if row["by"] else ""] if by else []
        remark = row["reason"] or (say(f"{row['unjudged']:,} 行无法判断", f"{row['unjudged']:,} row(s) could not be judged") if row["unjudged"] else "")
        listed.append((row["figure"], pick(figure.name), *member, shown_number(row["value"], figure.decimals), say(*UNITS[row["unit"]][:2]),
                       *([] if by else [say(*PERIOD_NAMES[row["period"]])]), row["rows"], remark))
    at = 3 if by else 2
    echo_table(columns, listed, title=title, right=(at, at + (2 if by else 3)))
    if explain:
        for name in wanted:
            figure = defined.figures[name]
            click.secho(f"{name}　{pick(figure.name)}", bold=True)
            click.echo("  " + pick(figure.definition))
            source = figure.source
            place = f"{source.table}" + (f" + {', '.join(join.table for join in source.joins)}" if source.joins else "") if source else ""
            click.echo(say("  算法：", "  how: ") + figure.expression() + (say(f"，取自 {place}", f" over {place}") if place else ""))
            for label, text in ((say("条件", "where"), figure.where.text if figure.where else ""), (say("依据", "basis"), figure.basis)):
                if text:
                    click.echo(f"  {label}{say('：', ': ')}{text}")


def _show_rows(rows: Iterable[dict[str, Any]], page: int) -> None:
    """One page on the screen; the rows before it are passed over, those behind it only counted."""
    first, shown, total = (page - 1) * SCREEN_ROWS, [], 0
    for total, row in enumerate(rows, 1):
        if first < total <= first + SCREEN_ROWS:
            shown.append((row["figure"], row["key"], row["amount"] if isinstance(row["amount"], int) else str(row["amount"]), row["date"], row["branch"], row["serial"],
                          f"{row['source_system']}.{row['source_table']} {row['source_key']}"))
    echo_table([say("指标", "figure"), say("主键", "key"), say("计入", "adds"), say("日期", "date"), say("机构", "branch"), say("流水号", "serial"), say("来源", "source")], shown, right=(2,))
    last = min(first + SCREEN_ROWS, total)
    more = say(f"；下一页：--page {page + 1}", f"; next: --page {page + 1}") if last < total else ""
    click.echo(say(f"第 {first + 1:,}–{last:,} 行，共 {total:,} 行{more}", f"{first + 1:,} to {last:,} of {total:,}{more}") if shown else say("没有行。", "No rows."))
