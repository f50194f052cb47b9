"""What differs between two standards: tables, items, code tables; and between their rules, given as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

from etl.standard.definition import CodeTable, CodeValue, DataItem, Standard, Table

Kind = Literal["standard", "table", "item", "code_table", "code", "rule"]
Change = Literal["added", "removed", "changed", "renamed", "dates_changed"]

# What the regulator's list of data structures has a column for; the rest of an item is the house's own.
LAYOUT_ITEM_FIELDS = ("name", "position", "type", "length", "scale", "required", "key", "codes")
LAYOUT_TABLE_FIELDS = ("name",)


@dataclass(frozen=True)
class Difference:
    """One difference, from A to B. `place` is TABLE, TABLE.ITEM, CODETABLE, CODETABLE:CODE, or a rule's id without its prefix."""

    kind: Kind
    change: Change
    place: str
    name: str = ""
    field: str = ""
    before: str = ""
    after: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def diff_standards(a: Standard, b: Standard, rules_a: Mapping[str, Mapping[str, Any]] | None = None, rules_b: Mapping[str, Mapping[str, Any]] | None = None,
                   *, layout_only: bool = False) -> list[Difference]:
    """All differences from `a` to `b`, in the order of the tables.

    Rules are {id without prefix: {field: text}}; names of standards, notes, provenance and English names do not count.
    `layout_only` compares just what the regulator's workbook carries: no privacy, references, defaults, nor rules.
    """
    found: list[Difference] = [] if layout_only else list(_fields("standard", "", "", _standard(a), _standard(b)))
    tables_a = {code: t for code, t in a.tables.items() if t.submitted or not layout_only}
    tables_b = {code: t for code, t in b.tables.items() if t.submitted or not layout_only}
    for code in _in_order(tables_a, tables_b):
        before, after = tables_a.get(code), tables_b.get(code)
        if before is None or after is None:
            found.append(_one("table", code, before, after, lambda t: t.name.get("zh", ""), lambda t: len(t.items), "items"))
            continue
        found += _table(before, after, layout_only)
    used = {item.codes for s in (a, b) for t in s.tables.values() for item in t.items}
    for code in _in_order(a.codes, b.codes):
        if layout_only and code not in used:
            continue
        before, after = a.codes.get(code), b.codes.get(code)
        if before is None or after is None:
            found.append(_one("code_table", code, before, after, lambda t: t.name.get("zh", ""), lambda t: len(t.values), "values"))
            continue
        found += _codes(before, after)
    if not layout_only:
        found += _rules(rules_a or {}, rules_b or {})
    return found


