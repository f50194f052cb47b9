"""Load mappings and code maps; every expression is held against the core systems' contracts and the standard."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sqlglot import exp

from etl.errors import EastboundError, raise_problems
from etl.expressions import Expression, ExpressionBroken, Scope, parse_expression
from etl.expressions.parse import FAMILIES, call_of
from etl.mapping.definition import Branch, CodeMap, ItemSource, Join, MappingSet, TableMapping
from etl.packs.roots import PackRoots
from etl.packs.yamlfile import PackFileBroken, YamlDocument, read_yaml
from etl.standard.definition import Standard, Table

# "system.table" -> column -> family (text, number, date, timestamp)
SourceColumns = Mapping[str, Mapping[str, str]]


def source_columns(systems: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The columns of all contracted source tables, as the loader wants them, from `etl.sources` systems."""
    return {
        f"{name}.{table.name}": {column.name: FAMILIES[column.type] for column in table.columns}
        for name, system in systems.items() for table in system.tables.values()
    }


def load_mappings(standard: Standard, columns: SourceColumns, roots: PackRoots | None = None) -> MappingSet:
    """All mappings of `standard`. Raises PackFileBroken or Problems with file and line of every fault."""
    errors: list[EastboundError] = []
    folders = (roots or PackRoots.of()).sources()
    code_maps: dict[str, CodeMap] = {}
    for system, folder in folders.items():
        for path in sorted((folder / "codes").glob("*.csv")):
            code_map = read_code_map(path, system, errors)
            code_maps[code_map.name] = code_map
    tables: dict[str, TableMapping] = {}
    for system, folder in folders.items():
        for path in sorted((folder / standard.name).glob("*.yaml")):
            mapping = _table_mapping(read_yaml(path), system, standard, columns, code_maps, errors)
            if mapping is None:
                continue
            if mapping.table in tables:
                errors.append(PackFileBroken(path=str(path), line=1, problem_zh=f"表 {mapping.table} 已在 {tables[mapping.table].path} 中映射",
                                             problem_en=f"table {mapping.table} is already mapped in {tables[mapping.table].path}"))
            tables[mapping.table] = mapping
    raise_problems(errors)
    return MappingSet(standard.name, tables, code_maps)


