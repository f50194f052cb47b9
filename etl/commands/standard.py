"""`eastbound standard`: which standards there are, and what is in one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from etl.commands.common import command, echo_json, echo_table, format_option, group, packs_option
from etl.commands.workbooks import catalogue, diff, export, import_workbook
from etl.language import pick, say

standard = group("standard", zh="标准：列表、表结构、导入导出、版本比较、目录页。", en="Standards: list, tables, workbooks in and out, comparison of editions, catalogue page.")


@command("list", zh="列出所有标准。", en="List all standards.", examples=["eastbound standard list", "eastbound standard list --packs ../our-packs"])
@format_option()
@packs_option
def list_standards(packs: tuple[str, ...], form: str) -> None:
    from etl.packs.roots import PackRoots
    from etl.standard.loader import load_standard, standard_names

    roots = PackRoots.of(*packs)
    loaded = [load_standard(name, roots) for name in standard_names(roots)]
    rows = [{"standard": s.name, "version": s.version, "name": pick(s.title), "tables": len(s.submitted_tables),
             "items": sum(len(t.items) for t in s.submitted_tables), "frequency": s.frequency, "family": s.family, "effective_from": s.effective_from, "effective_to": s.effective_to} for s in loaded]
    if form == "json":
        echo_json(rows)
    else:
        echo_table([say("标准", "standard"), say("版本", "version"), say("名称", "name"), say("表", "tables"), say("数据项", "items"), say("频度", "frequency")],
                   [(r["standard"], r["version"], r["name"], r["tables"], r["items"], r["frequency"]) for r in rows], right=(3, 4))


@command("show", zh="标准的表与数据项；给出表代码则像监管文件一样列出该表。", en="Tables and items of a standard; with a table code, that table as the regulator's document would show it.",
         examples=["eastbound standard show east_life_2020", "eastbound standard show east_life_2020 GRBDB", "eastbound standard show east_life_2020 --format json"])
@click.argument("name")
@click.argument("table", required=False)
@format_option()
@packs_option
def show(packs: tuple[str, ...], form: str, name: str, table: str | None) -> None:
    from etl.packs.roots import PackRoots
    from etl.standard.loader import load_standard

    loaded = load_standard(name, PackRoots.of(*packs))
    if table and table not in loaded.tables:
        raise click.UsageError(say(f"标准 {name} 没有表 {table}；有：{', '.join(t.code for t in loaded.ordered_tables)}",
                                   f"standard {name} has no table {table}; it has {', '.join(t.code for t in loaded.ordered_tables)}"))
    if form == "json":
        about = as_json(loaded)
        if table:
            about["tables"] = [t for t in about["tables"] + about.pop("auxiliary_tables") if t["code"] == table]
        echo_json(about)
    elif table:
        _show_table(loaded.tables[table])
    else:
        echo_table(["#", say("表代码", "table"), say("名称", "name"), say("数据项", "items"), say("主键", "key"), say("采集方式", "capture"), say("来源可信度", "provenance")],
                   [(t.number, t.code, pick(t.name), len(t.items), "+".join(i.code for i in t.key_items), t.capture, _provenance(t)) for t in loaded.ordered_tables],
                   right=(0, 3), title=f"{pick(loaded.title)}  {loaded.version}")


def _provenance(table: Any) -> str:
    return " ".join(f"{k}:{n}" for k, n in sorted(Counter(item.provenance for item in table.items).items()))


def _show_table(table: Any) -> None:
    from etl.standard.workbook.oracle import type_text

    rows = []
    for number, item in enumerate(table.items, 1):
        notes = [n for n in (f"{item.codes}/{item.send}" if item.codes else "", f"→ {item.refs.table}.{item.refs.item}" if item.refs else "",
                             f"= {item.default}" if item.default is not None else "") if n]
        rows.append((number, item.code, item.name.get("zh", ""), item.name.get("en", ""), type_text(item), "Y" if item.key else "", "N" if item.required else "",
                     item.privacy or "", "; ".join(notes), item.provenance))
    echo_table(["#", say("代码", "code"), say("中文名", "Chinese"), say("英文名", "English"), say("类型", "type"), say("主键", "key"), say("非空", "not null"),
                say("隐私", "privacy"), say("代码表/引用/默认", "codes/refs/default"), say("可信度", "provenance")], rows, right=(0,), title=f"{table.name.get('zh')}（{table.code}）")


def as_json(loaded: Any) -> dict[str, Any]:
    """The standard as scripts get it."""
    return {
        "standard": loaded.name, "version": loaded.version, "name": loaded.title, "prefix": loaded.prefix,
        "provenance": dict(Counter(item.provenance for t in loaded.submitted_tables for item in t.items)),
        "tables": [_table_json(t) for t in loaded.submitted_tables],
        "auxiliary_tables": [_table_json(t) for t in loaded.ordered_tables if not t.submitted],
    }


def _table_json(t: Any) -> dict[str, Any]:
    return {
        "code": t.code, "name": t.name, "number": t.number, "level": t.level, "capture": t.capture, "provenance": t.provenance,
        "items": [{"code": i.code, "name": i.name, "type": i.type, "length": i.length, "scale": i.scale, "required": i.required, "key": i.key,
                   "privacy": i.privacy, "code_table": i.codes, "send": i.send, "default": i.default, "allow": list(i.allow),
                   "refs": {"table": i.refs.table, "item": i.refs.item} if i.refs else None, "provenance": i.provenance,
                   "length_provenance": i.length_provenance} for i in t.items],
    }


standard.add_command(list_standards)
standard.add_command(show)
standard.add_command(import_workbook)
standard.add_command(export)
standard.add_command(diff)
standard.add_command(catalogue)
