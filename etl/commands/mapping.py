"""`eastbound mapping`: where every item comes from, and which source codes have no entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, group, packs_option, workspace_option
from etl.language import pick, say

mapping = group("mapping", zh="映射：覆盖情况与未对照代码。", en="Mappings: coverage and unmapped codes.")


@command("coverage", zh="表 × 数据项：取数口径、常量、默认及其理由；给出运行编号则含行数。", en="Table x item: expression, constant or default with its reason; with a run, row counts too.",
         examples=["eastbound mapping coverage east_life_2020", "eastbound mapping coverage east_life_2020 --table GRBDB", "eastbound mapping coverage east_life_2020 --run RUN --format json"])
@click.argument("standard")
@click.option("--table", default=None, help=say("只看一张表", "only this table"))
@click.option("--run", "run_id", default=None, help=say("运行编号：加上各来源的行数", "run id: adds rows by origin"))
@format_option()
@packs_option
@workspace_option
def coverage(workspace: Path, packs: tuple[str, ...], form: str, standard: str, table: str | None, run_id: str | None) -> None:
    from etl.mapping.loader import load_mappings, source_columns
    from etl.packs.roots import PackRoots
    from etl.sources.loader import load_sources
    from etl.standard.loader import load_standard

    roots = PackRoots.of(*packs)
    loaded = load_standard(standard, roots)
    mappings = load_mappings(loaded, source_columns(load_sources(roots)), roots)
    counts = _counts(workspace, run_id) if run_id else {}
    rows: list[dict[str, Any]] = []
    for one in loaded.ordered_tables:
        if table and one.code != table:
            continue
        for item in one.items:
            rows += _item_rows(one.code, item, mappings.tables.get(one.code), counts.get((one.code, item.code)))
    if form == "json":
        echo_json(rows)
        return
    head = [say("表", "table"), say("数据项", "item"), say("名称", "name"), say("来源", "origin"), say("取数口径 / 理由", "from / why")]
    numbers = [say("取数", "mapped"), say("默认", "defaulted"), say("常量", "constant"), say("未对照", "unmapped")] if counts else []
    echo_table([*head, *numbers], [(r["table"], r["item"], r["name"], r["origin"], r["expression"] or r["why"], *([r[k] for k in ("mapped", "defaulted", "constant", "unmapped")] if counts else [])) for r in rows],
               right=(5, 6, 7, 8) if counts else ())


def _counts(workspace: Path, run_id: str) -> dict[tuple[str, str], Any]:
    from etl.ledger import open_ledger
    from etl.workspace import Workspace

    with open_ledger(Workspace.open(workspace).ledger_place) as ledger:
        return {(c.table, c.item): c for c in ledger.mapping(run_id)}


def _item_rows(table: str, item: Any, mapping: Any, count: Any) -> list[dict[str, Any]]:
    numbers = {k: getattr(count, k) if count else None for k in ("mapped", "defaulted", "constant", "unmapped")}
    base = {"table": table, "item": item.code, "name": pick(item.name)}
    if item.assigned:
        return [{**base, "origin": "assigned", "expression": "", "why": item.role, **numbers}]
    if mapping is None:
        return [{**base, "origin": "unmapped", "expression": "", "why": "", **numbers}]
    if mapping.absent:
        return [{**base, "origin": "absent", "expression": "", "why": pick(mapping.absent), **numbers}]
    rows = []
    for branch in mapping.branches:
        source = branch.items[item.code]
        origin = "source" if source.kind == "expression" else source.kind
        rows.append({**base, "origin": origin, "expression": source.expression.text if source.expression else "",
                     "why": pick(source.why), "driving": f"{branch.system}.{branch.table}", "code_maps": list(source.maps), **numbers})
    return rows


@command("unmapped", zh="一次运行中没有对照的来源代码及行数。", en="Source codes without an entry in their code map, and rows, in one run.",
         examples=["eastbound mapping unmapped", "eastbound mapping unmapped --run RUN --format json"])
@click.option("--run", "run_id", default=None, help=say("运行编号，默认最近一次", "run id; default the latest"))
@format_option()
@workspace_option
def unmapped(workspace: Path, form: str, run_id: str | None) -> None:
    from etl.commands.runs import latest_run
    from etl.engines import open_engine
    from etl.ledger import open_ledger
    from etl.rules.findings import register_findings
    from etl.workspace import Workspace

    opened = Workspace.open(workspace)
    with open_ledger(opened.ledger_place) as ledger:
        run = ledger.run(run_id or latest_run(ledger))
    with open_engine() as engine:
        register_findings(engine, sorted((opened.run_folder(run.id) / "findings").glob("*.parquet")), {})
        rows = engine.dicts("SELECT \"table\", item, expected AS wanted, value AS source_code, count(*) AS rows, min(source_key) AS example FROM _findings "
                            "WHERE family = 'mapping' GROUP BY ALL ORDER BY ALL")
    if form == "json":
        echo_json(rows)
    elif rows:
        echo_table([say("表", "table"), say("数据项", "item"), say("代码对照", "code map"), say("来源代码", "source code"), say("行数", "rows"), say("例（来源键）", "example (source key)")],
                   [(r["table"], r["item"], str(r["wanted"]).removeprefix("an entry in code map "), r["source_code"], r["rows"], r["example"]) for r in rows], right=(4,))
    else:
        click.echo(say("所有来源代码都有对照。", "Every source code has an entry."))


mapping.add_command(coverage)
mapping.add_command(unmapped)