def _in_order(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return [*a, *(key for key in b if key not in a)]


def _one(kind: Kind, place: str, before: Any, after: Any, name: Any, about: Any, field: str = "") -> Difference:
    there = before if after is None else after
    return Difference(kind, "removed" if after is None else "added", place, name(there), field,
                      str(about(before)) if before is not None else "", str(about(after)) if after is not None else "")


def _fields(kind: Kind, place: str, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Difference]:
    for field in _in_order(before, after):
        if before.get(field) != after.get(field):
            yield Difference(kind, "changed", place, name, field, _text(before.get(field)), _text(after.get(field)))


def _text(value: Any) -> str:
    if value is None or value == "" or value == () or value == {}:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    return str(value)


def _standard(s: Standard) -> dict[str, Any]:
    return {"version": s.version, "frequency": s.frequency, "on_error": s.on_error, "company_codes": s.company_codes, "serial": _block(s.serial), "format": _block(s.format),
            "transaction": _block(s.transaction), "package": _block(s.package), "hold_key": s.hold_key, "split_by": s.split_by,
            "open_ended": s.open_ended, "effective": _span(s.effective_from, s.effective_to), "deadline": s.deadline, "masking": s.masking}


def _block(block: Any) -> dict[str, Any]:
    return asdict(block) if block is not None else {}


def _span(first: date | None, last: date | None) -> str:
    return f"{first or ''}..{last or ''}" if first or last else ""


def _table_fields(t: Table, layout_only: bool) -> dict[str, Any]:
    fields = {"name": t.name.get("zh", ""), "number": t.number, "subject": t.subject.get("zh", ""), "level": t.level, "capture": t.capture, "submitted": t.submitted,
              "effective": _span(t.effective_from, t.effective_to)}
    return {key: fields[key] for key in LAYOUT_TABLE_FIELDS} if layout_only else fields


def _item_fields(item: DataItem, position: int, layout_only: bool) -> dict[str, Any]:
    refs = f"{item.refs.table}.{item.refs.item}" + (f" except {', '.join(item.refs.exceptions)}" if item.refs.exceptions else "") + (
        f" when {item.refs.when}" if item.refs.when else "") if item.refs else ""
    fields = {
        "name": item.name.get("zh", ""), "position": position, "type": item.type, "length": item.length, "scale": item.scale, "required": item.required, "key": item.key,
        "codes": item.codes or "", "send": item.send if item.codes else "", "allow": item.allow, "default": _text(item.default), "role": item.role or "",
        "privacy": item.privacy or "", "privacy_when": item.privacy_when or "", "refs": refs, "effective": _span(item.effective_from, item.effective_to),
        "layout": {key: value for key, value in asdict(item.layout).items() if value is not None},
    }
    return {key: fields[key] for key in LAYOUT_ITEM_FIELDS} if layout_only else fields


def _table(a: Table, b: Table, layout_only: bool) -> Iterable[Difference]:
    yield from _fields("table", a.code, b.name.get("zh", ""), _table_fields(a, layout_only), _table_fields(b, layout_only))
    # A position counts among the items that both have: one new item does not move all that follow it.
    places = [{item.code: n for n, item in enumerate((i for i in t.items if i.code in other.by_code), 1)} for t, other in ((a, b), (b, a))]
    for code in _in_order(a.by_code, b.by_code):
        before, after = a.by_code.get(code), b.by_code.get(code)
        if before is None or after is None:
            yield _one("item", f"{a.code}.{code}", before, after, lambda i: i.name.get("zh", ""), _kind_text)
            continue
        yield from _fields("item", f"{a.code}.{code}", after.name.get("zh", ""), _item_fields(before, places[0][code], layout_only), _item_fields(after, places[1][code], layout_only))


def _kind_text(item: DataItem) -> str:
    return f"{item.type}({item.length},{item.scale})" if item.type == "decimal" else f"{item.type}({item.length})"


def _codes(a: CodeTable, b: CodeTable) -> Iterable[Difference]:
    if a.name.get("zh") != b.name.get("zh"):
        yield Difference("code_table", "renamed", a.code, b.name.get("zh", ""), "name", a.name.get("zh", ""), b.name.get("zh", ""))
    before, after = _by_code(a), _by_code(b)
    for code in _in_order(before, after):
        old, new = before.get(code, []), after.get(code, [])
        # Lines that are equal on both sides say nothing; what is left is matched in the order of their days.
        rest_old = [v for v in old if not any(_same(v, w) for w in new)]
        rest_new = [v for v in new if not any(_same(v, w) for w in old)]
        for index in range(max(len(rest_old), len(rest_new))):
            was = rest_old[index] if index < len(rest_old) else None
            now = rest_new[index] if index < len(rest_new) else None
            place = f"{a.code}:{code}"
            if was is None or now is None:
                yield _one("code", place, was, now, lambda v: v.name, lambda v: " ".join(filter(None, (v.name, _span(v.valid_from, v.valid_to)))))
                continue
            if was.name != now.name:
                yield Difference("code", "renamed", place, now.name, "name", was.name, now.name)
            if _span(was.valid_from, was.valid_to) != _span(now.valid_from, now.valid_to):
                yield Difference("code", "dates_changed", place, now.name, "effective", _span(was.valid_from, was.valid_to), _span(now.valid_from, now.valid_to))


def _same(a: CodeValue, b: CodeValue) -> bool:
    return (a.name, a.valid_from, a.valid_to) == (b.name, b.valid_from, b.valid_to)


def _by_code(table: CodeTable) -> dict[str, list[CodeValue]]:
    found: dict[str, list[CodeValue]] = {}
    for value in sorted(table.values, key=lambda v: v.valid_from or date.min):
        found.setdefault(value.code, []).append(value)
    return found


def _rules(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> Iterable[Difference]:
    for rule in _in_order(a, b):
        before, after = a.get(rule), b.get(rule)
        if before is None or after is None:
            yield _one("rule", rule, before, after, lambda r: r.get("message", ""), lambda r: r.get("expect", ""))
            continue
        yield from _fields("rule", rule, str(after.get("message", "")), before, after)