def read_code_map(path: Path, system: str, errors: list[EastboundError]) -> CodeMap:
    """A code map: CSV with source,target,note. A source code twice is an error."""
    entries: dict[str, str] = {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames is None or reader.fieldnames[:2] != ["source", "target"]:
            errors.append(PackFileBroken(path=str(path), line=1, problem_zh="首行应为 source,target,note", problem_en="the first line should read source,target,note"))
            return CodeMap(f"{system}.{path.stem}", {}, str(path))
        for row in reader:
            source, target = (row.get("source") or "").strip(), (row.get("target") or "").strip()
            if not source or not target:
                errors.append(PackFileBroken(path=str(path), line=reader.line_num, problem_zh="source 或 target 为空", problem_en="source or target is empty"))
            elif source in entries:
                errors.append(PackFileBroken(path=str(path), line=reader.line_num, problem_zh=f"来源代码 {source} 重复", problem_en=f"source code {source} appears twice"))
            entries[source] = target
    return CodeMap(f"{system}.{path.stem}", entries, str(path))


class _Reader:
    """Reads one mapping file; collects faults instead of stopping at the first."""

    def __init__(self, document: YamlDocument, system: str, standard: Standard, columns: SourceColumns,
                 code_maps: dict[str, CodeMap], errors: list[EastboundError]) -> None:
        self.document, self.system, self.standard = document, system, standard
        self.columns, self.code_maps, self.errors = columns, code_maps, errors

    def fault(self, *at: Any, zh: str, en: str) -> None:
        self.errors.append(self.document.broken(*at, zh=zh, en=en))

    def map_name(self, name: str) -> str:
        return name if "." in name else f"{self.system}.{name}"

    def parse(self, text: Any, scope: Scope, at: tuple, expect: str | None = None, label: str = "") -> Expression | None:
        try:
            return parse_expression(text, scope, expect)
        except ExpressionBroken as error:
            self.fault(*at, zh=f"{label}{error.sentence('zh')}", en=f"{label}{error.sentence('en')}")
            return None

    def scope(self, columns: dict[str, str], aggregates: bool = False) -> Scope:
        return Scope(columns, frozenset(self.standard.codes), aggregates=aggregates, conversions=True,
                     code_maps=lambda name: self.map_name(name) in self.code_maps)

    def source(self, text: Any, at: tuple) -> tuple[str, str, str] | None:
        match = re.fullmatch(r"\s*(\w+)\.(\w+)\s+(?:AS\s+)?(\w+)\s*", str(text), re.IGNORECASE)
        if not match:
            self.fault(*at, zh=f"{text!r} 应写作 系统.表 别名", en=f"{text!r} should read system.table alias")
            return None
        if f"{match[1]}.{match[2]}" not in self.columns:
            near = get_close_matches(f"{match[1]}.{match[2]}", self.columns, 1)
            hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
            self.fault(*at, zh=f"来源契约中没有表 {match[1]}.{match[2]}{hint_zh}", en=f"no contract has table {match[1]}.{match[2]}{hint_en}")
            return None
        return match[1], match[2], match[3]

    def branch(self, index: int, raw: dict, table: Table) -> Branch | None:
        at = ("branches", index)
        for key in raw:
            if key not in ("from", "where", "joins", "items", "note"):
                self.fault(*at, key, zh=f"未知键 {key}", en=f"unknown key {key}")
        driving = self.source(raw.get("from"), (*at, "from"))
        if driving is None:
            return None
        system, name, alias = driving
        visible = {f"{alias}.{c}": f for c, f in self.columns[f"{system}.{name}"].items()}
        joins: list[Join] = []
        for number, raw_join in enumerate(raw.get("joins") or []):
            join = self.join(raw_join, visible, (*at, "joins", number))
            if join is None:
                return None
            joins.append(join)
            if join.kind == "left":
                visible.update({f"{join.alias}.{c}": f for c, f in self.columns[f"{join.system}.{join.table}"].items()})
            else:
                visible.update({f"{join.alias}.{v}": e.family for v, e in join.values.items()})
        scope = self.scope(visible)
        where = self.parse(raw["where"], scope, (*at, "where"), "bool") if raw.get("where") is not None else None
        items = self.items(raw.get("items") or {}, table, scope, (*at, "items"))
        return Branch(system, name, alias, where, tuple(joins), items)

    def join(self, raw: Any, visible: dict[str, str], at: tuple) -> Join | None:
        kind = "left" if isinstance(raw, dict) and "left" in raw else "aggregate"
        if not isinstance(raw, dict) or kind not in raw or "on" not in raw or set(raw) - {kind, "on", "where", "values"}:
            self.fault(*at, zh="连接应含 left 或 aggregate 与 on，可含 where、values", en="a join takes left or aggregate, and on; it may take where and values")
            return None
        found = self.source(raw[kind], (*at, kind))
        if found is None:
            return None
        system, name, alias = found
        own = {f"{alias}.{c}": f for c, f in self.columns[f"{system}.{name}"].items()}
        on = self.parse(raw["on"], self.scope({**visible, **own}), (*at, "on"), "bool")
        if on is None:
            return None
        pairs: list[tuple[str, Expression]] = []
        for part in _conjuncts(on.tree):
            pair = self._pair(part, alias, own, visible)
            if pair is None:
                self.fault(*at, "on", zh=f"on 的每一项应为 {alias}.列 = 前面别名的表达式", en=f"each part of on should be {alias}.column = expression over earlier aliases")
                return None
            pairs.append(pair)
        where = self.parse(raw["where"], self.scope(own), (*at, "where"), "bool") if raw.get("where") is not None else None
        values: dict[str, Expression] = {}
        for value, text in (raw.get("values") or {}).items():
            expression = self.parse(text, self.scope(own, aggregates=True), (*at, "values", value))
            if expression is None:
                return None
            values[str(value)] = expression
        if kind == "aggregate" and not values:
            self.fault(*at, zh="aggregate 需要 values", en="an aggregate join needs values")
        return Join(kind, system, name, alias, tuple(pairs), where, values)

    def _pair(self, part: exp.Expression, alias: str, own: dict[str, str], visible: dict[str, str]) -> tuple[str, Expression] | None:
        if not isinstance(part, exp.EQ):
            return None
        for mine, other in ((part.this, part.expression), (part.expression, part.this)):
            if isinstance(mine, exp.Column) and mine.table == alias:
                try:
                    return mine.name, parse_expression(other.sql(dialect="duckdb"), self.scope(visible))
                except ExpressionBroken:
                    continue
        return None

    def items(self, raw: dict, table: Table, scope: Scope, at: tuple) -> dict[str, ItemSource]:
        items: dict[str, ItemSource] = {}
        for code in raw:
            if code not in table.by_code or table.by_code[code].assigned:
                near = get_close_matches(str(code), table.by_code, 1)
                hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
                self.fault(*at, code, zh=f"表 {table.code} 没有可映射的数据项 {code}{hint_zh}", en=f"table {table.code} has no item {code} to map{hint_en}")
        for item in table.mapped_items:
            if item.code not in raw:
                self.fault(*at, zh=f"缺少数据项 {item.code} 的取数口径", en=f"item {item.code} is not mapped; give an expression, or default with a reason")
                continue
            value = raw[item.code]
            line = self.document.line(*at, item.code)
            if isinstance(value, dict):
                if not value.get("why") or len({"default", "constant"} & set(value)) != 1:
                    self.fault(*at, item.code, zh=f"{item.code}：应为 default 或 constant，并说明 why", en=f"{item.code}: give default or constant, and why")
                    continue
                why = value["why"] if isinstance(value["why"], dict) else {"zh": str(value["why"]), "en": str(value["why"])}
                kind = "constant" if "constant" in value else "default"
                items[item.code] = ItemSource(kind, constant=value.get("constant"), why=why, line=line)
                continue
            expression = self.parse(value, scope, (*at, item.code), FAMILIES[item.type], f"{item.code}：")
            if expression is None:
                continue
            maps = tuple(dict.fromkeys(
                self.map_name(".".join(p.name for p in called[1][0].parts))
                for node in expression.tree.walk() if (called := call_of(node)) and called[0] == "code"))
            items[item.code] = ItemSource("expression", expression, maps=maps, line=line)
        return items


def _conjuncts(node: exp.Expression) -> list[exp.Expression]:
    if isinstance(node, exp.Paren):
        return _conjuncts(node.this)
    if isinstance(node, exp.And):
        return [*_conjuncts(node.this), *_conjuncts(node.expression)]
    return [node]


def _table_mapping(document: YamlDocument, system: str, standard: Standard, columns: SourceColumns,
                   code_maps: dict[str, CodeMap], errors: list[EastboundError]) -> TableMapping | None:
    reader = _Reader(document, system, standard, columns, code_maps, errors)
    data = document.data if isinstance(document.data, dict) else {}
    if data.get("standard") != standard.name:
        reader.fault("standard", zh=f"standard 应为 {standard.name}", en=f"standard should be {standard.name}")
    table = standard.tables.get(data.get("table"))
    if table is None:
        near = get_close_matches(str(data.get("table")), standard.tables, 1)
        hint_zh, hint_en = (f"，是否指 {near[0]}？", f"; did you mean {near[0]}?") if near else ("", "")
        reader.fault("table", zh=f"标准中没有表 {data.get('table')}{hint_zh}", en=f"the standard has no table {data.get('table')}{hint_en}")
        return None
    for key in data:
        if key not in ("standard", "table", "branches", "note"):
            reader.fault(key, zh=f"未知键 {key}", en=f"unknown key {key}")
    branches = [branch for i, raw in enumerate(data.get("branches") or []) if (branch := reader.branch(i, raw, table))]
    if not data.get("branches"):
        reader.fault("branches", zh="没有 branches", en="there are no branches")
    return TableMapping(standard.name, table.code, system, tuple(branches), str(document.path))
