"""The catalogue of a standard: one HTML page for people who have never seen the code, in both languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from etl.files import whole_file
from etl.language import current_language
from etl.standard.definition import DataItem, Standard, Table

TEMPLATES = Path(__file__).with_name("templates")

PROVENANCE = {
    "E": ("已公布：见于已公布的标准或实际使用过的资料", "published: seen in the published standard or in material that ran against it"),
    "R": ("拼合：由不完整的资料拼成", "pieced together from partial evidence"),
    "I": ("推断", "inferred"),
    "G": ("常识，有待核实", "general knowledge, to be verified"),
    "reconstructed": ("重建：未见原文，由本项目按业务常理补出，报送前须与监管工作簿核对", "rebuilt by this project where the original was not seen; compare with the regulator's workbook before use"),
}
CAPTURE = {"full": ("全量：每期报送全部数据", "Full: everything, each period"), "incremental": ("增量：只报送本期新增", "Incremental: what is new in the period"),
           "change": ("变化量：只报送本期有变化的", "Change: what has changed in the period")}
PRIVACY = {"name": ("姓名", "name"), "id_number": ("证件号码", "identity number"), "phone": ("电话", "telephone"), "account": ("账号", "account number"),
           "email": ("邮箱", "e-mail"), "address": ("地址", "address")}
FREQUENCY = {"monthly": ("每月", "monthly"), "daily": ("每日", "daily"), "quarterly": ("每季", "quarterly"), "yearly": ("每年", "yearly")}
ROLES = {"serial": ("由系统编号", "numbered by the system"), "company_code": ("由系统填入公司代码", "company code, filled in by the system"),
         "company_name": ("由系统填入公司名称", "company name, filled in by the system")}


def write_catalogue(standard: Standard, rules: Sequence[Any], folder: Path, family_names: dict[str, dict[str, str]] | None = None) -> Path:
    """Write `<folder>/<standard>.html` and return its path. `rules` are authored rules; `family_names` name their families in both languages.

    The page needs nothing from outside. The same standard and rules give the same bytes.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(TEMPLATES, encoding="utf-8"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    by_table: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        by_table.setdefault(rule.table, []).append(_rule(rule, family_names or {}))
    tables = [_table(t, standard, by_table.get(t.code, [])) for t in sorted(standard.tables.values(), key=lambda t: (not t.submitted, t.number, t.code))]
    used: dict[str, list[str]] = {}
    for table in standard.tables.values():
        for item in table.items:
            if item.codes:
                used.setdefault(item.codes, []).append(f"{table.code}.{item.code}")
    page = environment.get_template("catalogue.html.j2").render(
        standard=standard, language=current_language(), tables=tables, title=_pair(standard.title, standard.name),
        codes=[{"table": table, "name": _pair(table.name, code), "used": used.get(code, []), "dated": any(v.valid_from or v.valid_to for v in table.values)}
               for code, table in sorted(standard.codes.items())],
        items=sum(len(t.items) for t in standard.submitted_tables), rule_count=len(rules), frequency=FREQUENCY.get(standard.frequency, (standard.frequency,) * 2),
        provenance=PROVENANCE, counted=Counter(item.provenance for t in standard.submitted_tables for item in t.items),
    )
    target = folder / f"{standard.name}.html"
    with whole_file(target) as partial:
        partial.write_text(page, encoding="utf-8")
    return target


def _pair(texts: Any, fallback: str = "") -> tuple[str, str]:
    """(Chinese, English), the one that is there where the other is missing."""
    if not isinstance(texts, dict):
        return (str(texts or fallback),) * 2
    return texts.get("zh") or texts.get("en") or fallback, texts.get("en") or texts.get("zh") or fallback


def _table(table: Table, standard: Standard, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "code": table.code, "number": table.number, "name": _pair(table.name, table.code), "subject": _pair(table.subject, ""), "submitted": table.submitted,
        "capture": CAPTURE.get(table.capture, (table.capture,) * 2), "keys": [(item.code, _pair(item.name)) for item in table.key_items], "note": _pair(table.note),
        "effective": _span(table), "rules": rules, "items": [_item(item, standard) for item in table.items], "provenance": table.provenance,
    }


def _item(item: DataItem, standard: Standard) -> dict[str, Any]:
    return {
        "code": item.code, "name": _pair(item.name, item.code), "kind": _kind(item, standard), "required": item.required, "key": item.key,
        "role": ROLES.get(item.role or ""), "privacy": PRIVACY.get(item.privacy or ""), "codes": item.codes, "send_text": item.send == "text", "allow": item.allow,
        "default": "" if item.default is None else str(item.default), "refs": item.refs, "provenance": item.provenance, "length_provenance": item.length_provenance,
        "note": _pair(item.note), "effective": _span(item),
    }


def _kind(item: DataItem, standard: Standard) -> tuple[str, str]:
    if item.type == "text":
        unit = ("字节", "bytes") if standard.format.length_unit == "bytes" else ("字符", "characters")
        return f"文本，最多 {item.length} {unit[0]}", f"text, up to {item.length} {unit[1]}"
    if item.type == "date":
        return "日期", "date"
    if item.type == "integer":
        return f"整数，最多 {item.length} 位", f"whole number, up to {item.length} digits"
    return f"数值，共 {item.length} 位，其中小数 {item.scale} 位", f"number of up to {item.length} digits, {item.scale} of them decimals"


def _span(thing: Any) -> str:
    return f"{thing.effective_from or '…'} – {thing.effective_to or '…'}" if thing.effective_from or thing.effective_to else ""


def _rule(rule: Any, families: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "id": rule.id, "item": rule.item, "severity": rule.severity, "family": _pair(families.get(rule.family), rule.family), "message": _pair(rule.message),
        "when": rule.when.text if rule.when else "", "expect": _expectation(rule), "basis": rule.basis, "effective": _span(rule), "official_id": rule.official_id or "",
        "examples": [("pass", list(_example(e))) for e in rule.examples_pass] + [("fail", list(_example(e))) for e in rule.examples_fail],
    }


def _expectation(rule: Any) -> str:
    if rule.reconcile:
        sides = (rule.reconcile.left, rule.reconcile.right)
        return " = ".join(f"{s.table}: {s.value.text}{' WHERE ' + s.where.text if s.where else ''} BY {', '.join(s.by)}" for s in sides)
    text = rule.expectation()
    if rule.relation:
        on = ", ".join(f"{own} = {rule.relation.to}.{other}" for own, other in rule.relation.on.items())
        where = f" WHERE {rule.relation.to_where.text}" if rule.relation.to_where else ""
        values = "".join(f"; {name} = {value.text}" for name, value in rule.relation.aggregate.items())
        return f"{text}  [{on}{where}{values}]" if rule.expect else f"{on}{where}"
    return text


def _example(example: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """(table or '', row as text) of every row of an example."""
    if example and all(isinstance(rows, list) for rows in example.values()):
        for table, rows in example.items():
            for row in rows:
                yield table, _row(row)
    else:
        yield "", _row(example)


def _row(row: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {'∅' if value is None else value}" for key, value in row.items())
