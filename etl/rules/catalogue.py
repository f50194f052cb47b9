"""The catalogue of rules: every rule with its text, basis, expression, examples and dates; as data, as one HTML page, as a workbook."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from etl.cells import TEXT_ONLY, cell_text
from etl.files import whole_file
from etl.language import current_language
from etl.rules.compare import texts_of
from etl.rules.definition import FAMILY_NAMES, Rule
from etl.rules.versions import fingerprint
from etl.standard.definition import Standard

TEMPLATES = Path(__file__).with_name("templates")
# Columns of the workbook: key of an entry, heading in both languages, width in characters.
COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("id", "规则编号", "rule", 30), ("official_id", "官方编号", "official id", 14), ("table", "表代码", "table", 12), ("table_name", "表名", "table name", 20),
    ("item", "数据项代码", "item", 14), ("item_name", "数据项", "item name", 18), ("family", "类别代码", "family", 18), ("family_name", "类别", "family name", 12),
    ("origin", "来源", "origin", 10), ("severity", "级别", "severity", 9), ("text_zh", "说明", "text in Chinese", 48), ("text_en", "英文说明", "text", 48),
    ("when", "适用条件", "when", 32), ("expect", "要求", "expect", 40), ("expected", "应有的值", "expected", 20), ("relation", "关联", "relation", 32), ("unique", "唯一", "unique", 18),
    ("reconcile", "核对", "reconcile", 40), ("requires", "前提规则", "requires", 24), ("basis", "依据", "basis", 40), ("department", "责任部门", "department", 14),
    ("jurisdiction", "监管辖区", "jurisdiction", 10), ("silenced", "停用原因", "silenced", 24), ("effective_from", "生效日", "effective from", 12),
    ("effective_to", "失效日", "effective to", 12), ("changed", "最近修改", "last change", 12), ("version", "版本", "version", 18),
    ("passing", "通过样例", "passing examples", 48), ("failing", "不通过样例", "failing examples", 48),
)


def entry(rule: Rule, standard: Standard) -> dict[str, Any]:
    """A rule as the catalogue tells it: texts, dates, and examples as they stand in the pack; None where it has none of something."""
    table = standard.tables[rule.table]
    item = table.by_code.get(rule.item)
    said = texts_of(rule)
    return {
        "id": rule.id, "official_id": rule.official_id, "standard": standard.name, "table": rule.table, "table_name": table.name.get("zh", ""), "item": rule.item,
        "item_name": item.name.get("zh", "") if item else "", "family": rule.family, "family_name": FAMILY_NAMES.get(rule.family, {}).get("zh", rule.family),
        "origin": rule.origin, "severity": rule.severity, "message": rule.message, "text_zh": rule.message.get("zh", ""), "text_en": rule.message.get("en", ""),
        "when": said["when"] or None, "expect": said["expect"] or rule.expectation(), "expected": said["expected"] or None, "relation": said["relation"] or None,
        "unique": said["unique"] or None, "reconcile": said["reconcile"] or None, "requires": list(rule.requires), "basis": rule.basis, "department": rule.department or None,
        "effective_from": rule.effective_from, "effective_to": rule.effective_to, "changed": rule.changed, "jurisdiction": rule.jurisdiction, "silenced": rule.silenced,
        "version": fingerprint(rule), "examples_pass": len(rule.examples_pass), "examples_fail": len(rule.examples_fail),
        "examples": {"pass": list(rule.examples_pass), "fail": list(rule.examples_fail)},
    }


def counts(rules: Sequence[Rule]) -> dict[str, dict[str, dict[str, int]]]:
    """Numbers of rules by family and by table, of every origin: {origin|family|table: {name: {authored, derived}}}."""
    def by(names: list[str]) -> dict[str, dict[str, int]]:
        pairs = Counter(zip(names, (rule.origin for rule in rules), strict=True))
        return {name: {origin: pairs[name, origin] for origin in ("authored", "derived")} for name in dict.fromkeys(names)}

    families = by([rule.family for rule in rules])
    return {"origin": {"all": {origin: sum(rule.origin == origin for rule in rules) for origin in ("authored", "derived")}},
            "family": {name: families[name] for name in FAMILY_NAMES if name in families}, "table": by([rule.table for rule in rules])}


def row_texts(told: dict[str, Any]) -> list[str]:
    """An entry as the texts of a workbook's row, in the order of COLUMNS."""
    extra = {"passing": _examples(told["examples"]["pass"]), "failing": _examples(told["examples"]["fail"]), "requires": ", ".join(told["requires"]),
             "silenced": f"{told['silenced'].get('zh', '')} ({told['silenced'].get('basis', '')})" if told["silenced"] else ""}
    return [_cell({**told, **extra}[key]) for key, *_ in COLUMNS]


def write_workbook(rules: Sequence[Rule], standard: Standard, path: Path) -> int:
    """Write the catalogue as an Excel workbook; returns the number of rules.

    Every cell is text: what begins like a formula stays what it is.
    """
    import xlsxwriter

    language = current_language()
    with whole_file(path) as partial:
        with xlsxwriter.Workbook(str(partial), TEXT_ONLY) as book:
            head = book.add_format({"bold": True, "bg_color": "#E8EEF4", "bottom": 1})
            text = book.add_format({"num_format": "@", "text_wrap": True, "valign": "top", "quote_prefix": True})
            sheet = book.add_worksheet("rules")
            for place, (_, zh, en, width) in enumerate(COLUMNS):
                sheet.set_column(place, place, width)
                sheet.write_string(0, place, zh if language == "zh" else en, head)
            sheet.freeze_panes(1, 1)
            sheet.autofilter(0, 0, len(rules), len(COLUMNS) - 1)
            for number, rule in enumerate(rules, 1):
                for place, value in enumerate(row_texts(entry(rule, standard))):
                    if value:
                        sheet.write_string(number, place, value, text)
    return len(rules)


def write_page(rules: Sequence[Rule], standard: Standard, path: Path) -> int:
    """Write the catalogue as one HTML page in both languages, which needs nothing from outside; returns the number of rules."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATES, encoding="utf-8"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["examples"] = _examples
    order = {table.code: place for place, table in enumerate(standard.ordered_tables)}
    told = [entry(rule, standard) for rule in sorted(rules, key=lambda r: (order[r.table], r.origin, r.id))]
    tables = [{"code": code, "name": standard.tables[code].name, "rules": [one for one in told if one["table"] == code]} for code in order]
    title = {language: standard.title.get(language) or standard.name for language in ("zh", "en")}
    page = environment.get_template("rules.html.j2").render(
        title=title, version=standard.version, language=current_language(), families={name: FAMILY_NAMES[name] for name in counts(rules)["family"]},
        tables=[table for table in tables if table["rules"]], total=len(told), authored=sum(one["origin"] == "authored" for one in told))
    with whole_file(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return len(told)


def _examples(examples: Sequence[Any]) -> str:
    """Examples a line each, as JSON."""
    return "\n".join(json.dumps(example, ensure_ascii=False, default=str) for example in examples)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, date):
        return value.isoformat()
    return cell_text(value)
