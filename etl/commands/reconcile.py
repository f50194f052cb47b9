"""`eastbound reconcile`: what must agree across submissions, systems and periods, and every row of what does not."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, packs_option, workspace_option
from etl.commands.figures import as_number, run_options
from etl.language import pick, say

SCREEN_ROWS = 50


@command(zh="按 reconciliations.yaml 核对：与总账、与保单登记平台、与统计系统汇总表、与上期。有差异时退出码为 1，差异行全部写入运行目录。",
         en="Reconcile by reconciliations.yaml: with the general ledger, the policy registry, the statistics summary, the period before. "
            "Exit code 1 where something differs; every differing row is written into the run's folder.",
         examples=["eastbound reconcile -s east_life_2020 -p 2026-10", "eastbound reconcile premium_to_registry --rows",
                   "eastbound reconcile statistics_summary --workbook summary.xlsx", "eastbound reconcile --format json"])
@click.argument("reconciliations", nargs=-1, metavar="[RECONCILIATION]...")
@run_options
@click.option("--workbook", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None,
              help=say("统计系统汇总表（.xlsx）", "the statistics system's summary (.xlsx)"))
@click.option("--rows", "show_rows", is_flag=True, help=say("列出差异行（分页）", "list the differing rows, page by page"))
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help=say("--rows 的页码", "page of --rows"))
@format_option()
@packs_option
@workspace_option
def reconcile(workspace: Path, packs: tuple[str, ...], form: str, reconciliations: tuple[str, ...], standard: str | None, period: str | None, run_id: str | None,
              current: bool, workbook: Path | None, show_rows: bool, page: int) -> int:
    from etl.figures.reconcile import chosen, differing_rows
    from etl.figures.reconcile import reconcile as carry_out
    from etl.figures.reconciliation_loader import load_reconciliations
    from etl.figures.runs import choose_run, open_book
    from etl.ledger import open_ledger
    from etl.packs.roots import PackRoots
    from etl.pipeline.road import actor
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        others = PackRoots.of(*opened.packs, *packs)
        run = choose_run(ledger, others, standard, period, run_id)
        with open_book(opened, ledger, run, packs, current) as book:
            known = load_reconciliations(book.standard, book.figures(), book.roots, others)
            for name in reconciliations:
                if name not in {one.id for one in known}:
                    raise click.UsageError(say(f"没有核对 {name}；有：{', '.join(one.id for one in known)}",
                                               f"there is no reconciliation {name}; there are {', '.join(one.id for one in known)}"))
            folder = opened.run_folder(run.id) / "reconciliations"
            results = []
            for one in chosen(known, reconciliations):
                # A reconciliation of rows leaves its tables' days behind: each begins with the period of the run.
                results.append((one, carry_out(book, one, folder, others=others, workbook=workbook)))
            outcomes = {one.id: result.outcome for one, result in results}
            ledger.append_event(actor(), "run.reconciled", run.id, {"outcomes": outcomes})
            if form == "json":
                echo_json([_row(book, one, result) | ({"differences": list(differing_rows(book.engine, result.file))} if show_rows and result.file else {})
                           for one, result in results])
            else:
                _show(book, results)
                if show_rows:
                    for one, result in results:
                        if result.file:
                            _show_rows(one, result, list(differing_rows(book.engine, result.file, SCREEN_ROWS, (page - 1) * SCREEN_ROWS)), page)
    return 1 if "differs" in outcomes.values() else 0


def _row(book: Any, one: Any, result: Any) -> dict[str, Any]:
    return {"reconciliation": one.id, "run": book.run.id, "kind": one.kind, "name_zh": one.name["zh"], "name_en": one.name["en"], "outcome": result.outcome,
            "left": _number(result.left), "right": _number(result.right), "difference": _number(result.difference),
            "tolerance": {"absolute": float(one.tolerance.absolute), "relative": float(one.tolerance.relative)}, "keys": result.keys,
            "only_left": result.only_left, "only_right": result.only_right, "amounts_differ": result.amounts, "reason": result.why() or None,
            "notes": [say(*note) for note in result.notes], "file": book.context.relative(result.file) if result.file else None}


def _number(value: Decimal | None) -> Any:
    return None if value is None else as_number(value.quantize(Decimal("0.01")) if value == round(value, 2) else value)


def _amount(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _show(book: Any, results: list[tuple[Any, Any]]) -> None:
    from etl.figures.reconciliation import OUTCOME_NAMES

    title = say(f"运行 {book.run.id}　{book.run.standard}　{book.run.period}", f"run {book.run.id}  {book.run.standard}  {book.run.period}")
    echo_table([say("核对", "reconciliation"), say("名称", "name"), say("结果", "outcome"), say("左", "left"), say("右", "right"), say("差额", "difference"),
                say("键", "keys"), say("仅左", "only left"), say("仅右", "only right"), say("金额不同", "amounts"), say("说明", "why")],
               [(one.id, pick(one.name), say(*OUTCOME_NAMES[r.outcome]), _amount(r.left), _amount(r.right), _amount(r.difference), r.keys, r.only_left, r.only_right, r.amounts, r.why())
                for one, r in results], title=title, right=(3, 4, 5, 6, 7, 8, 9))
    for one, result in results:
        for note in result.notes:
            click.echo(f"{one.id}: {say(*note)}")
        if result.file:
            click.echo(f"{one.id}: {say('差异行', 'differing rows')} {result.file}")


def _show_rows(one: Any, result: Any, rows: list[dict[str, Any]], page: int) -> None:
    from etl.figures.reconciliation import KIND_NAMES

    echo_table([say("差异", "what"), say("键", "key"), say("左", "left"), say("右", "right"), say("差额", "difference")],
               [(say(*KIND_NAMES[row["kind"]]), row["key"], _amount(row["left"]), _amount(row["right"]), _amount(row["difference"])) for row in rows],
               title=f"{one.id}　{pick(one.name)}", right=(2, 3, 4))
    total = result.only_left + result.only_right + result.amounts
    if page * SCREEN_ROWS < total:
        click.echo(say(f"共 {total:,} 行；下一页：--page {page + 1}", f"{total:,} in all; next: --page {page + 1}"))
