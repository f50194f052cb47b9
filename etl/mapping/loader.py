"""Load mappings and code maps; every expression is held against the core systems' contracts and the standard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlglot import exp

from etl.errors import EastboundError, raise_problems
from etl.expressions import Expression, ExpressionBroken, Scope, parse_expression
from etl.expressions.parse import FAMILIES, call_of, check_tree
from etl.expressions.syntax import column_name
from etl.mapping.conversions import CONVERTING
from etl.mapping.definition import Branch, CodeMap, ItemSource, Join, MappingSet, TableMapping
from etl.packs.csvfile import read_csv
from etl.packs.roots import PackRoots
from etl.packs.shape import Shape, hint
from etl.packs.yamlfile import PackFileBroken, read_yaml
from etl.standard.definition import DataItem, Standard, Table
from etl.standard.values import value_fault

CODE_MAP_COLUMNS = ("source", "target", "note")

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
            mapping = _table_mapping(Shape(read_yaml(path), errors), system, standard, columns, code_maps)
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
    for line, row in read_csv(path, CODE_MAP_COLUMNS, 2, errors):
        if not row["source"] or not row["target"]:
            errors.append(PackFileBroken(path=str(path), line=line, problem_zh="source 或 target 为空", problem_en="source or target is empty"))
            continue
        if row["source"] in entries:
            errors.append(PackFileBroken(path=str(path), line=line, problem_zh=f"来源代码 {row['source']} 重复",
                                         problem_en=f"source code {row['source']} appears twice"))
        entries[row["source"]] = row["target"]
    return CodeMap(f"{system}.{path.stem}", entries, str(path))


class _Reader:
    """Reads one mapping file; collects faults instead of stopping at the first."""

    def __init__(self, shape: Shape, system: str, standard: Standard, columns: SourceColumns, code_maps: dict[str, CodeMap]) -> None:
        self.shape, self.system, self.standard = shape, system, standard
        self.columns, self.code_maps = columns, code_maps

    def map_name(self, name: str) -> str:
        return name if "." in name else f"{self.system}.{name}"

    def parse(self, text: Any, scope: Scope, at: tuple, expect: str | None = None, label: str = "", without: tuple[str, ...] = ()) -> Expression | None:
        """A checked expression. `without` names conversions that may not stand here: a value that fails could not be set aside."""
        if isinstance(text, (dict, list)) or text is None:
            self.shape.fault(*at, zh=f"{label}应是表达式", en=f"{label}an expression is wanted here")
            return None
        try:
            expression = parse_expression(text, scope, expect)
        except ExpressionBroken as error:
            self.shape.fault(*at, zh=f"{label}{error.sentence('zh')}", en=f"{label}{error.sentence('en')}")
            return None
        for name in {called[0] for node in expression.tree.walk() if (called := call_of(node))} & set(without):
            self.shape.fault(*at, zh=f"{label}此处不能用 {name}：转换失败的值无处搁置；请比较来源系统的原值，或在 items 中转换",
                             en=f"{label}{name} cannot be used here, where a value that fails could not be set aside; "
                                "compare the source's own values, or convert in items")
            return None
        return expression

    def scope(self, columns: dict[str, str], aggregates: bool = False) -> Scope:
        return Scope(columns, frozenset(self.standard.codes), aggregates=aggregates, conversions=True,
                     code_maps=lambda name: self.map_name(name) in self.code_maps)

    def source(self, text: Any, at: tuple, taken: set[str]) -> tuple[str, str, str] | None:
        match = re.fullmatch(r"\s*(\w+)\.(\w+)\s+(?:AS\s+)?(\w+)\s*", str(text), re.IGNORECASE)
        if not match:
            self.shape.fault(*at, zh=f"{text!r} 应写作 系统.表 别名", en=f"{text!r} should read system.table alias")
            return None
        if f"{match[1]}.{match[2]}" not in self.columns:
            zh, en = hint(f"{match[1]}.{match[2]}", self.columns)
            self.shape.fault(*at, zh=f"来源契约中没有表 {match[1]}.{match[2]}{zh}", en=f"no contract has table {match[1]}.{match[2]}{en}")
            return None
        if match[3].lower() in taken:
            self.shape.fault(*at, zh=f"别名 {match[3]} 已被使用", en=f"alias {match[3]} is already taken")
            return None
        taken.add(match[3].lower())
        return match[1], match[2], match[3]

    def branch(self, index: int, raw: Any, table: Table) -> Branch | None:
        at = ("branches", index)
        raw = self.shape.mapping(raw, *at)
        self.shape.keys(raw, ("from", "where", "joins", "items", "note"), *at)
        self.shape.texts(raw.get("note"), *at, "note")
        taken: set[str] = set()
        driving = self.source(raw.get("from"), (*at, "from"), taken)
        if driving is None:
            return None
        system, name, alias = driving
        visible = {f"{alias}.{c}": f for c, f in self.columns[f"{system}.{name}"].items()}
        joins: list[Join] = []
        for number, raw_join in enumerate(self.shape.listing(raw.get("joins"), *at, "joins")):
            join = self.join(raw_join, visible, (*at, "joins", number), taken)
            if join is None:
                return None
            joins.append(join)
            if join.kind == "left":
                visible.update({f"{join.alias}.{c}": f for c, f in self.columns[f"{join.system}.{join.table}"].items()})
            else:
                visible.update({f"{join.alias}.{v}": e.family for v, e in join.values.items()})
        scope = self.scope(visible)
        where = self.parse(raw["where"], scope, (*at, "where"), "bool", without=("code",)) if raw.get("where") is not None else None
        items = self.items(self.shape.mapping(raw.get("items"), *at, "items"), table, scope, (*at, "items"))
        return Branch(system, name, alias, where, tuple(joins), items)

    def join(self, raw: Any, visible: dict[str, str], at: tuple, taken: set[str]) -> Join | None:
        kind = "left" if isinstance(raw, dict) and "left" in raw else "aggregate"
        if not isinstance(raw, dict) or kind not in raw or "on" not in raw or set(raw) - {kind, "on", "where", "values"}:
            self.shape.fault(*at, zh="连接应含 left 或 aggregate 与 on，可含 where、values", en="a join takes left or aggregate, and on; it may take where and values")
            return None
        found = self.source(raw[kind], (*at, kind), taken)
        if found is None:
            return None
        system, name, alias = found
        own = {f"{alias}.{c}": f for c, f in self.columns[f"{system}.{name}"].items()}
        on = self.parse(raw["on"], self.scope({**visible, **own}), (*at, "on"), "bool", without=CONVERTING)
        if on is None:
            return None
        pairs: list[tuple[str, Expression]] = []
        for part in _conjuncts(on.tree):
            pair = self._pair(part, alias, visible)
            if pair is None:
                self.shape.fault(*at, "on", zh=f"on 的每一项应为 {alias}.列 = 前面别名的表达式", en=f"each part of on should be {alias}.column = expression over earlier aliases")
                return None
            pairs.append(pair)
        where = self.parse(raw["where"], self.scope(own), (*at, "where"), "bool", without=CONVERTING) if raw.get("where") is not None else None
        values: dict[str, Expression] = {}
        for value, text in self.shape.mapping(raw.get("values"), *at, "values").items():
            expression = self.parse(text, self.scope(own, aggregates=True), (*at, "values", value), without=CONVERTING)
            if expression is None:
                return None
            values[str(value)] = expression
        if (kind == "aggregate") != bool(values):
            self.shape.fault(*at, zh="aggregate 需要 values；left 不能有 values", en="an aggregate join needs values, and a left join takes none")
            return None
        return Join(kind, system, name, alias, tuple(pairs), where, values)

    def _pair(self, part: exp.Expression, alias: str, visible: dict[str, str]) -> tuple[str, Expression] | None:
        if not isinstance(part, exp.EQ):
            return None
        for mine, other in ((part.this, part.expression), (part.expression, part.this)):
            if isinstance(mine, exp.Column) and mine.table == alias:
                try:
                    return mine.name, check_tree(other.sql(), other, self.scope(visible))
                except ExpressionBroken:
                    continue
        return None

    def items(self, raw: dict, table: Table, scope: Scope, at: tuple) -> dict[str, ItemSource]:
        mapped = {item.code for item in table.mapped_items}
        for code in raw:
            if code not in mapped:
                zh, en = hint(code, mapped)
                self.shape.fault(*at, code, zh=f"表 {table.code} 没有可映射的数据项 {code}{zh}", en=f"table {table.code} has no item {code} to map{en}")
        items: dict[str, ItemSource] = {}
        for item in table.mapped_items:
            if item.code not in raw:
                self.shape.fault(*at, zh=f"缺少数据项 {item.code} 的取数口径", en=f"item {item.code} is not mapped; give an expression, or default with a reason")
                continue
            source = self.item(item, raw[item.code], scope, (*at, item.code))
            if source is not None:
                items[item.code] = source
        return items

    def item(self, item: DataItem, value: Any, scope: Scope, at: tuple) -> ItemSource | None:
        line = self.shape.document.line(*at)
        if not isinstance(value, dict):
            expression = self.parse(value, scope, at, FAMILIES[item.type], f"{item.code}：")
            if expression is None:
                return None
            calls = [called for node in expression.tree.walk() if (called := call_of(node)) and called[0] == "code"]
            maps = tuple(dict.fromkeys(self.map_name(column_name(arguments[0])) for _, arguments in calls))
            return ItemSource("expression", expression, maps=maps, line=line)
        if not value.get("why") or len({"default", "constant"} & set(value)) != 1 or set(value) - {"default", "constant", "why"}:
            self.shape.fault(*at, zh=f"{item.code}：应为 default 或 constant，并说明 why", en=f"{item.code}: give default or constant, and why")
            return None
        why = self.shape.texts(value["why"], *at, "why")
        if not isinstance(value["why"], dict):
            why = {"zh": str(value["why"]), "en": str(value["why"])}
        if "default" in value and value["default"] is not True:
            self.shape.fault(*at, "default", zh=f"{item.code}：default 只能为 true；固定值用 constant", en=f"{item.code}: default can only be true; for a fixed value use constant")
            return None
        constant = value.get("constant")
        wrong = value_fault(item, constant) if constant is not None else None
        if wrong:
            self.shape.fault(*at, "constant", zh=wrong[0], en=wrong[1])
            return None
        return ItemSource("constant" if "constant" in value else "default", constant=constant, why=why, line=line)


def _conjuncts(node: exp.Expression) -> list[exp.Expression]:
    if isinstance(node, exp.Paren):
        return _conjuncts(node.this)
    if isinstance(node, exp.And):
        return [*_conjuncts(node.this), *_conjuncts(node.expression)]
    return [node]


def _table_mapping(shape: Shape, system: str, standard: Standard, columns: SourceColumns, code_maps: dict[str, CodeMap]) -> TableMapping | None:
    reader = _Reader(shape, system, standard, columns, code_maps)
    data = shape.root(("standard", "table", "branches", "absent", "note"))
    if data.get("standard") != standard.name:
        shape.fault("standard", zh=f"standard 应为 {standard.name}", en=f"standard should be {standard.name}")
    code = shape.text(data.get("table"), "table")
    table = standard.tables.get(code)
    if table is None:
        zh, en = hint(code, standard.tables)
        shape.fault("table", zh=f"标准中没有表 {code}{zh}", en=f"the standard has no table {code}{en}")
        return None
    raw_branches = shape.listing(data.get("branches"), "branches")
    absent = shape.texts(data["absent"], "absent") if data.get("absent") else {}
    if bool(raw_branches) == bool(absent):
        shape.fault("branches", zh="应有 branches；核心系统没有此表的数据时，改用 absent 说明原因", en="give branches; or absent, with the reason, where no core system keeps such data")
    branches = [branch for i, raw in enumerate(raw_branches) if (branch := reader.branch(i, raw, table))]
    return TableMapping(standard.name, table.code, system, tuple(branches), str(shape.document.path), absent)
