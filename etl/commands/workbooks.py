"""`eastbound standard import | export | diff | catalogue`: workbooks in and out, editions side by side, a page to read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from etl.commands.common import DateParam, command, echo_json, format_option, packs_option
from etl.language import current_language, pick, say


@command("import", zh="由监管工作簿（数据结构、业务代码表、检核规则）生成规范包，无需编码。", en="Make a pack from the regulator's workbook (tables, code tables, check rules), without code.",
         examples=["eastbound standard import 数据结构一览表.xlsx --as east_life_2024 --like east_life_2020 --into our-packs",
                   "eastbound standard import 业务代码表.xlsx --as east_life_2024 --into our-packs --columns codes.yaml",
                   "eastbound standard import 检核规则.xlsx --as east_life_2024 --into our-packs --columns rules.yaml"])
@click.argument("workbook", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "name", required=True, help=say("新规范包的名称，如 east_life_2024", "name of the pack, e.g. east_life_2024"))
@click.option("--into", default="packs", show_default=True, type=click.Path(file_okay=False, path_type=Path),
              help=say("规范包写入的目录，之后用 --packs 给出", "pack folder to write to; give it to other commands with --packs"))
@click.option("--columns", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help=say("列映射 YAML（kind: tables | codes | rules）；默认按监管数据结构一览表的布局", "column map in YAML (kind: tables | codes | rules); default: the layout of the regulator's list of data structures"))
@click.option("--like", default=None, help=say("工作簿未载明的内容（隐私、外键、默认值、规则等）取自此标准", "standard to take from what the workbook does not say: privacy, references, defaults, rules"))
@click.option("--prefix", default=None, help=say("规则编号前缀", "prefix of rule ids"))
@click.option("--edition", default=None, help=say("版本号", "version of the standard"))
@click.option("--family", default=None, help=say("系列名，如 east_life：run --standard 可写系列名", "family, e.g. east_life, which run --standard understands"))
@click.option("--effective-from", type=DateParam(), default=None, help=say("自何日起生效", "first day in force"))
@click.option("--replace", is_flag=True, help=say("覆盖同名规范包的表与代码", "overwrite tables and codes of a pack of that name"))
@format_option()
@packs_option
def import_workbook(packs: tuple[str, ...], form: str, workbook: Path, name: str, into: Path, columns: Path | None, like: str | None, prefix: str | None,
                    edition: str | None, family: str | None, effective_from: date | None, replace: bool) -> None:
    from etl.packs.roots import PackRoots
    from etl.rules.workbook import carry_rules, import_rules
    from etl.standard.loader import load_standard, load_standard_folder
    from etl.standard.workbook.columnmap import builtin_map, load_map
    from etl.standard.workbook.importing import ImportOptions, PackMissing, import_codes, import_tables

    roots = PackRoots.of(*packs)
    chosen = load_map(columns) if columns else builtin_map()
    model = load_standard(like, roots) if like else None
    options = ImportOptions(name, into, model, prefix, edition, effective_from, family, replace)
    rules_folder = into / "validation_rules" / name
    if chosen.kind == "rules":
        if not (options.folder / "standard.yaml").is_file():
            raise PackMissing(path=str(options.folder), name=name)
        made = import_rules(workbook, chosen, load_standard_folder(options.folder), rules_folder)
        about = {"rules": made.live, "drafts": made.drafts}
        _told(form, {"standard": name, "folder": str(rules_folder), **about}, made.notes,
              say(f"{made.live} 条规则生效，{made.drafts} 条待补（缺表达式或样例，见 {rules_folder}/drafts）", f"{made.live} rule(s) live, {made.drafts} to be finished (no expression or no examples: see {rules_folder}/drafts)"))
        return
    result = import_codes(workbook, chosen, options) if chosen.kind == "codes" else import_tables(workbook, chosen, options)
    notes, carried = list(result.notes), 0
    if model and chosen.kind == "tables":
        rules = carry_rules(model, roots.rules(model.name), result.standard, rules_folder)
        notes, carried = notes + rules.notes, rules.live
    tables, items = len(result.standard.submitted_tables), sum(len(t.items) for t in result.standard.submitted_tables)
    text = say(f"{name}：{tables} 张表，{items} 个数据项，代码表 {result.codes} 个，带入规则 {carried} 条；写入 {result.folder}",
               f"{name}: {tables} tables, {items} items, {result.codes} code table(s), {carried} rule(s) carried over; written to {result.folder}")
    _told(form, {"standard": name, "folder": str(result.folder), "tables": tables, "items": items, "codes": result.codes, "rules": carried}, notes, text)
    if form != "json":
        click.echo(say("查看：", "See: ") + f"eastbound standard show {name} --packs {into}")


def _told(form: str, about: dict[str, Any], notes: list[Any], text: str) -> None:
    if form == "json":
        echo_json({**about, "notes": [{"sheet": n.sheet, "cell": n.cell, "zh": n.zh, "en": n.en} for n in notes]})
        return
    for note in notes:
        click.echo(say("提示 ", "note ") + note.sentence(current_language()))
    click.echo(text)


@command("export", zh="按监管数据结构一览表的布局导出工作簿。", en="Write a standard as a workbook in the regulator's layout.", examples=["eastbound standard export east_life_2020 -o east_life_2020.xlsx"])
@click.argument("name")
@click.option("--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path), help=say("工作簿", "workbook to write"))
@packs_option
def export(packs: tuple[str, ...], name: str, output: Path) -> None:
    from etl.packs.roots import PackRoots
    from etl.standard.loader import load_standard
    from etl.standard.workbook.exporting import export_workbook

    count = export_workbook(load_standard(name, PackRoots.of(*packs)), output)
    click.echo(say(f"{output}：{count} 张数据工作表", f"{output}: {count} data sheets"))


@command("diff", zh="比较两个版本：表、数据项、代码、规则的增删改。退出码 0 相同，1 不同。", en="Compare two editions: tables, items, codes and rules added, removed, changed. Exit code 0 equal, 1 different.",
         examples=["eastbound standard diff east_life_2020 east_life_2024 --packs our-packs", "eastbound standard diff A B --format html > diff.html",
                   "eastbound standard diff A B --layout-only"])
@click.argument("a")
@click.argument("b")
@click.option("--format", "form", default="text", show_default=True, type=click.Choice(["text", "json", "html"]), help=say("输出格式", "output format"))
@click.option("--layout-only", is_flag=True, help=say("只比较监管工作簿载明的内容（名称、类型、长度、主键、非空、代码表）", "compare only what the regulator's workbook says: names, types, lengths, keys, not null, code tables"))
@packs_option
def diff(packs: tuple[str, ...], a: str, b: str, form: str, layout_only: bool) -> int:
    from etl.packs.roots import PackRoots
    from etl.rules.compare import rule_texts
    from etl.rules.loader import load_rules
    from etl.standard.diff import diff_standards
    from etl.standard.differences import diff_page, line, summary
    from etl.standard.loader import load_standard

    roots = PackRoots.of(*packs)
    first, second = load_standard(a, roots), load_standard(b, roots)
    rules = [{} if layout_only else rule_texts(s, load_rules(s, roots)) for s in (first, second)]
    found = diff_standards(first, second, *rules, layout_only=layout_only)
    language = current_language()
    if form == "json":
        echo_json({"a": a, "b": b, "equal": not found, "differences": [one.as_dict() for one in found]})
    elif form == "html":
        click.echo(diff_page(a, b, found, language), nl=False)
    elif not found:
        click.echo(say(f"{a} 与 {b} 没有差异", f"no difference between {a} and {b}"))
    else:
        for one in found:
            click.echo(line(one, language))
        click.echo(", ".join(summary(found, language)))
    return 1 if found else 0


@command("catalogue", zh="生成标准的目录页（HTML）：表、数据项、代码、规则与样例，可搜索，中英文切换，单个文件。", en="Make the catalogue page of a standard: tables, items, codes, rules with examples; searchable, in both languages, one file.",
         examples=["eastbound standard catalogue east_life_2020 -o catalogue"])
@click.argument("name")
@click.option("--output", "-o", required=True, type=click.Path(file_okay=False, path_type=Path), help=say("写入的目录", "folder to write to"))
@packs_option
def catalogue(packs: tuple[str, ...], name: str, output: Path) -> None:
    from etl.packs.roots import PackRoots
    from etl.rules.definition import FAMILY_NAMES
    from etl.rules.loader import load_rules
    from etl.standard.catalogue import write_catalogue
    from etl.standard.loader import load_standard

    roots = PackRoots.of(*packs)
    loaded = load_standard(name, roots)
    path = write_catalogue(loaded, load_rules(loaded, roots), output, FAMILY_NAMES)
    click.echo(f"{pick(loaded.title)}: {path}")
